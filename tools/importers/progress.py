"""What an importer is doing, on standard error, as cfp-gpu says it: a line that is rewritten on a terminal, or JSON lines.

Nothing is said elsewhere: a log gets what an importer says when it is done.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import time

MODES = ("auto", "none", "json")
_EVERY = 0.1                          # seconds, between two lines
_state = {"program": "", "mode": "none", "shown": 0.0, "what": "", "started": 0.0, "drawn": False}


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--progress", choices=MODES, default="auto", help="on standard error: auto on a terminal only, json "
                        "one JSON object a line (default auto)")


def begin(program: str, mode: str) -> None:
    _state.update(program=program, mode=mode, shown=0.0, what="", drawn=False)


def report(what: str, done: int, total: int) -> None:
    """done of total; what: in a word or two."""
    now = time.monotonic()
    if what != _state["what"]:
        _state.update(what=what, started=now)
    elif now - _state["shown"] < _EVERY and done < total:
        return
    if _state["mode"] == "json":
        line = {"progress": what, "done": done, "total": total, "seconds": round(now - _state["started"], 3)}
        print(json.dumps(line), file=sys.stderr, flush=True)
    elif _state["mode"] == "auto" and _on_terminal():
        print(f"\r\033[K{_state['program']}: {what}" + (f" {done} of {total}" if total > 1 else ""), end="", file=sys.stderr, flush=True)
        _state["drawn"] = True
    _state["shown"] = now


def clear() -> None:
    """Before anything else is said."""
    if _state["drawn"]:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
        _state["drawn"] = False


def _on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
