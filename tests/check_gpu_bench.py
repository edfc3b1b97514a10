#!/usr/bin/env python3
"""tools/gpu-bench without a GPU: its table from times made up here, its back-step against the program's, a run on the processor.

Usage: check_gpu_bench.py --cfp PROGRAM
"""
import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
from gpubench import report  # noqa: E402 (after the path is set)
from gpubench.networks import NETWORKS, Case  # noqa: E402

CFP = ""
SMALL = dict(width=0.125, frames=8, size=32)


def command(*words, cfp=None):
    return [sys.executable, str(ROOT / "tools" / "gpu-bench"), "--cfp", str(cfp or CFP), *map(str, words)]


def gpu_bench(*words, cfp=None, **options):
    return subprocess.run(command(*words, cfp=cfp), capture_output=True, text=True, **options)


ONE = ("--dry-run", "--no-peers", "--networks", "motion", "--precisions", "fp32")


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def made_up():
    """10 GFLOP a clip at 100 TFLOP/s is 0.1 ms; 50 M numbers of 4 bytes at 1 TB/s are 0.2 ms."""
    row = {"network": "net", "precision": "fp32", "batch": 1, "gflop": 10.0, "traffic": [40_000_000, 10_000_000], "refused": None,
           "ours": {"forward": 0.4, "backstep": 12.5, "backstep_published": 2.0, "grad": 1.5, "tubes": 123.4},
           "eager": {"forward": 1.0, "descent": 3000.0, "tubes": 61.7}, "compile": {"forward": 0.3}}
    refused = [dict(network=name, precision="fp16", batch=8, refused="no fp16 here") for name in ("a", "b")]
    return {"device": "a device", "date": "2026-01-02", "versions": {"cfp-gpu": "9.9", "PyTorch": "2.0"}, "command": "a command",
            "peaks": {"fp32": 1e14, "bf16": 5e14}, "copy": 1e12, "rows": [row, *refused], "notes": ["a note"]}


class Report(unittest.TestCase):
    def test_median(self):
        self.assertEqual(report.median([3, 1, 2]), 2)
        self.assertEqual(report.median([4, 1, 3, 2]), 2.5)
        with self.assertRaises(ValueError):
            report.median([])

    def test_the_floor_is_the_longer_of_two(self):
        result = made_up()
        row = result["rows"][0]
        self.assertAlmostEqual(report.floor_ms(row, result), 0.2)           # bytes
        self.assertAlmostEqual(report.floor_ms({**row, "batch": 8}, result), (8 * 40e6 + 10e6) * 4e-9)  # weights once a batch
        self.assertAlmostEqual(report.floor_ms({**row, "precision": "bf16"}, result), 0.1)  # half the bytes
        self.assertAlmostEqual(report.floor_ms({**row, "gflop": 100.0}, result), 1.0)       # FLOP
        for lost in {"traffic": None}, {"gflop": None}, {"precision": "fp16"}:
            self.assertIsNone(report.floor_ms({**row, **lost}, result))
        self.assertIsNone(report.floor_ms(row, {**result, "copy": None}))

    def test_a_row(self):
        result = made_up()
        self.assertEqual(report.table_row(result["rows"][0], result),
                         "| net | fp32 | 1 | 0.400 | 50 % | 1.00 | 2.50 | 0.300 | 0.75 | 2.00 | 3000 | 1500.00 | 1.50 | - | - "
                         "| 123.4 | 61.7 | 0.50 | 12.5 |")

    def test_the_table(self):
        lines = report.markdown(made_up()).splitlines()
        self.assertEqual(lines[0], "Measured on a device, 2026-01-02; cfp-gpu 9.9, PyTorch 2.0. By `a command`.")
        table = [line for line in lines if line.startswith("|")]
        self.assertEqual(len(table), 3)                                     # what was refused has no row
        self.assertEqual({line.count("|") for line in table}, {len(report.HEADINGS) + 1})
        self.assertIn("* Not run: no fp16 here (2: a fp16 batch 8, b fp16 batch 8)", lines)
        self.assertIn("* a note", lines)
        self.assertIn("(TFLOP/s: fp32 100, bf16 500) or bytes at that of a copy (1000 GB/s)", report.markdown(made_up()))


