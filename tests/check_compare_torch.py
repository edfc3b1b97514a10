#!/usr/bin/env python3
"""tools/compare-torch: its tables from times made up here, and a run of thin networks against the program.

Usage: check_compare_torch.py --cfp PROGRAM
"""
import argparse
import copy
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
from cpubench import report  # noqa: E402 (after the path is set)
from gpubench import networks  # noqa: E402

CFP = ""
SMALL = ("--width", "0.125", "--frames", "8", "--size", "32")
QUICK = (*SMALL, "--threads", "1", "--rounds", "1", "--runs", "2", "--gate", "0", "--max-minutes", "2")
ONE = (*QUICK, "--networks", "resnet-50", "--only", "networks")


def command(*words, cfp=None):
    return [sys.executable, str(ROOT / "tools" / "compare-torch"), "--cfp", str(cfp or CFP), *map(str, words)]


def compare(*words, cfp=None, **options):
    return subprocess.run(command(*words, cfp=cfp), capture_output=True, text=True, **options)


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def burst(before=100.0, after=100.0, **stages):
    return {"ms": stages, "before": before, "after": after}


def side(*bursts, peak_mb=100.0):
    return {"bursts": list(bursts), "peak_mb": peak_mb, "start_s": None}


def made_up():
    """The best probe is 100 GFLOP/s and the gate 0.85: the 900s were measured beside 84."""
    ours = side(burst(forward=[40.0, 60.0]), burst(forward=[50.0]), burst(before=84.0, forward=[900.0]),
                burst(after=84.0, forward=[900.0]))
    row = {"network": "mfnet", "frames": 16, "size": 224, "gflop": 2.0, "refused": None, "sides": {
        "ours": ours, "eager": side(burst(forward=[160.0]), burst(forward=[140.0])), "best": side(burst(forward=[100.0]), peak_mb=250.0),
        "new eager": side(burst(forward=[25.0]))}}
    start = side(burst(forward=[70.0], wall=[650.0]))
    rules = {**row, "network": "resnet-50", "sides": {
        "forward": side(burst(forward=[50.0], backstep=[0.1])), "means": side(burst(forward=[50.5], backstep=[1.0])),
        "grad": side(burst(forward=[51.0], backstep=[75.0])), "tubes": side(burst(forward=[51.0], backstep=[1.0], tubes=[8.0])),
        "start": start}}
    threads = {**row, "sides": {"1 thread": side(burst(forward=[90.0])), "2 threads": side(burst(forward=[50.0]))}}
    scaling = [{**row, "along": "frames", "frames": frames, "size": 100, "sides": {"ours": side(burst(forward=[ms]))}}
               for frames, ms in ((10, 10.0), (20, 30.0))]
    return {"machine": "a machine", "date": "2026-01-02", "versions": {"cfp-gpu": "9.9", "PyTorch": "1.13"}, "command": "a command",
            "settings": {"threads": 2, "lanes": "", "gate": 0.85, "width": None, "frames": None, "size": None, "rounds": 2, "runs": 3},
            "environment": {"OPENBLAS_CORETYPE": "Haswell"}, "ceiling": 100.0,
            "probe": {"min": 84.0, "median": 99.0, "max": 100.0, "looks": 12}, "notes": ["a note"],
            "networks": [row, {**row, "network": "i3d", "refused": "it is not here", "sides": {}}], "rules": [rules],
            "threads": [threads], "scaling": scaling}


def cells(result, part):
    rows = [row for row in result[part] if not row["refused"]]
    heads, lines = report.TABLES[part](rows, result)
    return [dict(zip(heads, line)) if len(set(heads)) == len(heads) else line for line in lines]


