#!/usr/bin/env python3
"""Damages class lists. Any bytes must give a list of names, or one line that says what is wrong.

    check_class_list_bytes.py [CHANGES]        number of changes of each seed (default: 700), always the same ones
"""
import os
import pathlib
import random
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from importers.class_names import read_classes  # noqa: E402
from importers.failure import ImportFailure, printable  # noqa: E402

SEEDS = (b"abseiling\nair drumming\nzumba\n", b"1 Apply Eye Makeup\n2 YoYo\n", b"id,name\n0,take\n1,\"put, down\"\n",
         b'["a", "b", "c\\u00e9"]', b'{"clapping": 0, "wave": 1}', b'{"0": "a", "1": "b"}', b"wave\t1\nkick\t0\n",
         b"\xef\xbb\xbf0;a\n1;b\n", b"2 wash\n100 m\n", b'{"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}')
PIECES = (b"", b"\0", b"\xff", b"\n", b",", b'"', b"[", b"{" * 50, b"9" * 30, b"-1", b"1e9", b"null", b"\\ud800", b"\r",
          b"\xe2\x80\xae", b"\x1b[31m", "٣".encode(), b" ", b"\t", b":")


def changed(chance, seed):
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        data[at:at + chance.randint(0, 3)] = chance.choice(PIECES) if chance.random() < 0.7 else bytes([chance.randrange(256)])
    return bytes(data)


def wrong(path):
    """What is wrong with how this file is taken, or None."""
    try:
        names = read_classes(path)
    except ImportFailure as problem:
        line = printable(problem)
        return None if line.startswith(printable(path)) and line.isprintable() else f"refused by {line!r}"
    except Exception as problem:  # noqa: BLE001: it must not be any other
        return f"{type(problem).__name__}: {problem}"
    for name in names:
        if not isinstance(name, str) or not name or "\0" in name:
            return f"a name {name!r}"
        name.encode("utf-8")
    return None if names else "no names"


def main():
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 700
    chance, failures = random.Random(12), 0
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None     # a disk takes its time for so many files
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        path = pathlib.Path(folder) / "list"
        for seed in SEEDS:
            for data in (seed, *(changed(chance, seed) for _ in range(changes))):
                path.write_bytes(data)
                problem = wrong(path)
                if problem:
                    failures += 1
                    print(f"FAIL {data!r}: {problem}")
    print(f"{len(SEEDS)} lists, {changes} changes of each, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
