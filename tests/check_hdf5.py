#!/usr/bin/env python3
"""HDF5 files that lead out of themselves, or claim what they do not hold, on the command line.

    check_hdf5.py CFP_GPU MODEL [--plugin FOLDER]

External raw storage, virtual data sets, links of every kind, filters that would have to be loaded, lists that
repeat one string: as weights, class names, frames and pictures of explanations each is refused by one line that
names the object, and nothing but the file itself is opened.  A named pipe stands where the file leads to: who
opened it would wait for ever.  --plugin: a folder with a filter plugin that leaves a file behind when it is loaded.
Exit status 77: numpy or h5py is not there."""
import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing} (needs the Python packages h5py and numpy)")
    sys.exit(77)

import child  # noqa: E402 (after the packages that may be missing)

STUCK_S = 60  # of the clock: waits for something that does not come


def external(group, name, like):
    """The data is in another file."""
    kind = like.dtype if like.dtype != object else "S8"
    group.create_dataset(name, like.shape, kind, external=[("pipe", 0, h5py.h5f.UNLIMITED)])


def virtual(group, name, like):
    layout = h5py.VirtualLayout(like.shape, like.dtype if like.dtype != object else "S8")
    layout[...] = h5py.VirtualSource("pipe", "x", shape=like.shape)
    group.create_virtual_dataset(name, layout)


def soft(group, name, like):
    del like
    group[name] = h5py.SoftLink("/elsewhere")


def outside(group, name, like):
    del like
    group[name] = h5py.ExternalLink("pipe", "/x")


def filtered(group, name, like):
    """lzf is h5py's own filter: HDF5 would look for a plugin."""
    data = like[()] if like.dtype != object else np.array([b"a"] * len(like))
    group.create_dataset(name, data=data, compression="lzf", chunks=data.shape)


def unwritten(group, name, like):
    group.create_dataset(name, like.shape, like.dtype, chunks=like.shape)


WAYS = {external: "another file", virtual: "virtual", soft: "soft link", outside: "another file", filtered: "filter",
        unwritten: "written"}


class Checker:
    def __init__(self, program, model, folder):
        self.program, self.folder, self.bad, self.done = os.path.abspath(program), folder, 0, 0
        self.model = os.path.join(folder, "model.h5")
        shutil.copy(model, self.model)
        with h5py.File(self.model) as f:
            spec = f["input"].attrs
            shape = [int(spec[k]) for k in ("frames", "height", "width")] + [3]
        self.frames = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        self.clip = os.path.join(folder, "clip.h5")
        with h5py.File(self.clip, "w") as f:
            f["frames"] = self.frames

    def wrong(self, name, why):
        self.bad += 1
        print(f"{name}: {why}")

    def run(self, name, arguments, wanted="", environment=None):
        """Fails with one line that says `wanted`; None: succeeds."""
        self.done += 1
        try:
            ran, _ = child.run([self.program, *arguments], STUCK_S, cwd=self.folder, env=dict(os.environ, **(environment or {})))
        except child.Stuck as stuck:
            return self.wrong(name, stuck)
        said = ran.stderr.decode("utf-8", "replace")
        if wanted is None:
            if ran.returncode != 0:
                self.wrong(name, f"status {ran.returncode}: {said}")
        elif ran.returncode != 1 or said.count("\n") != 1 or not said.startswith("cfp-gpu: "):
            self.wrong(name, f"status {ran.returncode}, not one line: {said!r}")
        elif re.search(wanted, said) is None:
            self.wrong(name, f"does not say {wanted!r}: {said.strip()}")
        return None

    def copy(self, of):
        path = os.path.join(self.folder, "case.h5")
        shutil.copy(of, path)
        return path


def replaced(check, of, place, way):
    path = check.copy(of)
    with h5py.File(path, "r+") as f:
        parent, _, name = place.rpartition("/")
        like = f[place]
        group = f[parent] if parent else f
        if isinstance(like, h5py.Group) and way not in (soft, outside):
            return None
        del group[name]
        way(group, name, like)
    return path


def leads_outside(check, weights, explained):
    place = {"weights": (check.model, weights, ["inspect"]), "classes": (check.model, "classes", ["inspect"]),
             "a node": (check.model, os.path.dirname(weights), ["inspect"]), "the input": (check.model, "input", ["inspect"]),
             "a clip": (check.clip, "frames", ["predict", "-q", check.model])}
    source = os.path.join(check.folder, "explained", "explanation.h5")
    shutil.copy(source, os.path.join(check.folder, "explanation.h5"))
    place["an explanation's frames"] = (os.path.join(check.folder, "explanation.h5"), "clip/frames", None)
    place["an explanation's tube"] = (os.path.join(check.folder, "explanation.h5"), f"tubes/{explained}/tube", None)
    place["an explanation's layers"] = (os.path.join(check.folder, "explanation.h5"), "pyramid", None)
    for what, (of, where, command) in place.items():
        for way, says in WAYS.items():
            if way is unwritten and what == "classes":
                continue
            path = replaced(check, of, where, way)
            if path is None:
                continue
            if command is None:
                shutil.copy(path, source)
                command_line = ["report", "explained", "-o", "index.html"]
            else:
                command_line = [*command, path]
            check.run(f"{what}: {way.__name__}", command_line, f"{os.path.basename(where)}.*{says}")
    shutil.copy(os.path.join(check.folder, "explanation.h5"), source)
    check.run("the explanation as it was", ["report", "explained", "-q", "-o", "index.html"], None)