class Report(unittest.TestCase):
    def test_what_counts(self):
        result = made_up()
        row = result["networks"][0]
        loose = {**result, "settings": {**result["settings"], "gate": 0.8}}
        self.assertEqual(report.repetitions(row, "ours", "forward", result), [40.0, 60.0, 50.0])
        self.assertEqual(len(report.bursts_that_count(row, "ours", result)), 2)
        self.assertEqual(len(report.repetitions(row, "ours", "forward", loose)), 5)                  # 84 is enough then
        self.assertEqual(report.repetitions(row, "ours", "tubes", result), [])
        self.assertTrue(report.counts(burst(None, None), 100.0, 0.85))
        self.assertEqual(report.level_of({"sides": {"ours": side(burst(None, None))}}, 0.85), None)  # without a probe

    def test_the_speed_that_most_can_be_compared_at(self):
        slow, fast = burst(50.0, 52.0, forward=[2.0]), burst(99.0, 100.0, forward=[1.0])
        row = {"sides": {"a": side(fast, fast, fast, slow), "b": side(slow, slow, fast)}}
        self.assertEqual(report.level_of(row, 0.85), 99.0)        # one each at both: the faster
        row["sides"]["a"]["bursts"].append(slow)
        self.assertEqual(report.level_of(row, 0.85), 50.0)        # now two each
        self.assertEqual(report.repetitions(row, "b", "forward", made_up()), [2.0, 2.0])
        self.assertFalse(report.counts(fast, 50.0, 0.85))         # too fast is no better than too slow

    def test_a_network(self):
        line = cells(made_up(), "networks")[0]
        self.assertEqual(line, ["mfnet", "16 x 224", "2.0", "20.0", "50.0 (40.0-60.0)", "150.0 (140.0-160.0)", "100.0 (100.0-100.0)",
                                "0.50", "0.45", "**missed by 11 %**", "3.00", "3.0", "met by 0 %", "25.0 (25.0-25.0)", "2.00",
                                "100/100/250/100", "ours 2 of 4, eager 2 of 2, best 1 of 1, new eager 1 of 1"])

    def test_a_side_that_is_not_there(self):
        result = made_up()
        for name in "eager", "best", "new eager":
            del result["networks"][0]["sides"][name]
        self.assertEqual(cells(result, "networks")[0][5:13], ["-", "-", "-", "0.45", "-", "-", "3.0", "-"])

    def test_the_rules(self):
        line = cells(made_up(), "rules")[0]
        self.assertEqual((line["forward"], line["with means"], line["means/forward"], line["descent"]), ("50.0", "50.5", "1.0 %", "1.00"))
        self.assertEqual((line["means and descent"], line["goal 2%"]), ("3.0 %", "**missed by 50 %**"))
        self.assertEqual((line["grad/forward"], line["goal 1.3"]), ("1.50", "**missed by 15 %**"))
        self.assertEqual((line["explained/forward"], line["goal 1.25"]), ("1.20", "met by 4 %"))
        self.assertEqual((line["start-up s"], line["goal 1 s"]), ("0.60", "met by 40 %"))

    def test_threads_and_scaling(self):
        line = cells(made_up(), "threads")[0]
        self.assertEqual((line["speed-up"], line["goal 1.8"]), ("1.80", "met by 0 %"))
        first, second = cells(made_up(), "scaling")
        self.assertEqual((first["ms a megapixel"], first["over the first"]), ("100.00", "1.00"))
        self.assertEqual((second["ms a megapixel"], second["over the first"]), ("150.00", "1.50"))
        self.assertEqual(second["GFLOP/s"], "67")

    def test_verdicts(self):
        self.assertEqual(report.verdict(0.9, 1.0), "met by 10 %")
        self.assertEqual(report.verdict(1.1, 1.0), "**missed by 10 %**")
        self.assertEqual(report.verdict(3.3, 3.0, least=True), "met by 10 %")
        self.assertEqual(report.verdict(2.7, 3.0, least=True), "**missed by 10 %**")
        self.assertEqual((report.verdict(None, 1.0), report.verdict(1.0, None)), ("-", "-"))

    def test_the_page(self):
        page = report.markdown(made_up())
        lines = page.splitlines()
        self.assertEqual(lines[0], "Measured on a machine, 2026-01-02, 2 threads; cfp-gpu 9.9, PyTorch 1.13. By `a command`.")
        self.assertIn("Environment: OPENBLAS_CORETYPE=Haswell.", lines)
        self.assertIn("84 least, 99 median, 100 GFLOP/s most", page)
        self.assertIn("* Not run: i3d, networks: it is not here", lines)
        self.assertIn("* mfnet, networks: best has 1 bursts that count, 2 were wanted", lines)
        self.assertNotIn("* mfnet, networks: ours", page)
        self.assertIn("* a note", lines)
        for start, end in zip([i for i, line in enumerate(lines) if line.startswith("## ")], range(4)):
            table = [line for line in lines[start + 4:start + 7] if line.startswith("|")]
            self.assertEqual(len({line.count("|") for line in table}), 1, table)
        self.assertIn("Without a probe", report.markdown({**made_up(), "probe": None, "ceiling": None}))


class Networks(unittest.TestCase):
    def test_every_one_that_has_a_goal_is_timed(self):
        said = compare("--help").stdout.replace("\n", "").replace(" ", "")
        for name in report.GOALS:
            self.assertIn(name, said)
            self.assertEqual(len(networks.Case(name).input_shape()), 4)


