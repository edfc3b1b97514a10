"""How an importer fails: one line on standard error, exit status 1, no output file."""
from __future__ import annotations

import importlib.util
import signal
import sys
from typing import Callable, Iterable

from . import progress

LISTED = 20  # names in a message before "and N more"


class ImportFailure(Exception):
    """What is wrong, in words for the user; the message starts with the file or the node that is to blame."""


def listed(names: Iterable[str], most: int = LISTED) -> str:
    """'a, b, c and 4 more'."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def printable(text: object) -> str:
    """On one line, and without what could command a terminal: a file's or a layer's name may be anyone's."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(str(text).split()))


def need(program: str, *packages: str) -> None:
    """Exit with one line if a Python package is missing. Call it before anything imports the package.

    Until run(), Ctrl-C ends the process at once: there is nothing to remove yet, and imports would show a traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(_say(program, _wanted(missing)))


def _wanted(packages: Iterable[str]) -> str:
    packages = list(packages)
    debian = " ".join(f"python3-{name}" for name in packages)
    return f"Python's {' and '.join(packages)} wanted: apt-get install {debian}, or pip install {' '.join(packages)}"


def note(program: str, text: str) -> None:
    """What a user should know of an import that succeeds."""
    progress.clear()
    print(f"{program}: note: {printable(text)}", file=sys.stderr)


def run(program: str, main: Callable[[], None]) -> None:
    """Run main() and exit: 0, or 1 with the one line of an ImportFailure, or 130 when interrupted."""
    from model_file import ModelFileError
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # as need() found it
        main()
    except ModuleNotFoundError as problem:
        if problem.name not in ("torch", "onnx"):
            raise
        sys.exit(_say(program, _wanted([problem.name])))
    except (ImportFailure, ModelFileError) as problem:
        sys.exit(_say(program, problem))
    except OSError as problem:
        name = f"{problem.filename}: " if problem.filename else ""
        sys.exit(_say(program, f"{name}{problem.strerror or problem}"))
    except MemoryError:
        sys.exit(_say(program, "not enough memory"))
    except KeyboardInterrupt:
        progress.clear()
        sys.exit(130)
    except RuntimeError as problem:    # PyTorch, interrupted while it is imported
        if not str(problem).startswith("KeyboardInterrupt"):
            raise
        sys.exit(130)


def _say(program: str, problem: object) -> int:
    progress.clear()
    print(f"{program}: {printable(problem)}", file=sys.stderr)
    return 1
