"""The timed processes: the program, the worker of a runtime, the probe. Each has a time limit and ends with this process."""
from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

HERE = Path(__file__).resolve().parent
WORKER = HERE / "worker.py"
RUNNING: List[subprocess.Popen] = []              # killed when this process is interrupted

NOT_OURS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)  # of JSON that is another's, or none


class Trouble(Exception):
    """A child failed, hangs or says what it should not: one line."""


def last_line(text: str, otherwise: str) -> str:
    return (text.strip().splitlines() or [otherwise])[-1]


class Done:
    """The results of a process that has ended."""

    def __init__(self, status: int, said: str, complaint: str, seconds: float, peak_mb: float):
        self.status, self.said, self.complaint, self.seconds, self.peak_mb = status, said, complaint, seconds, peak_mb


def finish(words: List[object], environment: Dict[str, str], limit: float) -> Done:
    """Runs a program to its end. Its peak of memory is the kernel's count for this one process; it starts from what this process
    has resident, which is why no NumPy is loaded here."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        child = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
        RUNNING.append(child)
        late = threading.Event()

        def kill() -> None:
            late.set()
            child.kill()
        timer = threading.Timer(limit, kill)
        timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            timer.cancel()
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        RUNNING.remove(child)
        if late.is_set():
            raise Trouble(f"{Path(str(words[0])).name} {words[1]}: not done after {limit:g} s")
        texts = []
        for file in out, err:
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return Done(child.returncode, *texts, seconds, usage.ru_maxrss / 1024)


class Conversation:
    """A process that answers a line with a line."""

    def __init__(self, words: List[object], environment: Dict[str, str], limit: float):
        self.limit, self.buffer = limit, b""
        self.complaints = tempfile.TemporaryFile()
        self.child = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.complaints, env=environment)
        RUNNING.append(self.child)

    def line(self) -> str:
        until = time.monotonic() + self.limit
        while b"\n" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                raise Trouble(f"no answer after {self.limit:g} s")
            piece = os.read(self.child.stdout.fileno(), 1 << 16)
            if not piece:
                self.complaints.seek(0)
                said = self.complaints.read().decode(errors="replace")
                raise Trouble(last_line(said, f"ended with {self.child.wait()} and no word"))
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode(errors="replace")

    def ask(self, line: str) -> str:
        try:
            self.child.stdin.write(line.encode() + b"\n")
            self.child.stdin.flush()
        except OSError:
            pass                                  # it has ended: line() says with which word
        return self.line()

    def close(self) -> None:
        if self.child in RUNNING:
            self.child.kill()
            self.child.wait()
            RUNNING.remove(self.child)
            for file in self.child.stdin, self.child.stdout, self.complaints:
                try:
                    file.close()
                except OSError:
                    pass


def worker_says(python: str, words: List[object], environment: Dict[str, str], limit: float) -> dict:
    """The one answer of a worker that ends by itself."""
    done = finish([python, WORKER, *words], environment, limit)
    try:
        said = json.loads(done.said)
        if "error" not in said:
            return said
    except NOT_OURS:
        raise Trouble(last_line(done.complaint, f"{python}: exit status {done.status}"))
    raise Trouble(said["error"])


class Probe:
    """How fast the processor is at this moment, in GFLOP/s; None where there is no compiler."""

    def __init__(self, folder: Path, threads: int, lanes: str, environment: Dict[str, str], best: float = 0.0):
        self.seen: List[float] = []
        self.best, self.why, self.talk = best, "", None
        program = folder / ("probe-" + (lanes or "native"))
        source = HERE / "probe.c"
        if not program.is_file() or program.stat().st_mtime < source.stat().st_mtime:
            folder.mkdir(parents=True, exist_ok=True)
            part = program.with_name(program.name + ".part")
            words = ["cc", "-O3", "-march=native", "-fopenmp", *(["-mno-avx512f"] if lanes == "avx2" else []), "-o", part, source]
            try:
                done = finish(words, environment, 60)
            except (OSError, Trouble) as problem:
                self.why = f"cc: {getattr(problem, 'strerror', None) or problem}"
                return
            if done.status:
                self.why = "cc: " + next((line for line in done.complaint.splitlines() if "error" in line), "failed")
                return
            part.replace(program)
        try:
            self.talk = Conversation([program, threads], {**environment, "OMP_WAIT_POLICY": "passive"}, 20)
            self.look()
        except (OSError, Trouble) as problem:
            self.why, self.talk = f"{program.name}: {problem}", None

    def look(self) -> Optional[float]:
        if self.talk is None:
            return None
        speed = float(self.talk.ask(""))
        self.seen.append(speed)
        self.best = max(self.best, speed)
        return speed

    def close(self) -> None:
        if self.talk is not None:
            self.talk.close()


class Ours:
    """`cfp-gpu bench`, a new process for every burst."""

    def __init__(self, cfp: Path, model: str, threads: int, options: Tuple[str, ...], environment: Dict[str, str], limit: float,
                 warmup: int = 1, runs: Optional[int] = None):
        self.words = [cfp, "bench", model, "--json", "-q", "--device", "cpu", "--threads", threads, "--warmup", warmup, *options]
        self.environment, self.limit, self.runs = environment, limit, runs
        self.peak_mb, self.gflop, self.start_s = 0.0, None, None

    def burst(self, runs: int) -> Dict[str, List[float]]:
        """The milliseconds of each stage's repetitions: at most three, so that minimum, median and maximum are all of them."""
        done = finish([*self.words, "--runs", self.runs or runs], self.environment, self.limit)
        if done.status:
            raise Trouble(last_line(done.complaint, f"exit status {done.status}"))
        try:
            said = json.loads(done.said)
            found = {stage: _all_of(times) for stage, times in said["ms"].items()}
            found["forward"], found["backstep"]
            self.gflop = said["gflop"] + 0
        except NOT_OURS:
            raise Trouble(f"{self.words[0]}: bench --json says no times")
        self.peak_mb = max(self.peak_mb, done.peak_mb)
        return {**found, "wall": [done.seconds * 1e3]}

    def close(self) -> None:
        pass


