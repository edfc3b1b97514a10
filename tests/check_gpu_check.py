#!/usr/bin/env python3
"""tools/gpu-check without a GPU: runs its whole plan on the simulator.

Then it replaces the GPU, the program and its tests by fakes and tries every branch: a step that fails, one that is too slow,
a budget that ends, a kill, a second part, a bundle that is not whole.

Usage: check_gpu_check.py [--build DIR] [NAME...]     DIR: a finished build, for the dry run
"""
import argparse
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ""
FIVE = {"report.txt", "table.md", "times.json", "choices.txt", "device.json"}
QUICK = ("--patience", "0.02")                # expected seconds and limits times that: 1.2 s of "every op and primitive" is 2.4 s

# The stand-ins. Each writes its name into $ORDER; a file NAME.does beside them says what else it does.
TOOL = """#!/bin/bash
name=${0##*/} words=$*
case $name$words in check_backends*--precision\\ *) name=$name-${words##*--precision }; name=${name%% *} ;; esac
echo "$name $*" >>"$ORDER"
[ ! -f "$DOES/$name" ] || . "$DOES/$name"
"""
PROGRAM = TOOL + """case $1 in
devices) cat "$(dirname "$0")/row" ;;
--version) echo "cfp-gpu 0.0.0" ;;
explain) while [ "$1" != -o ]; do shift; done; mkdir -p "$2" && echo one >"$2/explanation.h5" ;;
esac
"""
BENCH = """import os, sys, time, pathlib
with open(os.environ["ORDER"], "a") as order:
    print("gpu-bench", *sys.argv[1:], file=order)
option = dict(zip(sys.argv, sys.argv[1:]))
out = pathlib.Path(option["--out"])
if "--models-only" in sys.argv:
    models = pathlib.Path(option["--models"])
    if not os.path.exists(os.environ["DOES"] + "/no-models"):
        models.mkdir(parents=True, exist_ok=True)
        (models / "resnet-50.h5").write_text("a model")
    else:
        print("gpu-bench: no model file can be made: No module named 'h5py'")
        sys.exit(1)
    sys.exit(0)
(out / "table.md").write_text("| a row |\\n")
(out / "times.json").write_text("{}\\n")
(out / "choices.txt").write_text("a choice\\n")
if os.path.exists(os.environ["DOES"] + "/slow-bench"):
    time.sleep(60)
print("a table")
"""


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().split()[2] != "Z"
    except OSError:
        return False


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.env = dict(os.environ, PATH=f"{self.folder}/path:{os.environ['PATH']}", CUDA_HOME=f"{self.folder}/toolkit",
                        ORDER=f"{self.folder}/order", DOES=f"{self.folder}/does", PYTHONDONTWRITEBYTECODE="1")
        self.env.pop("LD_LIBRARY_PATH", None)
        (self.folder / "does").mkdir()

    def does(self, name, text=""):
        (self.folder / "does" / name).write_text(text)

    def command(self, *words):
        return [sys.executable, str(ROOT / "tools" / "gpu-check"), *map(str, words)]

    def run_check(self, *words, **more):
        done = subprocess.run(self.command(*words), cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=120, **more)
        self.said = done.stdout + done.stderr
        return done

    def expect(self, status, pattern, *words, **more):
        done = self.run_check(*words, **more)
        self.assertEqual(done.returncode, status, self.said)
        self.assertRegex(self.said, f"(?m){pattern}")
        return done

    def refused(self, status, pattern, *words, **more):
        """By one line, and nothing else."""
        done = self.expect(status, f"^gpu-check: {pattern}", *words, **more)
        self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), self.said)


