"""Runs the program under test and reads the explanation that it wrote (SPEC sections 3 and 5)."""
import os
import subprocess
import sys
from dataclasses import dataclass, field

SKIPPED = 77       # the exit status that ctest is told to take for "skipped"


def need_packages():
    """Ends the script as skipped where torch, h5py or numpy are missing."""
    try:
        import h5py, numpy, torch                                           # noqa: F401, E401
    except ImportError as error:
        print(f"skipped: {error} (needs the Python packages torch, h5py and numpy)")
        sys.exit(SKIPPED)
    torch.set_num_threads(1)                                                # ctest runs tests side by side


class Failed(Exception):
    """The program ended with an error."""


@dataclass
class Seen:
    """One layer of /pyramid."""
    depth: int
    op: str
    channels: int
    selected: list
    relevance: object
    edges: dict                                    # (o, i) -> r, or None where absent


@dataclass
class Output:
    attrs: dict
    logits: object
    probabilities: object
    frames: object
    indices: object
    layers: dict = field(default_factory=dict)
    tubes: dict = field(default_factory=dict)          # layer -> (raw, tube)
    kernel_tubes: dict = field(default_factory=dict)   # (layer, o) -> (raw, tube)


def run(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from error
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip()
        raise Failed(f"exit status {done.returncode}: {message}")


def arguments(options):
    """method.Options as options of `cfp-gpu explain`."""
    out = ["--class", str(options.class_index), "--rule", options.rule, "--theta", repr(options.theta),
           "--depth", "all" if options.depth is None else str(options.depth),
           "--tubes", options.tubes]
    if options.rule != "grad":                     # which has no paths, and no classifier of its own
        out += ["--propagate", options.propagate, "--class-relevance", options.class_relevance]
    if options.rule == "cfp":
        out += ["--normalise", options.normalise]
    if options.target is not None:
        out += ["--target", options.target]
    if options.rule == "grad":
        out += ["--mask", options.mask, "--baseline", options.baseline, "--steps", str(options.steps),
                "--seed", str(options.seed), "--turn-down", str(options.turn_down)]
    if options.top is not None:
        out += ["--top", str(options.top)]
    return out + (["--interp", options.interp] if options.interp != "linear" else [])


def explain(cfp, model, clip, options, folder, device=None):
    """Runs the program; an Output, or Failed."""
    command = [cfp, "explain", model, clip, *arguments(options), "--format", "h5", "-o", folder, "-q"]
    run(command + (["--device", device] if device else []))
    return read_explanation(os.path.join(folder, "explanation.h5"))


def read_explanation(path):
    import h5py
    with h5py.File(path, "r") as f:
        out = Output(dict(f.attrs), f["logits"][()], f["probabilities"][()], f["clip/frames"][()],
                     f["clip/indices"][()])
        for name, group in f["pyramid"].items():
            edges = None
            if "edges" in group:
                values = group["edge_relevance"][()].tolist()
                edges = dict(zip(map(tuple, group["edges"][()].reshape(-1, 2).tolist()), values))
            out.layers[name] = Seen(int(group.attrs["depth"]), group.attrs["op"], int(group.attrs["channels"]),
                                    group["selected"][()].tolist(), group["relevance"][()], edges)
        for name, group in f.get("tubes", {}).items():
            out.tubes[name] = (group["raw"][()], group["tube"][()])
        for name, kernels in f.get("kernel_tubes", {}).items():
            for o, group in kernels.items():
                out.kernel_tubes[name, int(o)] = (group["raw"][()], group["tube"][()])
        return out
