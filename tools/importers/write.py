"""A described network and its tensors become a model file."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, Sequence

import numpy as np
from model_file import ModelFile

from .network import Network
from .profiles import Profile


def write_model(path: Path, net: Network, output: str, tensors: Dict[str, np.ndarray], profile: Profile,
                classes: Sequence[str], *, name: str, source: str = "", licence: str = "") -> None:
    """tensors: all that the network wants, by the checkpoint's keys. Raises ModelFileError (NaN weights) and OSError."""
    _, _, height, width = net.input
    with ModelFile(path, name=name, classes=classes, output=output, source=source, licence=licence,
                   **profile.input_attributes(height, width)) as file:
        for node in net.nodes.values():
            file.add_node(node.name, node.op, node.inputs, **node.attributes,
                          **{dataset: tensors[key] for dataset, key in node.parameters.items()})