class Refusals(Case):
    def test_wrong_usage(self):
        for words, pattern in ((("--nothing",), ".*--nothing"), (("--out",), ".*--out"), (("word",), ".*word"),
                               (("--only", "everything"), "--only: everything is none of devices, tests,"),
                               (("--bundle", "none.tar"), "--bundle none.tar: no such file"),
                               (("--cudnn", "none"), "--cudnn none: no such folder"),
                               (("--python", "none"), "--python none: there is none"),
                               (("--budget", "soon"), ".*--budget.*soon"), (("--budget", "nan"), "--budget: a number of seconds"),
                               (("--budget", "-3"), "--budget: a number of seconds"), (("--patience", "0"), "--patience: a factor")):
            self.refused(2, pattern, *words)

    def test_a_budget_below_the_first_step(self):
        for budget in "0.5", "6.9":
            self.refused(2, rf"--budget {budget}: the first step \(devices and versions\) alone takes about 5 s", "--budget", budget)

    @unittest.skipIf(glob.glob("/dev/nvidia[0-9]*") or os.path.exists("/dev/dxg"), "this machine has a GPU")
    def test_no_gpu(self):
        self.refused(77, "no NVIDIA GPU can be seen")
        self.assertFalse((self.folder / "build").exists())

    def test_folders_that_cannot_be(self):
        (self.folder / "file").write_text("")
        script(self.folder / "path" / "nvidia-smi", "#!/bin/sh\necho GPU 0: a stand-in\n")
        self.refused(1, "--results .*file: is no folder", "--results", "file")
        self.refused(1, "--results .*below: Not a directory", "--results", "file/below")
        self.refused(1, "--out /proc/here: ", "--out", "/proc/here")


