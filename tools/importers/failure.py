"""How an importer fails: one line on standard error, exit status 1, no output file."""
from __future__ import annotations

import sys
from typing import Callable, Iterable

LISTED = 20  # names in a message before "and N more"


class ImportFailure(Exception):
    """What is wrong, in words for the user; the message starts with the file or the node that is to blame."""


def listed(names: Iterable[str], most: int = LISTED) -> str:
    """'a, b, c and 4 more'."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def run(program: str, main: Callable[[], None]) -> None:
    """Run main() and exit: 0, or 1 with the one line of an ImportFailure, or 130 when interrupted."""
    from model_file import ModelFileError
    try:
        main()
    except (ImportFailure, ModelFileError) as problem:
        sys.exit(_say(program, problem))
    except OSError as problem:
        name = f"{problem.filename}: " if problem.filename else ""
        sys.exit(_say(program, f"{name}{problem.strerror or problem}"))
    except MemoryError:
        sys.exit(_say(program, "not enough memory"))
    except KeyboardInterrupt:
        sys.exit(130)


def _say(program: str, problem: object) -> int:
    print(f"{program}: {' '.join(str(problem).split())}", file=sys.stderr)
    return 1
