"""The names of a network's classes: from a user's file in any of the usual forms, or from a list of datasets/classes/."""
from __future__ import annotations

import csv
from pathlib import Path
from typing import Iterable, List, Optional

from . import class_list
from .failure import ImportFailure

FOLDER = Path(__file__).resolve().parents[2] / "datasets" / "classes"
PUBLISHED = {"kinetics-400": 400, "kinetics-600": 600, "kinetics-700": 700, "ucf-101": 101, "hmdb-51": 51}
HELP = (f"their names: a file (a name a line, numbers and names, classInd.txt, CSV, JSON) or a data set "
        f"({', '.join(PUBLISHED)}); ")


def read_classes(path: Path) -> List[str]:
    """The names in index order. The content of the file tells its form (class_list.py).

    Raises ImportFailure with the line if numbers are missing or given twice, or if a name is empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ImportFailure(f"{path}: is not UTF-8 text") from None
    try:
        names = class_list.parse(text)
    except class_list.WrongLine as problem:
        raise ImportFailure(f"{path}:{problem.line}: {problem}" if problem.line else f"{path}: {problem}") from None
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


def published(name: str) -> List[str]:
    """The list of a data set of PUBLISHED."""
    return read_classes(FOLDER / f"{name}.txt")


def of_option(value: Path) -> List[str]:
    """The value of --classes: a file, or the name of a published list if there is no such file."""
    return published(str(value)) if str(value) in PUBLISHED and not value.exists() else read_classes(value)


def class_names(count: int, option: Optional[Path], known: str = "") -> List[str]:
    """`count` names: what --classes says, or those of the data set that is known to be the network's, or numbers."""
    if option is not None:
        names = of_option(option)
        if len(names) != count:
            raise ImportFailure(f"{option}: {len(names)} names, the network has {count} classes")
        return names
    if known and PUBLISHED[known] == count:
        return published(known)
    return [f"class {i}" for i in range(count)]


def notes(count: int, option: Optional[Path], known: str, why: str) -> Iterable[str]:
    """A note for the user about class names that were not given."""
    if option is not None:
        return []
    if known and PUBLISHED[known] == count:
        return [f"its {count} classes have the names of {known}, {why}; --classes gives others"]
    return [f"its {count} classes get numbers: --classes {name} names them, if it was trained on that, --classes FILE if not"
            for name, size in PUBLISHED.items() if size == count]
