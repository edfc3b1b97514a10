"""The published checkpoints by name, to tell whether a file of that name is the published one."""
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Dict, Optional, Tuple

FILE = Path(__file__).resolve().parents[2] / "weights" / "manifest"


def read_manifest(path: Path = FILE) -> Dict[str, Tuple[str, str]]:
    """File name -> (ARCH, SHA-256 or its first digits, "" if unknown)."""
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return {name: (arch, "" if digits == "-" else digits) for name, arch, digits in rows}


def doubt(path: Path) -> Optional[str]:
    """Why `path` is not the published file of its name; None if nothing speaks against it."""
    _, digits = read_manifest().get(path.name, ("", ""))
    if not digits:
        return None
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    if found.hexdigest().startswith(digits):
        return None
    return f"its SHA-256 begins with {found.hexdigest()[:len(digits)]}, that of the published {path.name} with {digits}"


def is_published(path: Path, arch: str) -> bool:
    return read_manifest().get(path.name, ("", ""))[0] == arch


def data_set(path: Path, arch: str) -> str:
    """The data set (of class_names.PUBLISHED) whose classes the published ARCH of that file name has; "" if it names none."""
    words = {"-ucf101_": "ucf-101", "-hmdb51_": "hmdb-51", "-kinetics.": "kinetics-400"}
    return next((name for word, name in words.items() if word in path.name), "") if is_published(path, arch) else ""