def _all_of(times: dict) -> List[float]:
    return [times["median"] + 0.0] if times["runs"] == 1 else [times["min"] + 0.0, *([times["median"] + 0.0] * (times["runs"] - 2)),
                                                              times["max"] + 0.0]


class Peer:
    """A runtime's worker; it keeps the network loaded."""

    def __init__(self, python: str, mode: str, spec: dict, threads: int, environment: Dict[str, str], limit: float):
        start = time.monotonic()
        self.talk = Conversation([python, WORKER, mode, json.dumps(spec), threads], environment, limit)
        try:
            self.answer(self.talk.line())
        except Trouble:
            self.close()
            raise
        self.start_s = time.monotonic() - start
        self.peak_mb = 0.0

    def answer(self, line: str) -> dict:
        try:
            said = json.loads(line)
            if "error" not in said:
                return said
        except NOT_OURS:
            raise Trouble(f"no answer of a worker: {line[:80]}")
        raise Trouble(said["error"])

    def ask(self, **question) -> dict:
        return self.answer(self.talk.ask(json.dumps(question)))

    def burst(self, runs: int) -> Dict[str, List[float]]:
        self.ask(do="run", n=1)                   # as ours warms up
        times = self.ask(do="run", n=runs)["ms"]
        self.peak_mb = self.ask(do="memory")["peak_mb"]
        return {"forward": times}

    def logits(self) -> List[float]:
        return self.ask(do="logits")["logits"]

    def close(self) -> None:
        self.talk.close()


def python_has(python: str, environment: Dict[str, str], limit: float) -> Dict[str, Optional[str]]:
    """The versions of what a Python has. Raises Trouble if it is not a Python."""
    try:
        return worker_says(python, ["versions"], environment, limit)
    except OSError as problem:
        raise Trouble(f"{python}: {problem.strerror}")


OWN_PYTHON = sys.executable
