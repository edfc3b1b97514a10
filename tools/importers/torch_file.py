"""Reads the files of torch.save as NumPy arrays, without PyTorch and without running anything that a file names.

PyTorch's own safe reader is not enough: torch.load(weights_only=True) of 1.13 refuses every file that has a floating-point
number besides its tensors (a learning rate, say), and that version ignores the unpickler that it is given. So both formats
are read here: the zip of PyTorch 1.6 and later (data.pkl; the storages as data/KEY) and the older sequence of pickles (magic
number, protocol, system, object, storage keys; then each storage: int64 count, elements).

A pickle names classes and functions. Known ones (here and in torch_pickle.py) are read. Any other stands for nothing: it is
neither imported nor run.
"""
from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Tuple

import numpy as np

from . import caffe2_file
from .torch_pickle import Damaged, TorchPickle, unknown

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LONGEST_PICKLE = 1 << 28
_MOST_DIMENSIONS = 8
_DTYPES = {"FloatStorage": "f4", "HalfStorage": "f2", "DoubleStorage": "f8", "LongStorage": "i8", "IntStorage": "i4",
           "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
           "BFloat16Storage": "u2"}    # the upper half of a float32
# storages that no weights are read from: the bytes of an element
_OTHERS = {"ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QUInt8Storage": 1, "QUInt4x2Storage": 1,
           "QUInt2x4Storage": 1, "QInt32Storage": 4, "UntypedStorage": 1, "_UntypedStorage": 1}
_SIZES = {**{kind: np.dtype(code).itemsize for kind, code in _DTYPES.items()}, **_OTHERS}


@dataclass
class Storage:
    kind: str                          # a key of _SIZES
    count: int
    read: Callable[[], bytes]          # its elements, count times the size of one
    little: bool                       # byte order

    @cached_property
    def array(self) -> np.ndarray:
        """Kept: many tensors may share it. Raises Damaged."""
        dtype = np.dtype(_DTYPES[self.kind]).newbyteorder("<" if self.little else ">")
        data = self.read()
        if len(data) != self.count * dtype.itemsize:
            raise Damaged("a storage is cut off")
        array = np.frombuffer(data, dtype)
        return (array.astype("u4") << 16).view("f4") if self.kind == "BFloat16Storage" else array