class Networks(unittest.TestCase):
    def test_traffic_and_chain(self):
        case = Case("resnet-50", **SMALL)
        moved, weights = case.traffic()
        convs = [node for node in case.net.nodes.values() if node.op in ("conv3d", "linear")]
        self.assertEqual(len(convs), 54)
        self.assertGreater(moved, sum(int(n.shape[0]) for n in convs))
        self.assertEqual(weights, sum(m.weight.numel() for m in case.module().modules()
                                      if type(m).__name__ in ("Conv3d", "Linear")))
        self.assertEqual(case.chain(2), ["fc", "layer4.2.conv3", "layer4.2.conv2"])
        self.assertEqual(Case("i3d", **{**SMALL, "frames": 16, "size": 64}).chain(2), [])  # branches

    def test_every_network_is_described(self):
        for name in NETWORKS:
            self.assertEqual(len(Case(name).input_shape()), 4)


class Descent(unittest.TestCase):
    """The published back-step in PyTorch selects what the program's rule `reference` selects."""

    def selected_by_the_program(self, folder, case, frames, class_index):
        import numpy as np
        np.save(folder / "clip.npy", frames)
        subprocess.run([CFP, "explain", case.model_file(folder), folder / "clip.npy", "--rule", "reference", "--depth", "2", "--class",
                        str(class_index), "--tubes", "none", "--format", "json", "--device", "ref", "-q", "-o", folder / "out"],
                       check=True)
        found = {}
        for node in json.loads((folder / "out" / "pyramid.json").read_text())["nodes"]:
            found.setdefault(node["layer"], set()).add(node["kernel"])
        return found

    def check(self, name):
        import numpy as np
        import torch
        from gpubench import descent, peers
        case, class_index = Case(name, **SMALL), 17
        channels, count, size, _ = case.input_shape()
        frames = np.random.default_rng(3).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        shown = frames[..., ::-1] if case.profile.color == "BGR" else frames
        scale, mean, std = (np.array(v, np.float32) for v in (case.profile.scale, case.profile.mean, case.profile.std))
        peer = peers.Peer(case, "fp32", 1, "cpu")
        peer.clip = torch.from_numpy(np.ascontiguousarray(((shown.astype(np.float32) / scale - mean) / std).transpose(3, 0, 1, 2)[None]))
        peer.kept(False)
        names, modules = case.chain(2), dict(peer.module.named_modules())
        got = descent.descend([modules[n] for n in names], [peer.inputs[n] for n in names], class_index)
        with tempfile.TemporaryDirectory() as folder:
            want = self.selected_by_the_program(Path(folder), case, frames, class_index)
        for layer, selected in zip(names[1:], got):
            self.assertEqual(selected, want[layer], layer)
            self.assertTrue(selected)

    def test_resnet(self):
        self.check("resnet-50")

    def test_grouped(self):
        self.check("resnext-101")


# A program that answers `bench` at once. It refuses what the file `refuses` beside it names, and waits as long as `waits` says.
QUICK = """echo "$@" >>"$0.ran"
case $1 in
--version) echo "cfp-gpu 0.0.0"; exit ;;
devices) echo '{"devices": []}'; exit ;;
esac
while read -r words; do case "$*" in *"$words"*) echo "cfp-gpu: no $words here" >&2; exit 1 ;; esac; done <"$0.refuses"
[ ! -f "$0.waits" ] || sleep "$(cat "$0.waits")"
echo '{"ms": {"forward": {"median": 1}, "backstep": {"median": 2}, "tubes": {"median": 3}}, "gflop": 4}'
"""