class Run(unittest.TestCase):
    def test_wrong_usage(self):
        for words, said in ((("--networks", "resnet-5"), "--networks: 'resnet-5' is none of"),
                            (("--networks", "motion"), "--networks: 'motion' is none of"),
                            (("--only", "tubes"), "--only: 'tubes' is none of"), (("--sides", "ours"), "--sides: 'ours' is none of"),
                            (("--python", "venv"), "--python: 'venv' is no NAME=PATH"),
                            (("--python", "eager=python3"), "the name is taken"), (("--runs", "4"), "--runs: at least 1 and at most 3"),
                            (("--rounds", "0"), "--rounds: at least 1"), (("--threads", "0"), "--threads: at least 1"),
                            (("--gate", "1.5"), "--gate: a share"), (("--gate", "nan"), "--gate: a share"),
                            (("--max-minutes", "0"), "--max-minutes: more than 0"), (("--limit", "inf"), "--limit: more than 0"),
                            (("--lanes", "sse"), "--lanes"), (("--width", "0"), "--width: "), (("--size", "0"), "--size: at least 1")):
            done = compare(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(said, done.stderr)
        self.assertEqual(compare(cfp="/nowhere/cfp-gpu").returncode, 2)

    def fails(self, said, *words, **options):
        done = compare(*words, **options)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, rf"^(compare-torch: without a probe: [^\n]*\n)?compare-torch: [^\n]*{said}[^\n]*\n$")

    def test_out_that_cannot_be(self):
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "file").write_text("")
            self.fails("--out .*file: is no folder", *ONE, "--out", Path(name) / "file")
            (Path(name) / "compare.md").mkdir()
            self.fails("compare.md is a folder", *ONE, "--out", name)

    def test_damaged_times(self):
        good = made_up()
        self.assertEqual(report.wrong_with(copy.deepcopy(good)), "")
        row = good["networks"][0]
        wrong = [{**good, "networks": [{**row, **lost}]} for lost in ({"frames": "8"}, {"sides": [1]}, {"gflop": "x"}, {"refused": 3},
                                                                      {"sides": {"ours": side({"ms": 3})}},
                                                                      {"sides": {"ours": side(burst("fast", forward=[1.0]))}},
                                                                      {"sides": {"ours": side(burst(forward=["1"]))}})]
        wrong += [{**good, "notes": [1]}, {**good, "rules": None}, {**good, "ceiling": "x"}, {**good, "scaling": [row]}, {}, 7]
        for result in wrong:
            self.assertTrue(report.wrong_with(result), result)
        with tempfile.TemporaryDirectory() as name:
            for text, said in (("{", r"damaged \(no JSON\)"), (json.dumps(wrong[0]), r"damaged \(networks: row 1\)"),
                               (json.dumps(good), "was made with another --")):
                (Path(name) / "compare.json").write_text(text)
                self.fails(said, *ONE, "--resume", "--out", name)
                self.assertEqual((Path(name) / "compare.json").read_text(), text)

    def test_another_program(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self.fails("does not answer as cfp-gpu does", *ONE, "--out", folder, cfp=script(folder / "other", "echo no\n"))
            (folder / "other").chmod(0o644)
            self.fails("Permission denied|does not answer", *ONE, "--out", folder, cfp=folder / "other")
            words = (*ONE, "--only", "threads", "--threads", "2", "--out", folder)
            half = script(folder / "half", f'[ "$1" = bench ] || exec "{CFP}" "$@"\necho nothing\n')
            self.fails("nothing was timed: .*half: bench --json says no times", *words, cfp=half)
            hangs = script(folder / "hangs", f'[ "$1" = bench ] || exec "{CFP}" "$@"\nexec sleep 600\n')
            self.fails("nothing was timed: hangs bench: not done after 15 s", *words, "--limit", "15", cfp=hangs)

    def test_logits_that_differ(self):
        """A model file of other weights than PyTorch's: refused before anything is timed."""
        with tempfile.TemporaryDirectory() as name:
            folder, seed = Path(name), networks.SEED
            networks.SEED = seed + 1
            try:
                networks.Case("resnet-50", width=0.125, frames=8, size=32).model_file(folder / "models of another")
            finally:
                networks.SEED = seed
            self.fails("resnet-50: the logits of eager are .* off ours", *ONE, "--out", folder, "--models",
                       folder / "models of another")
            self.assertFalse((folder / "compare.json").exists())

    def test_another_network_exported(self):
        """A runtime that computes something else from the file that PyTorch wrote: left out, the others are timed."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            runtime = script(folder / "runtime", """
                if [ "$2" = versions ]; then exec echo '{"torch": null, "torch lacks": "it", "onnxruntime": "0", "openvino": null}'; fi
                echo '{"ready": true}'
                while read -r line; do echo '{"logits": [1, 0]}'; done""")
            done = compare(*ONE, "--sides", "onnxruntime", "--python", f"odd={runtime}", "--out", folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex((folder / "compare.md").read_text(), "logits of onnxruntime are .* so it is left out")
            self.assertEqual(list(json.loads((folder / "compare.json").read_text())["networks"][0]["sides"]), ["ours"])

    def test_without_packages(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for package in "numpy", "h5py", "torch":
                (folder / f"{package}.py").write_text(f'raise ModuleNotFoundError("No module named {package!r}")\n')
            environment = {**os.environ, "PYTHONPATH": name, "PYTHONDONTWRITEBYTECODE": "1"}
            done = compare(*ONE, "--out", folder, env=environment)
            self.assertEqual(done.returncode, 1)
            self.assertIn("compare-torch: without PyTorch: No module named 'torch'\n", done.stderr)
            self.assertIn("nothing was timed: no model file: No module named 'numpy'; --models names", done.stderr)
            networks.Case("resnet-50", width=0.125, frames=8, size=32).model_file(folder).rename(folder / "resnet-50.h5")
            done = compare(*QUICK[6:], "--networks", "resnet-50", "--only", "networks", "--out", folder, "--models", folder,
                           env=environment)                                 # a file that is there needs no package
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("ours", done.stdout)
            other = folder / "python"                                       # another Python, which has them
            other.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {sys.executable} "$@"\n')
            other.chmod(0o755)
            done = compare(*QUICK[6:], "--networks", "resnet-50", "--only", "networks", "--out", folder, "--models", folder,
                           "--sides", "eager", "--python", f"other={other}", env=environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("compare-torch: resnet-50: compared with nothing: No module named 'numpy'\n", done.stderr)
            self.assertIn("compared with nothing", (folder / "compare.md").read_text())

    def test_interrupted(self):
        self.stopped_by(signal.SIGINT, 130)

    def test_terminated(self):
        self.stopped_by(signal.SIGTERM, 143)

    def stopped_by(self, number, status):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            waits = script(folder / "waits", f'[ "$1" = bench ] || exec "{CFP}" "$@"\necho $$ >"{name}/pid"\nexec sleep 60\n')
            process = subprocess.Popen(command(*ONE, "--out", folder / "out", cfp=waits), stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True,
                                       preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
            until = time.monotonic() + 120
            while time.monotonic() < until and process.poll() is None and not (folder / "pid").is_file():
                time.sleep(0.05)
            workers = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
            self.assertGreater(len(workers), 2)                             # the program, and PyTorch twice
            process.send_signal(number)
            said = process.communicate(timeout=20)[1]
            self.assertEqual((process.returncode, said.splitlines()[-1]), (status, "compare-torch: interrupted"))
            time.sleep(0.5)
            for pid in workers:
                left = Path(f"/proc/{pid}/stat")
                self.assertTrue(not left.exists() or left.read_text().rsplit(")", 1)[1].split()[0] == "Z", "a child still runs")

    def test_two_networks(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            words = (*QUICK, "--out", folder, "--networks", "mfnet,resnet-50", "--only", "networks,rules", "--lanes", "avx2")
            done = compare(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
            result = json.loads((folder / "compare.json").read_text())
            self.assertEqual(report.wrong_with(result), "")
            self.assertEqual((folder / "compare.md").read_text(), report.markdown(result))
            self.assertEqual(result["environment"]["DNNL_MAX_CPU_ISA"], "AVX2")
            for part, sides in (("networks", ["ours", "eager", "best"]), ("rules", ["forward", "means", "grad", "tubes", "start"])):
                self.assertEqual([row["network"] for row in result[part]], ["mfnet", "resnet-50"])
                for row in result[part]:
                    self.assertIsNone(row["refused"])
                    self.assertEqual(list(row["sides"])[:len(sides)], sides, result["notes"])
                    self.assertGreater(row["gflop"], 0)
                    for name, measured in row["sides"].items():
                        self.assertEqual(len(measured["bursts"]), 1)
                        self.assertEqual(len(measured["bursts"][0]["ms"]["forward"]), 1 if name == "start" else 2)
                        self.assertGreater(min(measured["bursts"][0]["ms"]["forward"]), 0)
                        self.assertGreater(measured["peak_mb"], 10)
                    self.assertGreater(row["sides"].get("grad", {"bursts": [burst(backstep=[1.0])]})["bursts"][0]["ms"]["backstep"][0], 0)
            again = compare(*words, "--resume")                             # nothing is left to do
            self.assertEqual((again.returncode, again.stdout), (0, f"{folder / 'compare.md'}\n"), again.stderr)
            self.assertEqual(json.loads((folder / "compare.json").read_text())["networks"], result["networks"])


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
