"""Read what torch.save wrote, as NumPy arrays, without PyTorch and without running anything that the file names.

PyTorch's own safe reader will not do: torch.load(weights_only=True) of 1.13 refuses every file with a floating-point number
beside its tensors (a learning rate is enough), and the same version ignores the unpickler that it is given. So the two formats
are read here: the zip of PyTorch 1.6 and later (data.pkl; the storages as data/KEY) and the row of pickles before it (magic
number, protocol, system, object, storage keys; then each storage: int64 count, elements).

A pickle names classes and functions; those in the tables below are known, and any other is refused.
"""
from __future__ import annotations

import collections
import io
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Sequence, Tuple

import numpy as np

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LONGEST_PICKLE = 1 << 28
_DTYPES = {"FloatStorage": "f4", "HalfStorage": "f2", "DoubleStorage": "f8", "LongStorage": "i8", "IntStorage": "i4",
           "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
           "BFloat16Storage": "u2"}    # the upper half of a float32


class RefusedName(ValueError):
    """The pickle names a class or function that is not known here; str() is its name."""


class Damaged(ValueError):
    """The file is not what its format says."""


@dataclass
class Storage:
    kind: str                          # a key of _DTYPES
    count: int
    read: Callable[[], bytes]          # its elements, count times the size of one

    def array(self, little: bool) -> np.ndarray:
        dtype = np.dtype(_DTYPES[self.kind]).newbyteorder("<" if little else ">")
        data = self.read()
        if len(data) != self.count * dtype.itemsize:
            raise Damaged("a storage is cut off")
        array = np.frombuffer(data, dtype)
        return (array.astype("u4") << 16).view("f4") if self.kind == "BFloat16Storage" else array


@dataclass
class Tensor:
    """A tensor that is read when it is asked for: what an optimizer keeps need not be."""
    storage: Storage
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]           # in elements
    little: bool = True

    def array(self) -> np.ndarray:
        """A copy in memory order. Raises Damaged."""
        if (len(self.shape) != len(self.strides) or min((self.offset, *self.shape, *self.strides)) < 0
                or any(not isinstance(n, int) for n in (self.offset, *self.shape, *self.strides))):
            raise Damaged("a tensor's shape makes no sense")
        if 0 in self.shape:
            return np.zeros(self.shape, np.dtype(_DTYPES[self.storage.kind]))
        if self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides)) >= self.storage.count:
            raise Damaged("a tensor reaches beyond its storage")
        flat = self.storage.array(self.little)[self.offset:]
        view = np.lib.stride_tricks.as_strided(flat, self.shape, [s * flat.itemsize for s in self.strides], writeable=False)
        return np.array(view, flat.dtype.newbyteorder("="))


class _Inert:
    """Stands for settings that training scripts save beside the weights. Takes whatever a pickle does to it."""

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass


_INERT = {("argparse", "Namespace"), ("_codecs", "encode"), ("yacs.config", "CfgNode"), ("fvcore.common.config", "CfgNode"), ("torch", "Size"),
          ("torch", "device"), ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
          ("torch", "float32"), ("torch", "float16"), ("torch", "bfloat16"), ("torch", "float64")}


def _rebuild_tensor(storage: Any, offset: int, shape: Sequence[int], strides: Sequence[int], *_: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise Damaged("a tensor without a storage")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


_KNOWN = {("collections", "OrderedDict"): collections.OrderedDict,
          ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
          ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
          ("torch._utils", "_rebuild_parameter"): _rebuild_parameter}


class _Unpickler(pickle.Unpickler):
    """storage(kind, key, count) is called for every mention of a storage."""

    def __init__(self, file: BinaryIO, storage: Callable[[str, str, int], Storage]):
        super().__init__(file, encoding="latin1")
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if (module, name) in _INERT:
            return _Inert
        if module in ("torch", "torch.cuda") and name in _DTYPES:
            return name                # a storage's class is only ever named in its persistent id
        raise RefusedName(f"{module}.{name}")

    def persistent_load(self, identity: Any) -> Storage:
        if not (isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage" and identity[1] in _DTYPES
                and isinstance(identity[4], int) and identity[4] >= 0):
            raise Damaged("a storage of an unknown kind")
        if len(identity) > 5 and identity[5] is not None:
            raise Damaged("a storage that is a part of another (PyTorch 0.3 and before)")
        return self._storage(identity[1], str(identity[2]), identity[4])


def is_torchscript(path: Path) -> bool:
    """Whether the file is a program of torch.jit.save."""
    return zipfile.is_zipfile(path) and any(name.endswith("/constants.pkl") for name in zipfile.ZipFile(path).namelist())


def read_torch_file(path: Path) -> Any:
    """The object that torch.save was given, its tensors as Tensor. Raises RefusedName, OSError, or, for a damaged file, anything
    that zipfile and pickle raise."""
    return _read_zip(path) if zipfile.is_zipfile(path) else _read_row_of_pickles(path)


def _read_zip(path: Path) -> Any:
    archive = zipfile.ZipFile(path)
    pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1 or archive.getinfo(pickles[0]).file_size > _LONGEST_PICKLE:
        raise Damaged("a zip, but none of PyTorch's")
    folder = pickles[0].split("/")[0]
    order = f"{folder}/byteorder"
    little = order not in archive.namelist() or archive.read(order) != b"big"

    def storage(kind: str, key: str, count: int) -> Storage:
        entry = archive.getinfo(f"{folder}/data/{key}")
        if entry.file_size != count * np.dtype(_DTYPES[kind]).itemsize:
            raise Damaged("a storage of another length")
        return Storage(kind, count, lambda: archive.read(entry))
    return _mark(_Unpickler(io.BytesIO(archive.read(pickles[0])), storage).load(), little)


def _read_row_of_pickles(path: Path) -> Any:
    storages: Dict[str, Storage] = {}

    def storage(kind: str, key: str, count: int) -> Storage:
        return storages.setdefault(key, Storage(kind, count, lambda: b""))
    with open(path, "rb") as file:
        def load() -> Any:
            return _Unpickler(file, storage).load()
        if load() != _MAGIC or load() != _PROTOCOL:
            raise Damaged("no magic number")
        system, made = load(), load()
        little = not (isinstance(system, dict) and system.get("little_endian") is False)
        for key in load():
            count = int.from_bytes(file.read(8), "little" if little else "big")
            if storages[key].count != count:
                raise Damaged("a storage of another length")
            size = count * np.dtype(_DTYPES[storages[key].kind]).itemsize
            storages[key].read = _part(path, file.tell(), size)
            file.seek(size, io.SEEK_CUR)
    return _mark(made, little)


def _part(path: Path, start: int, size: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)
    return read


def _mark(value: Any, little: bool) -> Any:
    """Tells every tensor the file's byte order."""
    seen, waiting = set(), [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Tensor):
            one.little = little
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, (list, tuple)):
            waiting += one
    return value
