"""Runs one step: its commands run at the same time, under one time limit, and their output goes into the report."""
from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional

from .failure import Failure, why
from .plan import Command
from .results import Results, first_and_last

PASSED, SKIPPED, FAILED, STOPPED = "passed", "skipped", "FAILED", "STOPPED"
SKIP_STATUS = 77
TICK, BETWEEN_REPORTS = 0.05, 2.0          # seconds

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _alone() -> None:
    """Puts the process into a new group, which can be ended as a whole, and lets it end with this program."""
    os.setsid()
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Job:
    """A command that runs or has ended."""
    command: Command
    log: Path
    began: float
    process: Optional[subprocess.Popen] = None
    ended: float = 0.0
    stopped: bool = False
    complaint: str = ""                     # why it could not be started

    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.began

    def running(self) -> bool:
        if self.process is None or self.ended:
            return False
        if self.process.poll() is None:
            return True
        self.ended = time.monotonic()
        return False

    def text(self) -> str:
        try:
            return self.log.read_text(errors="replace")
        except OSError:
            return ""

    def stop(self) -> None:
        """Ends the command and everything that it has started."""
        if self.process is None or self.ended:
            return
        self.stopped = True
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()
        self.ended = time.monotonic()


def start(command: Command, log: Path, env: Dict[str, str]) -> Job:
    job = Job(command, log, time.monotonic())
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        out = log.open("wb")
    except OSError as problem:
        raise Failure(why(problem))
    with out:
        if command.missing:
            job.ended = job.began
            return job
        try:
            job.process = subprocess.Popen(command.words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env,
                                           cwd=command.folder, preexec_fn=_alone)
        except OSError as problem:
            job.complaint, job.ended = why(problem), job.began
    return job


def wait(jobs: List[Job], until: float, tick: Callable[[], None]) -> None:
    """Waits until all have ended. At the time `until` those that still run are stopped."""
    reported = time.monotonic()
    try:
        while any([job.running() for job in jobs]):
            now = time.monotonic()
            if now >= until:
                break
            if now - reported >= BETWEEN_REPORTS:
                tick()
                reported = now
            time.sleep(min(TICK, until - now))
    finally:                                # an interruption, too, leaves none behind
        for job in jobs:
            job.stop()


def verdict(job: Job) -> str:
    command = job.command
    if command.missing:
        return SKIPPED
    if job.complaint or job.process is None:
        return FAILED
    if job.stopped:
        return STOPPED
    if job.process.returncode == 0:
        return PASSED
    skips = command.skip_where and re.search(command.skip_where, job.text(), re.IGNORECASE)
    return SKIPPED if job.process.returncode == SKIP_STATUS or skips else FAILED


def _why(job: Job, word: str) -> str:
    if job.command.missing or job.complaint:
        return job.command.missing or job.complaint
    if word == STOPPED:
        return "it took longer than it may; what it had said:"
    lines = job.text().strip().splitlines()
    if word == SKIPPED and job.command.skip_where:
        lines = [line for line in lines if re.search(job.command.skip_where, line, re.IGNORECASE)] or lines
        return lines[0] if lines else ""
    if word == FAILED:
        return f"exit status {job.process.returncode if job.process else '-'}:"
    return lines[-1] if lines else ""


def tell(job: Job, results: Results) -> str:
    """Prints the result of the step: passed, skipped, FAILED or STOPPED."""
    word, text = verdict(job), job.text()
    results.say(f"{word:8} {job.command.title}, {job.seconds():.1f} s: {_why(job, word)}")
    if word in (FAILED, STOPPED):
        for line in first_and_last(text):
            print(f"    {line}", flush=True)
    if job.command.words:
        results.add(f"-- {job.command.shown()}\n{text}")
    return word
