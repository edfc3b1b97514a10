"""The folder of results: five small files, rewritten after each step and from time to time during a step.

A file is always replaced as a whole. So after a kill each file is complete, as it was last written.
"""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Dict, List, Tuple

from .failure import Failure, why

# From the folder of work, where the steps write them.
MADE = ("table.md", "times.json", "choices.txt", "device.json")
REPORT = "report.txt"

LONGEST = 200_000                 # characters of one step's output in the report


def replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        if part.exists():
            part.unlink()


def shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters are left out ...\n{text[-half:]}"


class Results:
    """text: the report so far. done: what became of each step, by its name, for --second-part."""

    def __init__(self, folder: Path, work: Path):
        self.folder, self.work = folder, work
        self.text = ""
        self.done: Dict[str, str] = {}
        self.copied: Dict[str, Tuple[int, int]] = {}
        for option, path in ("--out", work), ("--results", folder):
            try:
                path.mkdir(parents=True, exist_ok=True)
                replace(path / ".written", b"")
                (path / ".written").unlink()
            except FileExistsError:
                raise Failure(f"{option} {path}: is no folder")
            except OSError as problem:
                raise Failure(f"{option} {path}: {problem.strerror}")

    def say(self, line: str) -> None:
        """A line for the screen and the report."""
        print(line, flush=True)
        self.text += line + "\n"

    def add(self, text: str) -> None:
        """Text for the report alone."""
        text = shortened(text)
        self.text += text if text.endswith("\n") or not text else text + "\n"

    def write(self, running: str = "") -> None:
        """running: the output of the present step so far."""
        try:
            replace(self.folder / REPORT, (self.text + shortened(running)).encode("utf-8", "replace"))
            for name in MADE:
                self._copy(name)
        except OSError as problem:
            raise Failure(f"--results {self.folder}: {problem.strerror}")

    def _copy(self, name: str) -> None:
        source, to = self.work / name, self.folder / name
        try:
            about = source.stat()
        except OSError:
            return                        # not made yet
        stamp = (about.st_mtime_ns, about.st_size)
        if self.copied.get(name) != stamp and not (to.exists() and to.samefile(source)):
            replace(to, source.read_bytes())
        self.copied[name] = stamp

    # What --second-part goes on from.

    def save(self, program: str) -> None:
        try:
            replace(self.work / "state.json", json.dumps({"program": program, "done": self.done, "report": self.text}).encode())
        except OSError as problem:
            raise Failure(f"--out {self.work}: {problem.strerror}")

    def load(self, program: str) -> bool:
        """True if a first part ran in this folder with the same program."""
        try:
            state = json.loads((self.work / "state.json").read_text())
            done = {str(name): str(word) for name, word in state["done"].items()}
            report = str(state["report"])
            same = state["program"] == program
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return False
        if same:
            self.done, self.text = done, report
        return same

    def forget(self) -> None:
        """Before a first part: what another run left must not look like this one's."""
        for name in (*MADE, "state.json"):
            for folder in (self.work, self.folder):
                try:
                    (folder / name).unlink()
                except FileNotFoundError:
                    pass
                except OSError as problem:
                    raise Failure(f"{why(problem)}")


def first_and_last(text: str, lines: int = 10) -> List[str]:
    """What is shown of a failure: its first lines say what broke first, its last how it ended."""
    every = text.splitlines()
    if len(every) <= 2 * lines:
        return every
    return [*every[:lines], f"... {len(every) - 2 * lines} lines, all of them in {REPORT} ...", *every[-lines:]]
