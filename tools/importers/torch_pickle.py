"""Reads a pickle of torch.save without Python's unpickler, which builds whatever the bytes ask for, however deep or large.

It knows the opcodes that torch.save writes (PyTorch 1.13 and 2.x, Python 2's strings, protocols 2 to 5). Each does no more
than is needed to find the tensors. Only text and numbers are hashed as keys, no attribute is set, and only functions of a
table are called: what a file names besides stands for nothing.
"""
from __future__ import annotations

import collections
import pickletools
from typing import Any, BinaryIO, Callable, Dict, List, Mapping, Tuple

_MOST_OPCODES = 10_000_000             # 40 a tensor
_MOST_NAMES = 1000
_KEYS = (str, int, float, bool, type(None))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING",
           "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"}
_LONG_BYTES, _MOST_BYTES = {"BINBYTES8", "BYTEARRAY8"}, 1 << 28  # NumPy's arrays in protocol 5
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_OTHERS = {"PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "NEWOBJ_EX",
           "BUILD", "BINPERSID", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_SET", "TUPLE", "FROZENSET", "APPEND",
           "APPENDS", "ADDITEMS", "SETITEM", "SETITEMS", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_OPCODES = {code: opcode for code, opcode in pickletools.code2op.items()
            if opcode.name in _VALUES | _OTHERS | _LONG_BYTES | _CONSTANTS.keys() | _TUPLES.keys()}


class Damaged(ValueError):
    """The file is not what its format says."""


class Unknown(Dict[Any, Any]):
    """Stands for an object of a class that is not known here: it is never made, nor is its code run. Items that a pickle puts
    into it are kept, for many a trainer's dictionary has a class of its own; its attributes are not."""


def unknown(*_: Any) -> Unknown:
    return Unknown()


def _passed_over(file: BinaryIO) -> bytes:
    count = int.from_bytes(file.read(8), "little")
    if count > _MOST_BYTES or len(file.read(count)) != count:
        raise Damaged("bytes that are cut off, or too many")
    return b""


def _put(target: Any, pairs: List[Any]) -> None:
    """pairs: key, value, key, value. What is under a key of another type is left out: no tensor is found by it, and the
    hash of a tuple of tuples can take for ever."""
    if not isinstance(target, dict):
        raise Damaged("an item of what has none")
    if len(pairs) % 2:
        raise Damaged("a key without a value")
    target.update((key, value) for key, value in zip(pairs[::2], pairs[1::2]) if type(key) in _KEYS)


def _append(target: Any, values: List[Any]) -> None:
    if isinstance(target, list):
        target += values
    elif not isinstance(target, Unknown):
        raise Damaged("an item of what has none")


def _ordered_dict(items: Any = ()) -> Dict[Any, Any]:
    """items: as Python 2 saves it, a list of [key, value]."""
    made: Dict[Any, Any] = collections.OrderedDict()
    for key, value in items:
        _put(made, [key, value])
    return made


class TorchPickle:
    """functions: (module, name) -> what stands for it, beside the ones known here; storage(identity): what stands for a
    persistent id. names: what the pickle named and is not known, in that order."""

    def __init__(self, functions: Mapping[Tuple[str, str], Any], storage: Callable[[Any], Any]):
        self._functions = {("collections", "OrderedDict"): _ordered_dict, **functions}
        self._storage = storage
        self.names: Dict[str, None] = {}

    def load(self, file: BinaryIO) -> Any:
        """The next object. Raises Damaged, and what else a damaged pickle leads to (IndexError, ...)."""
        stack: List[Any] = []
        outer: List[List[Any]] = []    # the stacks below each mark
        memo: Dict[int, Any] = {}
        for _ in range(_MOST_OPCODES):
            opcode = _OPCODES.get(file.read(1).decode("latin1"))
            if opcode is None:
                raise Damaged("an opcode that torch.save does not write, or none")
            name = opcode.name
            arg = opcode.arg.reader(file) if opcode.arg and name not in _LONG_BYTES else None
            if name in _LONG_BYTES:    # passed over: no weights
                stack.append(_passed_over(file))
            elif name in _VALUES:
                stack.append(arg)
            elif name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            elif name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[arg])
            elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
                memo[len(memo) if arg is None else arg] = stack[-1]
            elif name == "MARK":
                outer.append(stack)
                stack = []
            elif name in ("TUPLE", "FROZENSET", "APPENDS", "ADDITEMS", "SETITEMS"):
                marked, stack = stack, outer.pop()
                if name == "TUPLE":
                    stack.append(tuple(marked))
                elif name == "FROZENSET":
                    stack.append(unknown())
                else:
                    (_put if name == "SETITEMS" else _append)(stack[-1], marked)
            elif name in _TUPLES:
                stack[-_TUPLES[name]:] = [tuple(stack[-_TUPLES[name]:])]
            elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_SET"):
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": unknown}[name]())
            elif name == "SETITEM":
                value, key = stack.pop(), stack.pop()
                _put(stack[-1], [key, value])
            elif name == "APPEND":
                value = stack.pop()
                _append(stack[-1], [value])
            elif name == "GLOBAL":
                stack.append(self._find(*arg.split(" ", 1)))
            elif name == "STACK_GLOBAL":
                function, module = stack.pop(), stack.pop()
                stack.append(self._find(module, function))
            elif name in ("REDUCE", "NEWOBJ", "NEWOBJ_EX"):
                if name == "NEWOBJ_EX":
                    stack.pop()        # arguments by name, which no known function has
                values, function = stack.pop(), stack.pop()
                stack.append(self._called(function, values))
            elif name == "BUILD":      # attributes: of the object below, which has none that matter, or is an array of NumPy's
                state = stack.pop()
                if hasattr(stack[-1], "take_state"):
                    stack[-1].take_state(state)
            elif name == "POP":        # of an object that holds itself
                stack.pop() if stack else outer.pop()
            elif name == "POP_MARK":
                stack = outer.pop()
            elif name == "BINPERSID":
                stack.append(self._storage(stack.pop()))
            elif name == "STOP":
                return stack.pop()
        raise Damaged("endless")

    def _find(self, module: Any, name: Any) -> Any:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise Damaged("a name that is no text")
        if (module, name) not in self._functions:
            if len(self.names) < _MOST_NAMES:
                self.names[f"{module}.{name}"] = None
            return unknown
        return self._functions[module, name]

    @staticmethod
    def _called(function: Any, values: Any) -> Any:
        if isinstance(function, Unknown):  # what an unknown function gives may be called, too
            return unknown()
        if not callable(function):
            raise Damaged("a call of what is no function")
        return function(*values)