class Rows(unittest.TestCase):
    """Which rows are timed, in which order, and what a row holds if something is refused."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.program = script(self.folder / "quick", QUICK)
        self.refuses()
        for name in "resnet-50", "resnext-101", "i3d", "x3d-m", "mfnet":
            (self.folder / f"{name}.h5").write_text("")
        self.words = ("--out", self.folder / "out", "--models", self.folder, "--no-peers", "--device", "cpu")

    def refuses(self, *words):
        (self.folder / "quick.refuses").write_text("".join(f"{word}\n" for word in words))

    def rows(self, *words, status=0):
        done = gpu_bench(*self.words, *words, cfp=self.program)
        self.assertEqual(done.returncode, status, done.stderr)
        self.result = json.loads((self.folder / "out" / "times.json").read_text())
        return [f"{row['network']} {row['precision']} {row['batch']}" for row in self.result["rows"]]

    CORE = ["resnet-50 bf16 1", "resnet-50 bf16 8", "resnet-50 tf32 1", "resnet-50 tf32 8", "resnet-50 fp32 1", "resnext-101 bf16 1",
            "resnext-101 tf32 1", "i3d bf16 1", "i3d tf32 1", "x3d-m bf16 1", "x3d-m tf32 1", "mfnet bf16 1", "mfnet tf32 1"]

    def test_the_core(self):
        self.assertEqual(self.rows("--core", "--autotune"), self.CORE)
        ran = [line for line in (self.folder / "quick.ran").read_text().splitlines() if line.startswith("bench")]
        self.assertEqual(len(ran), 3 * len(self.CORE))
        self.assertTrue(all(f"--autotune {self.folder / 'out' / 'choices.txt'}" in line for line in ran))

    def test_the_core_comes_first(self):
        self.assertEqual(self.rows("--networks", "mfnet,resnet-50", "--precisions", "fp32,bf16", "--batches", "1"),
                         ["resnet-50 bf16 1", "resnet-50 fp32 1", "mfnet bf16 1", "mfnet fp32 1"])
        self.assertNotIn("--autotune", (self.folder / "quick.ran").read_text())

    def test_a_stage_that_is_refused(self):
        one = ("--networks", "resnet-50", "--precisions", "bf16", "--batches", "1")
        self.refuses("--rule grad")
        self.rows(*one)
        row = self.result["rows"][0]
        self.assertEqual((row["ours"], row["refused"]), ({"forward": 1, "backstep": 2, "tubes": 3, "backstep_published": 2}, None))
        self.assertIn("resnet-50, bf16, batch 1: bench --rule grad --tubes none: cfp-gpu: no --rule grad here", self.result["notes"])
        self.refuses("--rule cfp")
        self.rows(*one)
        self.assertEqual(self.result["rows"][0]["ours"], {"forward": 1, "grad": 2})
        self.assertIn("| resnet-50 | bf16 | 1 | 1.00 |", (self.folder / "out" / "table.md").read_text())
        self.refuses("bench")
        self.rows(*one, status=1)
        self.assertEqual(self.result["rows"][0]["refused"], "cfp-gpu: no bench here")

    def test_no_row_that_would_end_late(self):
        (self.folder / "quick.waits").write_text("0.3")
        done = self.rows("--core", "--seconds", "2.5")
        self.assertTrue(0 < len(done) < 5, done)
        self.assertEqual(done, self.CORE[:len(done)])
        note = next(note for note in self.result["notes"] if note.startswith("no time was left for: "))
        self.assertIn("resnet-50 fp32 batch 1, resnext-101", note)
        (self.folder / "quick.waits").unlink()
        self.assertEqual(self.rows("--core", "--resume"), self.CORE)
        self.assertEqual(self.result["notes"], [])

    def test_what_a_row_lacks_is_added(self):
        from importlib.machinery import SourceFileLoader
        from importlib.util import module_from_spec, spec_from_loader
        from types import SimpleNamespace
        before = signal.getsignal(signal.SIGINT)
        tool = module_from_spec(spec_from_loader("gpu_bench", SourceFileLoader("gpu_bench", str(ROOT / "tools" / "gpu-bench"))))
        tool.__loader__.exec_module(tool)
        signal.signal(signal.SIGINT, before)
        asked = []

        def measure(case, precision, batch, device, timer, ways):
            asked.append(ways)
            return {way: {"forward": 7} for way in ways}, []
        other = SimpleNamespace(measure=measure, release=lambda: None), None
        args = SimpleNamespace(out=self.folder / "out", resume=False, cfp=self.program, models=self.folder, device="cpu", runs=1, warmup=0,
                               autotune=False, compile=False)
        record = tool.Record(args)
        for args.compile in False, True:
            self.assertFalse(tool.has_all(args, other, record.row("mfnet", "bf16", 1)))
            row = tool.time_row(args, record, other, Case("mfnet"), "bf16", 1)
            self.assertTrue(tool.has_all(args, other, row))
        self.assertEqual(asked, [["eager"], ["compile"]])
        self.assertEqual((row["eager"], row["compile"], len(record.result["rows"])), ({"forward": 7}, {"forward": 7}, 1))

    def test_models_alone(self):
        done = gpu_bench(*self.words, "--core", "--models-only", cfp=self.program)
        self.assertEqual(done.stdout.splitlines(), [str(self.folder / f"{name}.h5") for name in
                                                    ("resnet-50", "resnext-101", "i3d", "x3d-m", "mfnet")])
        self.assertFalse((self.folder / "out").exists())
        (self.folder / "h5py.py").write_text("raise ModuleNotFoundError(\"No module named 'h5py'\")\n")
        done = gpu_bench("--models-only", "--core", "--models", self.folder / "none", cfp=self.program,
                         env={"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"})
        self.assertEqual((done.returncode, done.stderr), (1, "gpu-bench: no model file can be made: No module named 'h5py'\n"))


class Run(unittest.TestCase):
    def test_wrong_usage(self):
        for words, said in ((("--networks", "resnet-5"), "--networks: 'resnet-5' is none of"),
                            (("--precisions", "fp8"), "--precisions: 'fp8' is none of"),
                            (("--batches", "one"), "--batches: 'one' is no list of numbers"), (("--runs", "0"), "at least 1"),
                            (("--size", "0"), "--size: at least 1"), (("--seconds", "0"), "--seconds: more than 0"), (("--frames", "-1"), "--frames: at least 1"),
                            (("--width", "0"), "--width: "), (("--width", "nan"), "--width: "), (("--width", "inf"), "--width: ")):
            done = gpu_bench(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)

    def fails(self, said, *words, **options):
        done = gpu_bench(*words, **options)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, rf"^gpu-bench: [^\n]*{said}[^\n]*\n$")

    def test_out_that_cannot_be(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            file.write_text("")
            self.fails("--out .*file: is no folder", *ONE, "--out", file)
            self.fails("--out .*below: Not a directory", *ONE, "--out", file / "below")
            self.fails("--out /proc/.*: ", *ONE, "--out", "/proc/here")
            (Path(folder) / "table.md").mkdir()
            self.fails("table.md is a folder", *ONE, "--out", folder)

    def test_damaged_times(self):
        good = made_up()
        self.assertEqual(report.wrong_with(json.loads(json.dumps(good))), "")
        row = good["rows"][0]
        with tempfile.TemporaryDirectory() as folder:
            for text in ("", "{", "[" * 100000, "7", "{}", json.dumps({**good, "notes": [1]}), json.dumps({**good, "rows": [3]}),
                         *(json.dumps({**good, "rows": [{**row, **lost}]}) for lost in (
                             {"batch": "1"}, {"precision": "fp8"}, {"ours": 3}, {"ours": {"forward": "x"}}, {"traffic": [1]},
                             {"refused": 5}, {"network": None}, {"gflop": "x"}))):
                (Path(folder) / "times.json").write_text(text)
                self.fails(r"times.json is damaged \(", *ONE, "--resume", "--out", folder)
                self.assertEqual((Path(folder) / "times.json").read_text(), text)

    def test_another_program(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for text in ("exit 0\n", "echo cfp-gpu 0\n", "echo '{\"devices\": 3} 1'\n"):
                self.fails("does not answer as cfp-gpu does", *ONE, "--out", folder, cfp=script(folder / "other", text))
            (folder / "other").chmod(0o644)
            self.fails("Permission denied|does not answer", *ONE, "--out", folder, cfp=folder / "other")
            half = script(folder / "half", f'[ "$1" = bench ] || exec "{CFP}" "$@"\necho nothing\n')
            self.fails("nothing was timed: .*half: bench --json says no times", *ONE, "--out", folder, cfp=half)

    def test_the_one_that_ships(self):
        with tempfile.TemporaryDirectory() as folder:
            done = gpu_bench(*ONE, "--out", folder)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("| motion | fp32 | 1 |", (Path(folder) / "table.md").read_text())

    def test_without_packages(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for package in "numpy", "h5py", "torch":
                (folder / f"{package}.py").write_text(f'raise ModuleNotFoundError("No module named {package!r}")\n')
            lacking = {"env": {"PYTHONPATH": name, "PYTHONDONTWRITEBYTECODE": "1"}}
            words = ("--out", folder, "--device", "cpu", "--precisions", "fp32", "--batches", "1", "--runs", "1", "--warmup", "0")
            self.fails("no model file: No module named 'numpy'; --models", *words, "--networks", "mfnet", "--no-peers", **lacking)
            done = gpu_bench(*words, "--networks", "mfnet,motion", **lacking)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr, "gpu-bench: without PyTorch: No module named 'torch'\n")
            Case("mfnet", **SMALL).model_file(folder).rename(folder / "mfnet.h5")  # a file that is there needs no package
            done = gpu_bench(*words, "--networks", "mfnet", "--models", folder, "--no-peers", **lacking)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_interrupted(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            waits = script(folder / "waits", f'[ "$1" = bench ] || exec "{CFP}" "$@"\necho $$ >"{name}/pid"\nexec sleep 60\n')
            for words, cfp in ((ONE, waits), (ONE[:1], CFP)):               # while the program runs; while PyTorch is imported
                process = subprocess.Popen(command(*words, "--out", folder / "out", cfp=cfp), stdout=subprocess.PIPE,
                                           stderr=subprocess.PIPE, text=True,
                                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
                until = time.monotonic() + (20 if cfp is waits else 1)
                while time.monotonic() < until and not (cfp is waits and (folder / "pid").is_file()):
                    time.sleep(0.05)
                process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=20)[1]
                self.assertEqual((process.returncode, said), (130, "gpu-bench: interrupted\n"))
            time.sleep(0.2)
            left = Path(f"/proc/{(folder / 'pid').read_text().strip()}/stat")
            self.assertTrue(not left.exists() or left.read_text().split()[2] == "Z", "the program still runs")

    def test_small_ones_have_files_of_their_own(self):
        with tempfile.TemporaryDirectory() as folder:
            names = {Case("mfnet", **{**SMALL, "size": size}).model_file(Path(folder)).name for size in (32, 48)}
            self.assertEqual(len(names - {"mfnet.h5"}), 2)

    def test_once_on_the_processor(self):
        with tempfile.TemporaryDirectory() as folder:
            words = ("--dry-run", "--out", folder, "--networks", "mfnet", "--precisions", "fp32,fp16")
            done = gpu_bench(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
            result = json.loads((Path(folder) / "times.json").read_text())
            row, refused = result["rows"]
            for way, stages in (("ours", ("forward", "backstep", "backstep_published", "grad", "tubes")),
                                ("eager", ("forward", "descent", "grad", "tubes"))):
                for stage in stages:
                    self.assertGreater(row[way][stage], 0, f"{way} {stage}: {result['notes']}")
            self.assertIn("--precision", refused["refused"])                # the processor has no fp16
            self.assertEqual((Path(folder) / "table.md").read_text(), report.markdown(result))
            again = gpu_bench(*words, "--resume")
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(json.loads((Path(folder) / "times.json").read_text())["rows"][0], row)

    def test_no_device(self):
        if '"name":"cuda","ready":true' in subprocess.run([CFP, "devices", "--json"], capture_output=True, text=True).stdout:
            self.skipTest("this machine has a GPU")
        with tempfile.TemporaryDirectory() as folder:
            done = gpu_bench("--out", folder, "--networks", "motion", "--precisions", "fp32", "--batches", "1")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, "^gpu-bench: nothing was timed: cfp-gpu: --device cuda: ")


def main():
    global CFP
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cfp", required=True, help="the program cfp-gpu")
    args, rest = parser.parse_known_args()
    CFP = str(Path(args.cfp).resolve())
    try:
        import h5py, numpy, torch                                            # noqa: F401, E401
    except ImportError as error:
        print(f"skipped: {error} (needs the Python packages h5py, numpy and torch)")
        return 77
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