@dataclass(frozen=True)
class Tensor:
    """A tensor that is read when it is asked for: what an optimizer keeps need not be."""
    storage: Storage
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]           # in elements

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def is_sensible(self) -> bool:
        return len(self.shape) == len(self.strides) <= _MOST_DIMENSIONS and all(
            isinstance(n, int) and 0 <= n < 1 << 63 for n in (self.offset, *self.shape, *self.strides))

    def array(self) -> np.ndarray:
        """A copy in memory order. Raises Damaged."""
        if not self.is_sensible():
            raise Damaged("its shape makes no sense")
        if 0 in self.shape:
            return np.zeros(self.shape, np.dtype(_DTYPES[self.storage.kind]))
        if self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides)) >= self.storage.count:
            raise Damaged("it reaches beyond its storage")
        if math.prod(self.shape) > self.storage.count:
            raise Damaged("it repeats its storage (an expanded tensor)")
        flat = self.storage.array[self.offset:]
        view = np.lib.stride_tricks.as_strided(flat, self.shape, [s * flat.itemsize if n > 1 else 0 for n, s in
                                                                  zip(self.shape, self.strides)], writeable=False)
        return np.array(view, flat.dtype.newbyteorder("="))


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any = False, _hooks: Any = None,
                    metadata: Any = None) -> Tensor:
    if not isinstance(storage, Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise Damaged("a tensor without a storage or a shape")
    if metadata:
        raise Damaged("a tensor that is negated or conjugated when it is read")
    return Tensor(storage, offset, shape, strides) if storage.kind in _DTYPES else unknown()


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _rebuild_subclass(function: Any, _kind: Any, arguments: Any, _state: Any = None) -> Any:
    """A tensor that has attributes, or a class of its own."""
    known = any(function is one for one in (_rebuild_tensor, _rebuild_parameter))
    return function(*arguments) if known and type(arguments) is tuple else unknown()


_FUNCTIONS = {("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
              ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
              ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
              ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
              ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_subclass,
              # a storage's class is only ever named in its persistent id
              **{(module, kind): kind for module in ("torch", "torch.cuda", "torch.storage") for kind in _SIZES}}


def _pickle(storage: Callable[[str, str, int], Storage], more: Dict[Tuple[str, str], Any] = {}) -> TorchPickle:
    """storage(kind, key, count) is called for every storage, once."""
    found: Dict[str, Storage] = {}

    def known(identity: Any) -> Storage:
        if type(identity) is not tuple or len(identity) < 5:
            raise Damaged("a storage of an unknown kind")
        mark, kind, key, _, count = identity[:5]
        if (not all(isinstance(part, str) for part in (mark, kind, key)) or mark != "storage" or kind not in _SIZES
                or not isinstance(count, int) or count < 0):
            raise Damaged("a storage of an unknown kind")
        if len(identity) > 5 and identity[5] is not None:
            raise Damaged("a storage that is a part of another (PyTorch 0.3 and before)")
        if key not in found:
            found[key] = storage(kind, key, count)
        if (found[key].kind, found[key].count) != (kind, count):
            raise Damaged("a storage of two kinds")
        return found[key]
    return TorchPickle({**_FUNCTIONS, **more}, known)


def is_torchscript(path: Path) -> bool:
    """Whether the file is a program of torch.jit.save."""
    return zipfile.is_zipfile(path) and any(name.endswith("/constants.pkl") for name in zipfile.ZipFile(path).namelist())


@dataclass(frozen=True)
class Saved:
    value: Any                         # what torch.save was given, its tensors as Tensor
    names: Tuple[str, ...]             # of the classes and functions that stand for nothing


def read_torch_file(path: Path) -> Saved:
    """Raises OSError or, for a damaged file, anything that zipfile and a pickle raise."""
    return _read_zip(path) if zipfile.is_zipfile(path) else _read_row_of_pickles(path)


def _read_zip(path: Path) -> Saved:
    archive = zipfile.ZipFile(path)
    pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1 or archive.getinfo(pickles[0]).file_size > _LONGEST_PICKLE:
        raise Damaged("a zip, but none of PyTorch's")
    folder = pickles[0].split("/")[0]

    def entry(name: str) -> zipfile.ZipInfo:
        info = archive.getinfo(f"{folder}/{name}")
        if info.compress_type != zipfile.ZIP_STORED:
            raise Damaged("compressed: PyTorch's are not, and a few bytes could be many")
        return info
    little = f"{folder}/byteorder" not in archive.namelist() or archive.read(entry("byteorder")) != b"big"

    def storage(kind: str, key: str, count: int) -> Storage:
        data = entry(f"data/{key}")
        if data.file_size != count * _SIZES[kind]:
            raise Damaged("a storage of another length")
        return Storage(kind, count, lambda: archive.read(data), little)
    pickle = _pickle(storage)
    made = pickle.load(io.BytesIO(archive.read(entry("data.pkl"))))
    return Saved(made, tuple(pickle.names))


class _Array:
    """An array of NumPy's in a pickle: what it is, without NumPy's own reader."""
    tensor: Any = None

    def take_state(self, state: Any) -> None:
        if type(state) is not tuple or len(state) != 5:
            raise Damaged("an array without a shape")
        _, shape, kind, fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data
        if type(shape) is not tuple or not isinstance(kind, _Kind) or not isinstance(data, bytes):
            raise Damaged("an array without a shape")
        if kind.storage is None:
            return
        count = len(data) // _SIZES[kind.storage]
        steps = [math.prod(shape[:i] if fortran else shape[i + 1:]) for i in range(len(shape))]
        self.tensor = Tensor(Storage(kind.storage, count, lambda: data, kind.little), 0, shape, tuple(steps))
        if not self.tensor.is_sensible() or math.prod(shape) != count or len(data) != count * _SIZES[kind.storage]:
            raise Damaged("an array that its bytes do not fill")


class _Kind:
    """A dtype of NumPy's."""
    def __init__(self, name: Any, *_: Any):
        self.storage = next((kind for kind, code in _DTYPES.items() if code == name and kind != "BFloat16Storage"), None)
        self.little = True

    def take_state(self, state: Any) -> None:
        self.little = not (type(state) is tuple and len(state) > 1 and state[1] == ">")


def _encoded(text: Any, *_: Any) -> bytes:
    """_codecs.encode: bytes as Python 3 writes them for Python 2."""
    if not isinstance(text, str):
        raise Damaged("bytes that are no text")
    return text.encode("latin1")


_NUMPY = {**{(f"numpy.{core}.multiarray", "_reconstruct"): lambda *_: _Array() for core in ("core", "_core")},
          ("numpy", "dtype"): _Kind, ("_codecs", "encode"): _encoded}


def _of_blobs(value: Any, row: TorchPickle) -> Saved:
    tensors, others = caffe2_file.state_of(value)
    state = {key: array.tensor for key, array in tensors.items() if isinstance(array, _Array) and array.tensor is not None}
    return Saved({"model_state": state}, tuple(row.names))


def _read_row_of_pickles(path: Path) -> Saved:
    storages: Dict[str, Storage] = {}
    little = True

    def storage(kind: str, key: str, count: int) -> Storage:
        storages[key] = Storage(kind, count, lambda: b"", little)
        return storages[key]
    row = _pickle(storage, _NUMPY)
    with open(path, "rb") as file:
        first = row.load(file)
        if caffe2_file.state_of(first):
            return _of_blobs(first, row)
        if first != _MAGIC or row.load(file) != _PROTOCOL:
            raise Damaged("no magic number")
        system = row.load(file)
        little = not (isinstance(system, dict) and system.get("little_endian") is False)
        made, keys = row.load(file), row.load(file)
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise Damaged("no storage keys")
        for key in keys:
            count = int.from_bytes(file.read(8), "little" if little else "big")
            if storages[key].count != count:
                raise Damaged("a storage of another length")
            size = count * _SIZES[storages[key].kind]
            storages[key].read = _part(path, file.tell(), size)
            file.seek(size, io.SEEK_CUR)
    return Saved(made, tuple(row.names))


def _part(path: Path, start: int, size: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)
    return read