def plugins(check, weights, folder):
    """The plugin that the environment names is not loaded, even if a file asks for a filter or a driver."""
    path = replaced(check, check.model, weights, filtered)
    mark = os.path.join(check.folder, "loaded")
    environment = {"HDF5_PLUGIN_PATH": folder, "HDF5_VOL_CONNECTOR": "mark", "HDF5_DRIVER": "mark", "CFP_MARK": mark}
    check.run("a plugin for weights", ["inspect", path], "filter", environment)
    check.run("a plugin while an explanation is written", ["explain", "-q", check.model, check.clip, "-o", "plugged",
                                                          "--format", "h5", "--tubes", "none"], None, environment)
    if os.path.exists(mark):
        check.wrong("plugins", "code that HDF5_PLUGIN_PATH names was loaded")


def repeated(check, weights):
    """One string of 30 KB, 60,000 times over: the file takes 40 KB and would make 2 GB."""
    path = check.copy(check.model)
    with h5py.File(path, "r+") as f:
        del f["classes"]
        text = h5py.string_dtype("utf-8")
        one = f.create_dataset("classes", (60000,), text, chunks=(60000,), compression="gzip", shuffle=True)
        one[0] = "x" * 30000
        f.flush()
        _, packed = one.id.read_direct_chunk((0,))
        reference = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(16, 60000)[:, 0]  # unshuffled
        many = np.repeat(reference, 60000).tobytes()                                              # and shuffled again
        one.id.write_direct_chunk((0,), zlib.compress(many))
    check.run("a string that repeats", ["inspect", path], "'classes' claims more text than the file has bytes")
    path = check.copy(check.model)
    with h5py.File(path, "r+") as f:
        del f["classes"]
        f.create_dataset("classes", (100000,), "S30000", chunks=(1000,), compression="gzip")
    check.run("strings that nobody wrote", ["inspect", path], "'classes' is not")
    check.run("a budget for weights", ["inspect", path_of_large(check), "--max-memory", "3M"],
              r"'weight' takes 4\.0 MB of memory, .* of 3\.0 MB are left \(--max-memory\)")
    check.run("a budget for the network", ["predict", "-q", check.model, check.clip, "--max-memory", "1M"], "--max-memory")


def path_of_large(check):
    path = check.copy(check.model)
    with h5py.File(path, "r+") as f:
        group = f["graph"].create_group("large")
        group.attrs["op"] = "linear"
        group.attrs.create("inputs", ["input"], dtype=h5py.string_dtype("utf-8"))
        group["weight"] = np.zeros((1024, 1024), np.float32)
    return path


def interrupted(check):
    """A file that HDF5 reads for ever, and Ctrl-C at the whole group of processes: it ends within two seconds."""
    data = bytearray(open(check.model, "rb").read())
    heap = data.index(b"GCOL")
    data[heap + 16:heap + 32] = bytes(16)
    with open(os.path.join(check.folder, "endless.h5"), "wb") as f:
        f.write(data)
    check.done += 1
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([check.program, "inspect", "endless.h5"], cwd=check.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
            time.sleep(0.5)
            begun = time.monotonic()
            os.killpg(process.pid, number)
            _, said = process.communicate(timeout=STUCK_S)
            seconds = time.monotonic() - begun
            late = seconds > 2 and os.getloadavg()[0] < os.cpu_count()
            if process.returncode != 130 or late:
                check.wrong("interrupted", f"status {process.returncode} after {seconds:.1f} s: {said!r}")
            left = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True, check=False).stdout.split()
            if left:
                check.wrong("interrupted", f"processes are left: {left}")


def few_descriptors(check):
    """The file is whole: it is not called damaged where the process that reads it cannot begin."""
    check.done += 1
    ran = subprocess.run([check.program, "inspect", check.model], capture_output=True, text=True, check=False,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)))
    if ran.returncode != 1 or not ran.stderr.endswith("gets no descriptors (ulimit -n)\n") or ran.stderr.count("\n") != 1:
        check.wrong("few descriptors", f"status {ran.returncode}: {ran.stderr!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--plugin", help="folder with the plugin")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="cfp-hdf5-")
    try:
        check = Checker(arguments.program, arguments.model, folder)
        os.mkfifo(os.path.join(folder, "pipe"))
        check.run("a clip", ["explain", "-q", check.model, check.clip, "-o", "explained", "--format", "h5,html", "--depth", "1"], None)
        with h5py.File(os.path.join(folder, "explained", "explanation.h5")) as f:
            layers = [(int(g.attrs["depth"]), name) for name, g in f["pyramid"].items() if name in f["tubes"]]
            explained = min(layers)[1]
        with h5py.File(check.model) as f:
            weights = min(f"graph/{n}/weight" for n, g in f["graph"].items() if "weight" in g and g["weight"].ndim == 5)
        leads_outside(check, weights, explained)
        for command in (["inspect", "pipe"], ["predict", "-q", check.model, "pipe"]):
            check.run(f"{command[0]} of a pipe", command, "pipe: .*(not a regular file|neither a file)")
        os.remove(os.path.join(folder, "explained", "explanation.h5"))
        os.mkfifo(os.path.join(folder, "explained", "explanation.h5"))
        check.run("report of a pipe", ["report", "explained"], "is not a regular file")
        if arguments.plugin:
            plugins(check, weights, arguments.plugin)
        repeated(check, weights)
        few_descriptors(check)
        interrupted(check)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{check.done} runs, {check.bad} not as they should be")
    return 1 if check.bad else 0


if __name__ == "__main__":
    sys.exit(main())
