"""Names of a network's classes: a file of the user's in any of the usual forms, or a published list of datasets/classes/."""
from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import List, Optional

from .failure import ImportFailure

FOLDER = Path(__file__).resolve().parents[2] / "datasets" / "classes"
PUBLISHED = {400: "kinetics-400", 600: "kinetics-600", 700: "kinetics-700", 101: "ucf-101", 51: "hmdb-51"}


def read_classes(path: Path) -> List[str]:
    """The names in index order, from whatever the file is, told by its content:

    one name a line; `number name` lines (classInd.txt, from 0 or 1); JSON, a list or {"name": number} or {"number": name};
    CSV with the columns id,name. ImportFailure where numbers are missing or given twice, or a name is empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ImportFailure(f"{path}: is not UTF-8 text") from None
    try:
        names = _parse(text)
    except (ValueError, csv.Error) as problem:
        raise ImportFailure(f"{path}: {problem}") from None
    except RecursionError:
        raise ImportFailure(f"{path}: brackets within brackets, too deep") from None
    for name in names:
        if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in name):
            raise ImportFailure(f"{path}: {name!a}: no name, it holds what is no character")
    if not names or any(not name for name in names):
        raise ImportFailure(f"{path}: {'an empty name' if names else 'no class names'}")
    return names


def _parse(text: str) -> List[str]:
    if text.lstrip()[:1] in ("{", "["):
        return _from_json(json.loads(text))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and [cell.strip().lower() for cell in lines[0].split(",")][:2] == ["id", "name"]:
        return _numbered((row[0], row[1]) for row in csv.reader(lines[1:]) if len(row) > 1)
    pairs = [line.split(maxsplit=1) for line in lines]
    if all(len(pair) == 2 and pair[0].isdecimal() for pair in pairs):
        numbers = [int(pair[0]) for pair in pairs]
        if numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1))):
            return [pair[1] for pair in pairs]
    return lines


def _from_json(value) -> List[str]:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    if isinstance(value, dict) and value:
        if all(isinstance(v, int) and not isinstance(v, bool) for v in value.values()):
            return _numbered((number, name.strip('"')) for name, number in value.items())
        if all(isinstance(v, str) for v in value.values()):
            return _numbered(value.items())
    raise ValueError('JSON, but neither a list of names nor {"name": number} or {"number": name}')


def _numbered(pairs) -> List[str]:
    found = {}
    for number, name in pairs:
        number = int(number)
        if number in found:
            raise ValueError(f"class {number} has two names, {found[number]!r} and {name!r}")
        found[number] = str(name).strip()
    first = 1 if 0 not in found else 0
    missing = [str(i) for i in range(first, first + len(found)) if i not in found]
    if missing:
        raise ValueError(f"no name for class {missing[0]}")
    return [found[i] for i in range(first, first + len(found))]


def class_names(count: int, path: Optional[Path], published: bool = True) -> List[str]:
    """`count` names: of the user's file, of the published list with as many (if wanted), or numbers."""
    if path is not None:
        names = read_classes(path)
        if len(names) != count:
            raise ImportFailure(f"{path}: {len(names)} names, the network has {count} classes")
        return names
    if published and count in PUBLISHED:
        return read_classes(FOLDER / f"{PUBLISHED[count]}.txt")
    return [f"class {i}" for i in range(count)]
