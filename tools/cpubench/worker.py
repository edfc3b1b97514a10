#!/usr/bin/env python3
"""Runs one network in one runtime. tools/compare-torch starts it as a separate process, so that its peak of memory is known.

    worker.py versions                 what this Python has, as JSON
    worker.py prepare NAME FOLDER ...  model file, clip and weights of a network; says where they are
    worker.py MODE SPEC THREADS        loads SPEC (what prepare said) and answers lines of JSON:
        {"do": "run", "n": 3}  {"ms": [..]}           {"do": "logits"}  {"logits": [..]}           {"do": "memory"}  {"peak_mb": ..}

MODE is eager (as the published code runs: eval, no gradients), best (traced, frozen, optimised for inference: what PyTorch 1.13
has best), compile (torch.compile with frozen weights), onnxruntime, openvino; or onnx, which exports for those two and ends.
The first line says {"ready": true} or {"error": why}.
"""
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it ends it
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

OPSET = 13
SEED = 11


def peak_mb() -> float:
    """The peak of resident memory, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_peak() -> None:
    """Of what was only tried out; needs Linux 4.0."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def versions() -> dict:
    found = {}
    for name in "torch", "onnxruntime", "openvino":
        try:
            found[name] = str(importlib.import_module(name).__version__)
        except Exception as problem:              # none, or one that does not load here
            found[name] = None
            found[name + " lacks"] = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
    return found


# -- prepare

def prepare(name: str, folder: Path, models: Path, width: str, frames: str, size: str) -> dict:
    """A spec: everything that a runtime needs to know of the network, and where its files are."""
    from gpubench.networks import Case
    case = Case(name, float(width) if width else None, int(frames) if frames else None, int(size) if size else None)
    model = case.model_file(models)
    if case.lacks:                                # a file that is there can be timed, and compared with nothing
        return dict(name=name, model=str(model), clip=None, lacks=str(case.lacks))
    import numpy as np
    channels, count, side, _ = case.input_shape()
    folder.mkdir(parents=True, exist_ok=True)
    weights, clip = folder / f"{model.stem}.npz", folder / f"{model.stem}.clip.npy"
    if not clip.is_file():
        part = folder / f"{model.stem}.part.npy"
        np.save(part, np.random.default_rng(SEED).integers(0, 256, (count, side, side, 3), dtype=np.uint8))
        part.replace(clip)
    if not weights.is_file():
        part = folder / f"{model.stem}.part.npz"
        np.savez(part, **case.weights())
        part.replace(weights)
    return dict(name=name, layout=case.layout.name, width=case.factor, shape=[channels, count, side], color=case.profile.color,
                scale=case.profile.scale, mean=list(case.profile.mean), std=list(case.profile.std),
                model=str(model), weights=str(weights), clip=str(clip), onnx=str(folder / f"{model.stem}.onnx"))


# -- the runtimes: load() -> (run() -> logits as an array, its version)

def shown(spec: dict):
    """The clip as the network is shown it: [1, C, T, H, W] float32, by the model file's own /input."""
    import numpy as np
    frames = np.load(spec["clip"])
    frames = frames[..., ::-1] if spec["color"] == "BGR" else frames
    scale, mean, std = (np.array(spec[key], np.float32) for key in ("scale", "mean", "std"))
    return np.ascontiguousarray(((frames.astype(np.float32) / scale - mean) / std).transpose(3, 0, 1, 2)[None])


def module_of(spec: dict):
    import numpy as np
    from gpubench.networks import torch_module
    from importers.architectures import scaled
    with np.load(spec["weights"]) as weights:
        return torch_module(spec["name"], spec["layout"], scaled(spec["width"]), tuple(spec["shape"]), weights)


def in_place(module, x) -> None:
    """Activations in place, as the published code has them, where that computes the same."""
    import torch
    before = module(x)
    changed = [m for m in module.modules() if getattr(m, "inplace", None) is False and not isinstance(m, torch.nn.Dropout)]
    for inner in changed:
        inner.inplace = True
    if not torch.equal(module(x.clone()), before):
        for inner in changed:
            inner.inplace = False


def load_torch(mode: str, spec: dict, threads: int):
    import torch
    torch.set_num_threads(threads)
    x = torch.from_numpy(shown(spec))
    module = module_of(spec)
    with torch.no_grad():
        if mode == "best":
            module = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, x, check_trace=False)))
        elif mode == "compile":
            import torch._inductor.config as inductor
            inductor.freezing = True
            module = torch.compile(module)
        else:
            in_place(module, x)
            forget_peak()

    def run():
        with torch.no_grad():
            return module(x).numpy()
    return run


def load_onnxruntime(mode: str, spec: dict, threads: int):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(spec["onnx"], options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: shown(spec)}
    return lambda: session.run(None, feed)[0]


def load_openvino(mode: str, spec: dict, threads: int):
    """Exact numbers: where the processor has bfloat16 it would take that by itself."""
    import openvino
    core = (openvino if hasattr(openvino, "Core") else importlib.import_module("openvino.runtime")).Core()
    compiled = core.compile_model(spec["onnx"], "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
                                                "INFERENCE_PRECISION_HINT": "f32"})
    request, x = compiled.create_infer_request(), shown(spec)
    return lambda: next(iter(request.infer([x]).values()))


LOADERS = {"eager": load_torch, "best": load_torch, "compile": load_torch, "onnxruntime": load_onnxruntime,
           "openvino": load_openvino}


def export_onnx(spec: dict) -> dict:
    import torch
    path = Path(spec["onnx"])
    part = path.with_name(path.name + ".part")
    if not path.is_file():
        with torch.no_grad():
            torch.onnx.export(module_of(spec), torch.from_numpy(shown(spec)), str(part), opset_version=OPSET)
        part.replace(path)
    return {"ready": True}


# -- the conversation

def serve(run, say) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "run":
            times = []
            for _ in range(asked["n"]):
                start = time.perf_counter()
                run()
                times.append((time.perf_counter() - start) * 1e3)
            say({"ms": times})
        elif asked["do"] == "logits":
            say({"logits": [float(v) for v in run().reshape(-1)]})
        else:
            say({"peak_mb": peak_mb()})


def main() -> int:
    answers = os.fdopen(os.dup(1), "w")           # runtimes print what they like: to standard error
    os.dup2(2, 1)

    def say(answer: dict) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    mode, words = sys.argv[1], sys.argv[2:]
    try:
        if mode == "versions":
            say(versions())
        elif mode == "prepare":
            say(prepare(words[0], Path(words[1]), Path(words[2]), *words[3:6]))
        elif mode == "onnx":
            say(export_onnx(json.loads(words[0])))
        else:
            run = LOADERS[mode](mode, json.loads(words[0]), int(words[1]))
            for _ in range(2):                    # the first runs allocate, compile and tune
                run()
            say({"ready": True})
            serve(run, say)
    except Exception as problem:                  # whatever a runtime throws is one line for who asked
        say({"error": (str(problem).strip().splitlines() or [type(problem).__name__])[0][:300]})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
