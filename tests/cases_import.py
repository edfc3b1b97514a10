"""Cases of the importers: class scores, class names, resizing, checkpoints, ONNX files and modules. check_cases.py runs them
and says what a case is.

Each function takes the program and the folder of all cases, and raises AssertionError with what is wrong.
"""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600)


def done(*command):
    ended = run(*command)
    assert ended.returncode == 0, f"{' '.join(map(str, command))}: status {ended.returncode}: {ended.stderr.strip()}"
    return ended


def imported(folder, source, *options):
    """The model file and what import-onnx said."""
    out = pathlib.Path(folder) / f"{source.stem}.h5"
    ended = done(sys.executable, ROOT / "tools" / "import-onnx", source, out, "--mean", "0.45", "--std", "0.225", *options)
    return out, ended.stdout + ended.stderr


def classes(model):
    import h5py
    with h5py.File(model, "r") as file:
        return [name.decode() if isinstance(name, bytes) else str(name) for name in file["classes"][()]]


def case_01(cfp, data):
    """A sigmoid head: each class has a separate probability, and no softmax is added."""
    expected = [0.9966, 0.1082, 0.3745, 0.5777, 0.4580]   # ONNX Runtime's own
    with tempfile.TemporaryDirectory() as folder:
        model, _ = imported(folder, data / "01-multilabel" / "multilabel.onnx")
        clip = data / "01-multilabel" / "clip.npy"
        ended = done(cfp, "predict", model, clip, "--start", "0", "--stride", "1", "--json", "-q")
        top = {entry["index"]: entry["probability"] for entry in json.loads(ended.stdout)["clips"][0]["top"]}
        assert all(abs(top[i] - p) < 1e-4 for i, p in enumerate(expected)), f"probabilities {top}, not {expected}"
        done(cfp, "explain", model, clip, "--start", "0", "--stride", "1", "-q", "-o", f"{folder}/out", "--format", "h5,json")
        import h5py
        with h5py.File(f"{folder}/out/explanation.h5", "r") as file:
            written = file["probabilities"][()].tolist()
        assert all(abs(a - b) < 1e-4 for a, b in zip(written, expected)), f"/probabilities {written}, not {expected}"


def case_02(cfp, data):
    """51 outputs are not HMDB-51 unless somebody says so."""
    with tempfile.TemporaryDirectory() as folder:
        source = data / "02-class-names" / "net51.onnx"
        model, said = imported(folder, source)
        names = classes(model)
        assert len(names) == 51 and not {"brush_hair", "wave"} & set(names), f"classes {names[:2]} ... {names[-1]}"
        assert said.count("note: ") == 1 and "--classes" in said, f"no note of the class names: {said}"
        model, _ = imported(folder, source, "--classes", "hmdb-51")
        assert classes(model)[::50] == ["brush_hair", "wave"], classes(model)[:2]


def case_04(cfp, data):
    """Class lists are read by the numbers in them."""
    verbs = ["take", "put", "wash", "open", "close"]
    wanted = {"epic.csv": verbs, "name_number_shuffled.txt": verbs,
              "ssv2-like.json": [f"{verb} something" for verb in ("Approaching", "Attaching", "Bending", "Blowing", "Burying")]}
    for name, expected in wanted.items():
        with tempfile.TemporaryDirectory() as folder:
            model, _ = imported(folder, data / "04-class-lists" / "net5.onnx", "--classes", data / "04-class-lists" / name)
            assert classes(model) == expected, f"{name}: {classes(model)}, not {expected}"


def case_05(cfp, data):
    """Hara's networks are shown their frames as PIL makes them smaller."""
    import h5py
    import numpy as np
    from PIL import Image
    folder = data / "05-antialias"
    picture = Image.open(folder / "image_00001.png").convert("RGB")
    shrunk = np.asarray(picture.resize((149, 112), getattr(Image, "Resampling", Image).BILINEAR)).astype(int)
    with tempfile.TemporaryDirectory() as scratch:
        model = f"{scratch}/resnet-18.h5"
        done(sys.executable, ROOT / "tools" / "import-checkpoint", "resnet-18", "--random", "1", "--width", "0.125", "--frames", "2",
             model)
        done(cfp, "explain", model, folder, "-q", "-o", f"{scratch}/out", "--format", "h5", "--tubes", "none", "--depth", "1")
        with h5py.File(f"{scratch}/out/explanation.h5", "r") as file:
            shown = file["clip/frames"][0].astype(int)
    worst = np.abs(shown - shrunk[:, 18:130]).max()
    assert worst <= 1, f"the frame differs from PIL's by up to {worst} levels"


def in_process(name, folder, *words):
    """An importer in this process, which loads PyTorch once, in that folder, whose modules are nobody else's."""
    sys.path.insert(0, str(ROOT / "tests" / "importers"))
    from importer_tool import Tool
    kept = pathlib.Path.cwd()
    os.chdir(folder)
    try:
        ended = Tool(name)(*words)
    finally:
        os.chdir(kept)
    assert ended.status == 0, f"{' '.join(map(str, words))}: status {ended.status}: {ended.err.strip()}"


