"""Writes a described network and its tensors as a model file."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, Sequence, Union

import h5py
import numpy as np
from model_file import ModelFile

from .failure import ImportFailure, printable
from .network import Network
from .profiles import Profile
from .progress import clear, report


def write_model(path: Path, net: Network, output: Union[str, Dict[str, str]], tensors: Dict[str, np.ndarray],
                profile: Profile, classes: Union[Sequence[str], Dict[str, Sequence[str]]], *, name: str, source: str = "", licence: str = "") -> None:
    """tensors: all that the network wants, by the checkpoint's keys. output, classes: of several heads, by their names.

    Raises ModelFileError (NaN weights), OSError, and ImportFailure where `path` is a file that is no model file: an importer
    whose arguments were mixed up must not overwrite the weights that it reads.
    """
    if path.is_file() and path.stat().st_size > 0 and not _is_model_file(path):
        raise ImportFailure(f"{path}: is there already and no model file; it is not overwritten")
    _, _, height, width = net.input
    with ModelFile(path, name=name, classes=classes, output=output, source=source, licence=licence,
                   **profile.input_attributes(height, width)) as file:
        for done, node in enumerate(net.nodes.values()):
            report("write", done, len(net.nodes))
            file.add_node(node.name, node.op, node.inputs, **node.attributes,
                          **{dataset: tensors[key] for dataset, key in node.parameters.items()})
    report("write", len(net.nodes), len(net.nodes))


def _is_model_file(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("cfp_format") in ("model", b"model")
    except OSError:
        return False


def _bytes(size: int) -> str:
    for unit, least in (("GB", 10 ** 9), ("MB", 10 ** 6), ("kB", 10 ** 3)):
        if size >= least:
            return f"{size / least:.3g} {unit}"
    return f"{size} bytes"


def summary(path: Path, name: str, net: Network, classes: Union[Sequence[str], Dict[str, Sequence[str]]],
            profile: Profile) -> str:
    """What an importer prints when it has written a file."""
    clear()
    def counted(names: Sequence[str]) -> str:
        return f"{len(names)} classes ({names[0]} ... {names[-1]})"

    said = "; ".join(f"{head}: {counted(names)}" for head, names in classes.items()) if isinstance(classes, dict) \
        else counted(classes)
    made = f"{path}: {name}, {len(net.nodes)} nodes, {said}, {_bytes(path.stat().st_size)}"
    return f"{printable(made)}\nshown clips as {profile.name}: {profile.describe()}"