class StandIns(Case):
    """A GPU that nvidia-smi lists, a bundle whose program and tests are scripts."""

    def setUp(self):
        super().setUp()
        script(self.folder / "path" / "nvidia-smi", "#!/bin/sh\necho GPU 0: a stand-in\n")
        top = self.folder / "stand-in"
        script(top / "bin" / "cfp-gpu", PROGRAM)
        for name in "check_backends", "check_network", "test_batch", "test_render":
            script(top / "libexec" / name, TOOL + "echo '9 checks, 0 failed'\n")
        script(top / "libexec" / "describe_gpu", TOOL + "echo '{}' >\"$1\"\necho \"cuBLASLt is loaded; $LD_LIBRARY_PATH\"\n")
        for path in "tests/oracle/check_method.py", "tests/cuda/check_device.py":
            script(top / path, "print('as the method')\n")
        script(top / "tools" / "gpu-bench", BENCH)
        (top / "lib" / "cfp-gpu").mkdir(parents=True)
        self.row("cuda   ready  a stand-in")

    def row(self, text):
        (self.folder / "stand-in" / "bin" / "row").write_text(text + "\n")
        self.bundle()

    def bundle(self):
        top = self.folder / "stand-in"
        files = sorted(p for p in top.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
        (top / "SHA256SUMS").write_text("".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  ./{p.relative_to(top)}\n" for p in files))
        subprocess.run(["tar", "-cf", "stand-in.tar", "stand-in"], cwd=self.folder, check=True)

    def words(self, *more):
        return ("--bundle", "stand-in.tar", "--out", "out", "--results", "results", *more)

    def order(self):
        """What ran, in its order, each once."""
        lines = (self.folder / "order").read_text().splitlines()
        return list(dict.fromkeys("models" if "--models-only" in line else line.split()[0] for line in lines))

    def report(self):
        return (self.folder / "results" / "report.txt").read_text()

    def results(self):
        return {path.name for path in (self.folder / "results").iterdir()}

    def test_the_first_part(self):
        self.expect(0, "^0 failed", *self.words())
        self.assertEqual(self.results(), FIVE)
        order = self.order()
        at = [order.index(name) for name in ("describe_gpu", "check_backends-fp16", "test_render", "check_network", "gpu-bench")]
        self.assertEqual(at, sorted(at), order)
        self.assertLess(order.index("models"), order.index("check_network"))
        ran = (self.folder / "order").read_text()
        self.assertRegex(ran, "test_batch --device cuda .*--sums by-shape")
        self.assertRegex(ran, "check_network --device cuda --module-dir .* .*resnet-50.h5")
        self.assertRegex(ran, "gpu-bench .*--autotune .*--core")
        self.assertNotIn("--compile", ran)
        for line in ("passed   every op and primitive, bf16, [0-9.]+ s: 9 checks", "== published sizes: [0-9.]+ s",
                     "passed   twice the same bytes, .*: the same", "passed   the motion model, .*: as the method"):
            self.assertRegex(self.said, f"(?m)^{line}")
        self.assertEqual((self.folder / "results" / "choices.txt").read_text(), "a choice\n")
        self.assertIn("-- ", self.report())           # what was run, with its output

    def test_a_budget_that_is_refused_forgets_nothing(self):
        self.expect(0, "^0 failed", *self.words("--only", "bench"))
        before = self.report()
        self.refused(2, r"--budget 10: the first step \(the benchmark\) alone takes about 60 s", *self.words("--only", "bench",
                                                                                                          "--budget", "10"))
        self.assertEqual((self.report(), self.results()), (before, FIVE - {"device.json"}))

    def test_options_of_the_benchmark(self):
        self.expect(0, "^0 failed", *self.words("--only", "bench", "--", "--networks", "mfnet"))
        self.assertRegex((self.folder / "order").read_text(), "gpu-bench .*--networks mfnet")
        self.assertEqual(self.order(), ["cfp-gpu", "models", "gpu-bench"])

    def test_a_failure_shows_its_beginning_and_its_end(self):
        self.does("check_backends-fp16", "seq -f 'line %g' 30; exit 1\n")
        self.expect(1, "^1 failed", *self.words("--only", "tests"))
        self.assertRegex(self.said, r"(?s)FAILED   every op and primitive, fp16, .* exit status 1:\n    line 1\n.*    line 10\n"
                         r"    \.\.\. 10 lines, .*\n    line 21\n.*    line 30\n")
        self.assertNotIn("line 15", self.said)
        self.assertIn("line 15", self.report())
        self.assertRegex(self.said, "passed   every op and primitive, bf16")     # beside it
        self.assertRegex(self.said, "passed   tubes, frames and files")          # behind it

    def test_skips(self):
        self.does("check_backends-bf16", "echo 'no bf16 here'; exit 77\n")
        self.does("no-models")
        (self.folder / "stand-in" / "libexec" / "describe_gpu").unlink()
        self.bundle()
        self.expect(0, "^0 failed", *self.words())
        for line in ("models, .*No module named 'h5py'", "bf16, .*: no bf16 here", "cuDNN's description of the device, cuBLASLt, .*: there is no describe_gpu here",
                     "ResNet-50 of published size.*: there is no resnet-50.h5"):
            self.assertRegex(self.said, f"(?m)^skipped  .*{line}")

    def test_a_step_that_is_too_slow(self):
        self.does("test_render", f"echo 'its first line'; sleep 300 & echo $! >{self.folder}/pid; wait\n")
        began = time.monotonic()
        self.expect(1, "^1 failed", *self.words("--budget", "60", *QUICK))
        self.assertLess(time.monotonic() - began, 20)
        self.assertRegex(self.said, "STOPPED  tubes, frames and files, .*\n    its first line\n")
        self.assertRegex(self.said, "passed   batches, recorded and replayed")   # beside it
        self.assertRegex(self.said, "passed   against PyTorch")                  # behind it
        self.assertFalse(alive((self.folder / "pid").read_text().strip()), "what it started still runs")

    def test_the_budget_ends(self):
        self.does("slow-bench")
        self.does("check_backends-fp32", "sleep 1\n")
        began = time.monotonic()
        self.expect(1, "^left over, since the budget has ended: .*torch.compile", *self.words("--budget", "7", "--second-part", *QUICK))
        self.assertLess(time.monotonic() - began, 7)
        self.assertRegex(self.said, "STOPPED  against PyTorch")
        self.assertEqual((self.folder / "results" / "table.md").read_text(), "| a row |\n")
        self.assertEqual(self.results(), FIVE)

    def started(self, *words):
        process = subprocess.Popen(self.command(*self.words(*words)), cwd=self.folder, env=self.env, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        return process

    def wait_for(self, what):
        until = time.monotonic() + 30
        while not what() and time.monotonic() < until:
            time.sleep(0.02)
        self.assertTrue(what())

    def test_a_kill_leaves_the_results_so_far(self):
        self.does("check_backends-tf32", f"echo 'half of it'; echo $$ >{self.folder}/pid; exec sleep 300\n")
        process = self.started()
        self.wait_for(lambda: (self.folder / "results" / "report.txt").is_file() and "half of it" in self.report())
        process.kill()
        process.wait()
        self.assertEqual(self.results(), {"report.txt", "device.json"})
        self.assertRegex(self.report(), r"(?s)passed   cuDNN's description.*== devices and versions: .* s\n.*running .*half of it")
        self.wait_for(lambda: not alive((self.folder / "pid").read_text().strip()))

    def test_a_kill_at_any_second(self):
        """The files of a run that is killed are whole: here while the benchmark runs."""
        self.does("slow-bench")
        for seconds in 0.05, 0.3, 0.6, 1.2:
            process = self.started("--only", "bench")
            time.sleep(seconds)
            process.kill()
            process.wait()
            report = self.folder / "results" / "report.txt"
            self.assertTrue(not report.exists() or report.read_text().endswith("\n"))
            self.assertLessEqual(self.results() if report.parent.exists() else set(), FIVE)

    def test_an_interruption_names_what_is_left(self):
        for number in signal.SIGINT, signal.SIGTERM:
            self.does("check_backends-tf32", f"echo $$ >{self.folder}/pid; exec sleep 300\n")
            process = self.started()
            self.wait_for(lambda: (self.folder / "pid").is_file() and (self.folder / "pid").read_text().endswith("\n"))
            process.send_signal(number)
            said = process.communicate(timeout=30)[0]
            self.assertEqual(process.returncode, 128 + number, said)
            self.assertRegex(self.report(), "left over, since the run was interrupted: every op and primitive; replay")
            self.wait_for(lambda: not alive((self.folder / "pid").read_text().strip()))
            (self.folder / "pid").unlink()

    def test_the_second_part(self):
        for name in "compute-sanitizer", "ncu":
            script(self.folder / "toolkit" / "bin" / name, TOOL + "echo '========= all is well'\n")
        self.does("test_batch", "exit 1\n")
        self.expect(1, "^1 failed", *self.words())
        first = self.report()
        self.does("test_batch")
        (self.folder / "order").unlink()
        self.expect(0, "^0 failed", *self.words("--second-part"))
        self.assertTrue(self.report().startswith(first))
        order = self.order()
        self.assertIn("test_batch", order)                            # it had failed
        self.assertNotIn("check_backends-fp32", order)                # it had passed
        ran = (self.folder / "order").read_text()
        for tool in "memcheck", "racecheck":
            for words in "check_backends .*--only primitives", "check_backends .*--only relevance", "test_render":
                self.assertRegex(ran, f"compute-sanitizer --tool {tool} --error-exitcode 9 .*/{words}")
        self.assertRegex(ran, "ncu .*reduce.*bench")
        self.assertRegex(ran, "check_network .*--batch 8")
        self.assertRegex(ran, "gpu-bench .*--resume .*--compile")
        self.assertRegex(ran, "test_batch .*--model .*motion.h5")
        self.assertRegex(self.said, "passed   explanations as the method in Python")
        self.assertEqual(self.results(), FIVE)

    def test_the_second_part_of_another_program(self):
        self.expect(0, "^0 failed", *self.words("--only", "tests"))
        script(self.folder / "stand-in" / "bin" / "cfp-gpu", PROGRAM + "# another\n")
        self.bundle()
        (self.folder / "order").unlink()
        self.expect(0, "no first part of this program ran here", *self.words("--only", "tests", "--second-part"))
        self.assertIn("check_backends-fp32", self.order())

    def test_tools_that_do_not_work_here(self):
        script(self.folder / "toolkit" / "bin" / "compute-sanitizer", "#!/bin/sh\necho '=== Error: device not supported'; exit 1\n")
        script(self.folder / "toolkit" / "bin" / "ncu", "#!/bin/sh\necho '==ERROR== ERR_NVGPUCTRPERM - no'; exit 1\n")
        self.expect(0, "^skipped  memcheck, relevance, .*device not supported", *self.words("--only", "sanitizer", "--only", "profile"))
        script(self.folder / "toolkit" / "bin" / "compute-sanitizer", "#!/bin/sh\necho '=== ERROR SUMMARY: 3 errors'; exit 9\n")
        self.expect(1, "^FAILED   racecheck, tubes", *self.words("--only", "sanitizer"))
        shutil.rmtree(self.folder / "toolkit")
        if not shutil.which("compute-sanitizer"):
            self.expect(0, "^skipped  racecheck, tubes, .*there is no compute-sanitizer", *self.words("--only", "sanitizer"))

    def test_libraries_that_pip_installed(self):
        for name in "cudnn", "cu13", "cublas", "other":
            (self.folder / "packages" / "nvidia" / name / "lib").mkdir(parents=True)
        self.env["PYTHONPATH"] = f"{self.folder}/packages"
        self.expect(0, "cuBLASLt is loaded; .*/nvidia/cudnn/lib:.*/nvidia/cu13/lib", *self.words("--only", "devices"))
        self.assertNotIn("other/lib", self.said)
        (self.folder / "mine" / "cudnn" / "lib").mkdir(parents=True)
        (self.folder / "mine" / "cu13" / "lib").mkdir(parents=True)
        self.expect(0, "cuBLASLt is loaded; .*mine/cudnn/lib:.*mine/cu13/lib:.*packages", *self.words("--only", "devices", "--cudnn",
                                                                                                  self.folder / "mine" / "cudnn"))

    def test_a_device_that_cannot_be_used(self):
        self.row("cuda   no     a reason")
        self.expect(1, "the program cannot use it", *self.words())
        self.assertIn("a reason", self.report())

    def test_a_program_that_hangs(self):
        self.does("cfp-gpu", f"echo $$ >{self.folder}/pid; exec sleep 300\n")
        self.refused(1, "cfp-gpu takes longer than 1 s: devices", *self.words("--budget", "60", *QUICK))
        self.assertFalse(alive((self.folder / "pid").read_text().strip()))

    def test_a_bundle_that_takes_the_whole_budget(self):
        script(self.folder / "b.unpack", f"#!/bin/sh\necho $$ >{self.folder}/pid\nexec sleep 300\n")
        self.refused(1, "sh takes longer than 1 s: b.unpack", "--bundle", "b.unpack", "--budget", "3", *QUICK)
        self.assertFalse(alive((self.folder / "pid").read_text().strip()))

    def test_a_bundle_that_is_not_whole(self):
        (self.folder / "stand-in" / "bin" / "row").write_text("another\n")        # and SHA256SUMS as before
        subprocess.run(["tar", "-cf", "stand-in.tar", "stand-in"], cwd=self.folder, check=True)
        self.refused(1, "--bundle stand-in.tar: it is not whole", *self.words())
        (self.folder / "stand-in.tar").write_bytes(b"no archive")
        self.refused(1, "--bundle stand-in.tar: it cannot be unpacked in ", *self.words())
        script(self.folder / "b.unpack", "#!/bin/sh\necho 'b.unpack: b.tar.xz.2of2 is missing' >&2\nexit 1\n")
        self.refused(1, "b.unpack: b.tar.xz.2of2 is missing", "--bundle", "b.unpack", "--out", "out", "--results", "results")

    def test_no_space(self):
        """Nearly: files may have 20 KB."""
        import resource
        few = 20_000
        self.does("check_backends-fp32", "yes 'a line of the log' | head -c 15000\n")
        self.does("check_backends-tf32", "yes 'a line of the log' | head -c 15000\n")
        done = self.run_check(*self.words("--only", "tests"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (few, few)))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^gpu-check: --results .*: File too large\n$|^gpu-check: --out .*: File too large\n$|cannot be unpacked")


class Dry(unittest.TestCase):
    """The whole plan, both parts, on the simulator."""

    def test_everything(self):
        if not BUILD or not (Path(BUILD) / "tests" / "cuda" / "modules" / "cfp-gpu").is_file():
            self.skipTest("there is no simulator")
        try:
            import h5py, numpy, torch                                        # noqa: F401, E401
        except ImportError as error:
            self.skipTest(str(error))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            done = subprocess.run([sys.executable, str(ROOT / "tools" / "gpu-check"), "--dry-run", "--build", BUILD, "--second-part",
                                   "--budget", "900", "--out", f"{name}/out", "--results", f"{name}/results"], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotRegex(done.stdout, "left over")
            for line in ("every op and primitive, fp16", "batches, recorded and replayed", "tubes, frames and files",
                         "the motion model", "twice the same bytes", "models, made beside the tests", "ResNet-50 of published size",
                         "against PyTorch", "explanations as the method", "the same, 2 clips at once", "one row with torch.compile"):
                self.assertRegex(done.stdout, f"(?m)^passed   {line}")
            self.assertIn("| resnet-50 | fp32 | 1 |", (folder / "results" / "table.md").read_text())
            self.assertTrue(json.loads((folder / "results" / "times.json").read_text())["rows"][0]["ours"])
            self.assertIn("conv", (folder / "results" / "choices.txt").read_text())
            found = {path.name for path in (folder / "results").iterdir()}
            self.assertLessEqual(FIVE - {"device.json"}, found)              # that one wants cuDNN
            self.assertLessEqual(found, FIVE)


def main():
    global BUILD
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="", help="a finished build, for the dry run")
    args, rest = parser.parse_known_args()
    BUILD = os.path.abspath(args.build) if args.build else ""
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
