"""What check_batch.py and check_batch_faults.py have in common: a tiny network, tiny clips, runs of cfp-gpu batch.

The yardstick is the folder of one uninterrupted run: every other way to the same list has to give the same
shards and index byte by byte, and the same manifest but for its times."""
import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile

try:
    import h5py  # noqa: F401 (the tests, and model_file, want it)
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
from model_file import ModelFile  # noqa: E402

LIMIT = 120  # seconds by the clock for one command
wrong = []
options = argparse.Namespace()  # filled by main: cfp, kills, work (a folder), model


def check(right, what):
    if not right:
        wrong.append(what)
        print("FAIL", what, flush=True)


def make_model(path, seed=0):
    rng = np.random.default_rng(seed)
    with ModelFile(path, name="tiny", classes=["red", "green", "blue"], output="fc", channels=3, frames=4, height=8,
                   width=8, mean=[.4] * 3, std=[.3] * 3) as f:
        f.add_node("c1", "conv3d", ["input"], weight=rng.normal(size=(4, 3, 3, 3, 3)), pad_begin=1, pad_end=1)
        f.add_node("r1", "relu", ["c1"])
        f.add_node("c2", "conv3d", ["r1"], weight=rng.normal(size=(6, 4, 1, 1, 1)))
        f.add_node("gap", "globalavgpool", ["c2"])
        f.add_node("flat", "flatten", ["gap"])
        f.add_node("fc", "linear", ["flat"], weight=rng.normal(size=(3, 6)), bias=np.zeros(3))


def make_clip(path, seed):
    np.save(path, np.random.default_rng(seed).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8))


def quote(name):
    """As a group's name in HDF5."""
    return name.replace("%", "%25").replace("/", "%2F")


def make_list(name, n, extra=""):
    """A folder with n clips, and their list; returns the list's path."""
    folder = os.path.join(options.work, name)
    os.makedirs(folder)
    with open(os.path.join(folder, "list.csv"), "w") as f:
        f.write("clip,label\n")
        for i in range(n):
            make_clip(os.path.join(folder, f"c{i:03}.npy"), i)
            f.write(f"c{i:03}.npy,{('red', 'green', 'blue')[i % 3]}\n")
        f.write(extra)
    return os.path.join(folder, "list.csv")


def command(folder, clips, *more, model=None):
    return [options.cfp, "batch", model or options.model, clips, "-o", folder, "--device", "cpu", "--threads", "1", "-q",
            *more]


def run(folder, clips, *more, status=0, model=None, **how):
    done = subprocess.run(command(folder, clips, *more, model=model), capture_output=True, text=True, timeout=LIMIT, **how)
    check(done.returncode == status, f"{folder} {more}: status {done.returncode}, not {status}: {done.stderr[-500:]}")
    return done


def lines(folder):
    with open(os.path.join(folder, "manifest.jsonl")) as f:
        return [json.loads(line) for line in f]


def result(folder):
    """What has to be equal: the bytes of shards and index, and the manifest without its times."""
    files = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".h5"):
            with open(os.path.join(folder, name), "rb") as f:
                files[name] = f.read()
    files["manifest"] = [{k: v for k, v in line.items() if k != "ms"} for line in lines(folder)]
    return files


def same(folder, wanted, what):
    got = result(folder)
    left = [name for name in os.listdir(folder) if not re.fullmatch(r"shard-\d{5}\.h5|index\.h5|manifest\.jsonl|run\.json", name)]
    check(not left, f"{what}: left in the folder: {left}")
    differ = [name for name in sorted(set(got) | set(wanted)) if got.get(name) != wanted.get(name)]
    check(not differ, f"{what}: differ from one uninterrupted run: {differ}")


def folder(name):
    return os.path.join(options.work, name)


def whole(clips, *more, name):
    """The yardstick."""
    run(folder(name), clips, *more)
    return result(folder(name))


def main(description, tests):
    """Runs the tests, or those that are named on the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfp", required=True)
    parser.add_argument("--kills", type=int, default=30, help="how often a run is killed")
    parser.add_argument("tests", nargs="*", choices=[[], *(test.__name__ for test in tests)], metavar="TEST")
    parser.parse_args(namespace=options)
    options.cfp = os.path.abspath(options.cfp)
    with tempfile.TemporaryDirectory(prefix="cfp-batch-") as work:
        os.chmod(work, 0o755)
        options.work, options.model = work, os.path.join(work, "tiny.h5")
        make_model(options.model)
        for test in tests:
            if options.tests and test.__name__ not in options.tests:
                continue
            before, began = len(wrong), resource.getrusage(resource.RUSAGE_CHILDREN)
            test()
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = used.ru_utime + used.ru_stime - began.ru_utime - began.ru_stime
            print(f"{'ok  ' if len(wrong) == before else 'FAIL'} {test.__name__}: {seconds:.1f} processor seconds", flush=True)
    print(f"{len(wrong)} wrong")
    return 1 if wrong else 0