def module_of(folder, name, *arguments):
    """What build() of the case's module gives. No module of that name stays behind."""
    sys.path.insert(0, str(folder))
    sys.modules.pop(name, None)
    try:
        return __import__(name).build(*arguments).eval()
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)


def logits(cfp, model, frames):
    """The program's scores of frames T x H x W x 3, by class."""
    import numpy as np
    np.save(f"{model}.npy", frames)
    ended = done(cfp, "predict", model, f"{model}.npy", "--json", "-q", "--top", "1000")
    return [entry["logit"] for entry in sorted(json.loads(ended.stdout)["clips"][0]["top"], key=lambda entry: entry["index"])]


def noise(frames, size):
    import numpy as np
    return np.random.default_rng(0).integers(0, 256, (frames, size, size, 3), np.uint8)


def as_pytorch(cfp, folder, name, frames, size, *arguments):
    """import-torch, inspect and predict agree with PyTorch."""
    import torch
    x = noise(frames, size)
    with tempfile.TemporaryDirectory() as scratch:
        words = [f"--arg=c={value}" for value in arguments]
        in_process("import-torch", folder, f"{name}:build", f"{scratch}/m.h5", *words, "--frames", frames, "--size", size, "--mean", ".45",
                   "--std", ".225")
        sys.modules.pop(name, None)
        done(cfp, "inspect", f"{scratch}/m.h5")
        with torch.no_grad():
            clip = (torch.from_numpy(x) / 255 - 0.45) / 0.225
            want = module_of(folder, name, *arguments)(clip.permute(3, 0, 1, 2)[None])[0].tolist()
        got = logits(cfp, f"{scratch}/m.h5", x)
        assert all(abs(a - b) < 1e-4 * max(1, max(map(abs, want))) for a, b in zip(got, want)), f"{name} {arguments}: {got}, not {want}"


def checkpoints(folder):
    """Every checkpoint of the folder fits its module."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted((*folder.glob("*.pth"), *folder.glob("*.ckpt"))):
            sys.modules.pop("mynet", None)
            in_process("import-torch", folder, "mynet:build", f"{scratch}/m.h5", "--weights", path, "--frames", "8", "--size", "32",
                       "--mean", ".45", "--std", ".225")
            assert len(classes(f"{scratch}/m.h5")) == 5, path.name
    sys.modules.pop("mynet", None)


def case_07(cfp, data):
    """Objects that the reader does not know stand for nothing."""
    checkpoints(data / "07-checkpoint-objects")


def case_08(cfp, data):
    """The network is found under other keys and prefixes, and beside a loss."""
    checkpoints(data / "08-checkpoint-keys")


def as_onnx_runtime(cfp, path, frames, expected):
    with tempfile.TemporaryDirectory() as scratch:
        in_process("import-onnx", path.parent, path, f"{scratch}/m.h5", "--mean", ".45", "--std", ".225")
        got = logits(cfp, f"{scratch}/m.h5", noise(frames, 32))
        assert len(got) == 5 and all(abs(a - b) < 1e-4 for a, b in zip(got, expected)), f"{path.name}: {got}, not {expected}"


def case_09(cfp, data):
    """N T H W C, and a dimension for several clips."""
    for name in ("n_m_c_t_h_w", "n_t_h_w_c"):  # of the same weights
        as_onnx_runtime(cfp, data / "09-onnx-layouts" / f"{name}.onnx", 8, [12.138916, -5.61841, -7.97336, 12.532025, 7.9870157])


def case_16(cfp, data):
    """Opset 22."""
    as_onnx_runtime(cfp, data / "16-opset" / "opset22.onnx", 8, [8.742315, -3.7575514, -1.4962734, 1.7882445, 1.6241897])


def case_17(cfp, data):
    """Squeeze and excitation with nn.Linear; 16 channels are as many as the map is wide."""
    for channels in (16, 20):
        as_pytorch(cfp, data / "17-se-linear", "se2", 8, 32, channels)


def case_18(cfp, data):
    """A pool with ceil_mode that is wider than its input."""
    as_pytorch(cfp, data / "18-ceil-pool", "net", 2, 32)


def case_19(cfp, data):
    """SAME padding and squeeze() by the sizes."""
    as_pytorch(cfp, data / "19-onnx-if", "net", 4, 8)


def case_20(cfp, data):
    """as_strided that changes nothing."""
    as_onnx_runtime(cfp, data / "20-as-strided" / "a.onnx", 4, [0.21940163, -0.24900232, 0.17121804, 0.10952749, -0.00692078])


CASES = {"01": case_01, "02": case_02, "04": case_04, "05": case_05, "07": case_07, "08": case_08, "09": case_09, "16": case_16,
         "17": case_17, "18": case_18, "19": case_19, "20": case_20}
if not all(importlib.util.find_spec(name) for name in ("torch", "onnx")):
    print("skipped: the cases of the importers (need Python's torch and onnx)")
    CASES = {"05": case_05}
