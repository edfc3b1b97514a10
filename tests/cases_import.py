"""Cases 01, 02, 04 and 05: class scores, class names and resizing. check_cases.py runs them and says what a case is.

Each function takes the program and the folder of all cases, and raises AssertionError with what is wrong.
"""
import json
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


CASES = {"01": case_01, "02": case_02, "04": case_04, "05": case_05}
