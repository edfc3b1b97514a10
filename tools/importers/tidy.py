"""Replaces patterns of several nodes by one op of SPEC 2, and removes nodes that nothing reads.

    x * sigmoid(x)                           silu
    relu6(x + 3) / 6                         hardsigmoid
    x * hardsigmoid(x)                       hardswish
    x * tanh(softplus(x))                    mish
    x * (1 + erf(x / sqrt(2))) / 2           gelu, in any order of its factors
    conv3d or linear, then + a vector        its bias
    pad by zeros, then avgpool3d             its padding, counted (as PyTorch exports count_include_pad)
    identity                                 nothing

A node that another node reads, too, stays unchanged.
"""
from __future__ import annotations

from typing import Dict, List, Optional, Tuple

import numpy as np

from .lowering import Lowering
from .network import Node

_GATES = {"sigmoid": "silu", "hardsigmoid": "hardswish"}


def tidy(net: Lowering, *outputs: str) -> List[str]:
    """Returns the outputs' names, which may be other ones now."""
    work = _Tidy(net, list(outputs))
    work.drop_unread()
    for pattern in (work.identity, work.bias, work.hardsigmoid, work.gate, work.mish, work.gelu, work.counted_padding):
        for node in list(net.nodes.values()):
            if node.name in net.nodes:
                pattern(node)
    return work.outputs


class _Tidy:
    def __init__(self, net: Lowering, outputs: List[str]):
        self.net, self.outputs = net, outputs

    def drop_unread(self) -> None:
        read, todo = set(), list(self.outputs)
        while todo:
            name = todo.pop()
            if name not in read and name in self.net.nodes:
                read.add(name)
                todo += self.net.nodes[name].inputs
        for name in [name for name in self.net.nodes if name not in read]:
            self.drop(name)

    def drop(self, name: str) -> None:
        for key in self.net.nodes.pop(name).parameters.values():
            del self.net.wanted[key], self.net.tensors[key]

    def replace(self, old: str, new: str) -> None:
        """Whoever read `old` reads `new`, and `old` goes."""
        for node in self.net.nodes.values():
            node.inputs = [new if name == old else name for name in node.inputs]
        self.outputs = [new if name == old else name for name in self.outputs]
        self.drop(old)

    def only_reader(self, name: str) -> Optional[Node]:
        readers = [node for node in self.net.nodes.values() if name in node.inputs]
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def factors(self, node: Node) -> Tuple[np.ndarray, np.ndarray]:
        """scale and shift of a batch norm that stands for a product or a sum."""
        return self.net.tensors[node.parameters["gamma"]], self.net.tensors[node.parameters["beta"]]

    def identity(self, node: Node) -> None:
        if node.op == "identity" and node.inputs[0] != "input":
            self.replace(node.name, node.inputs[0])

    def bias(self, node: Node) -> None:
        if node.op not in ("conv3d", "linear") or "bias" in node.parameters:
            return
        added = self.only_reader(node.name)
        if added is None or added.name not in self.net.shifted:
            return
        scale, shift = self.factors(added)
        if (scale == 1).all():
            key = node.parameters["bias"] = f"{node.name}.bias"
            self.net.wanted[key], self.net.tensors[key] = shift.shape, shift
            self.replace(added.name, node.name)

    def hardsigmoid(self, node: Node) -> None:
        before = self.net.nodes.get(node.inputs[0])
        after = self.only_reader(node.name)
        if node.op != "relu6" or before is None or after is None or not {before.name, after.name} <= self.net.shifted:
            return
        parts = (*self.factors(before), *self.factors(after))
        if self.only_reader(before.name) is node and all(
                np.allclose(part, value, rtol=1e-6, atol=0) for part, value in zip(parts, (1, 3, 1 / 6, 0))):
            node.op, node.inputs = "hardsigmoid", list(before.inputs)
            self.drop(before.name)
            self.replace(after.name, node.name)

    def gate(self, node: Node) -> None:
        """The product takes the gate's place."""
        if node.op != "mul" or len(node.inputs) != 2:
            return
        for x, gate in (node.inputs, node.inputs[::-1]):
            gated = self.net.nodes.get(gate)
            if gated is not None and gated.op in _GATES and gated.inputs == [x] and self.only_reader(gate) is node:
                node.op, node.inputs = _GATES[gated.op], [x]
                self.drop(gate)
                return


    def mish(self, node: Node) -> None:
        if node.op != "mul" or len(node.inputs) != 2:
            return
        for x, gate in (node.inputs, node.inputs[::-1]):
            tanh = self.net.nodes.get(gate)
            soft = self.net.nodes.get(tanh.inputs[0]) if tanh is not None and tanh.op == "tanh" else None
            if soft is not None and soft.op == "softplus" and soft.inputs == [x] and soft.attributes == {"beta": 1.0, "threshold": 20.0} and \
                    self.only_reader(gate) is node and self.only_reader(soft.name) is tanh:
                node.op, node.inputs = "mish", [x]
                self.drop(gate), self.drop(soft.name)
                return

    def one_number(self, name: str) -> Optional[Tuple[float, float]]:
        """scale and shift of a node that multiplies and adds one number each; None of any other."""
        if name not in self.net.shifted or name not in self.net.nodes:
            return None
        scale, shift = self.factors(self.net.nodes[name])
        return (float(scale[0]), float(shift[0])) if (scale == scale[0]).all() and (shift == shift[0]).all() else None

    def gelu(self, node: Node) -> None:
        """As the exporters spell it: three factors, x, 1/2 and 1 + erf(x / sqrt(2))."""
        if node.op != "erf":
            return
        inner, plus = self.net.nodes.get(node.inputs[0]), self.only_reader(node.name)
        if inner is None or plus is None or not _are(self.one_number(inner.name), 2 ** -0.5, 0) or self.only_reader(inner.name) is not node:
            return
        x, at, product, gone = inner.inputs[0], plus, None, [inner.name, node.name]
        halves = _are(self.one_number(plus.name), 0.5, 0.5)              # times 1/2 at once
        if not halves and not _are(self.one_number(plus.name), 1, 1):
            return
        for _ in range(2):                                             # the other two factors
            after = self.only_reader(at.name)
            if after is not None and not halves and _are(self.one_number(after.name), 0.5, 0):
                halves = True
            elif after is not None and product is None and after.op == "mul" and len(after.inputs) == 2:
                other = after.inputs[1 - after.inputs.index(at.name)]
                half = self.net.nodes.get(other)
                if other != x:
                    if halves or half is None or half.inputs != [x] or not _are(self.one_number(other), 0.5, 0) or \
                            self.only_reader(other) is not after:
                        return
                    halves = True
                    gone.append(other)
                product = after
            else:
                break
            gone.append(at.name)
            at = after
        if not halves or product is None:
            return
        for name in gone:
            self.drop(name)
        for key in at.parameters.values():
            del self.net.wanted[key], self.net.tensors[key]
        self.net.shifted.discard(at.name)
        at.op, at.inputs, at.attributes, at.parameters = "gelu", [x], {}, {}

    def counted_padding(self, node: Node) -> None:
        padded = self.net.nodes.get(node.inputs[0])
        if node.op != "avgpool3d" or padded is None or padded.op != "pad" or self.only_reader(padded.name) is not node:
            return
        pad, pool = padded.attributes, node.attributes
        sides = "pad_begin", "pad_end"
        if "mode" not in pad and pad["value"] == pad["channels_begin"] == pad["channels_end"] == 0 and not pool["ceil_mode"] and not any(
            (*pool["pad_begin"], *pool["pad_end"])) and all(n < k for s in sides
                                                            for n, k in zip(pad[s], pool["kernel"])):
            pool.update({side: pad[side] for side in sides}, count_include_pad=1)
            self.replace(padded.name, padded.inputs[0])


def _are(factors: Optional[Tuple[float, float]], scale: float, shift: float) -> bool:
    return factors is not None and np.allclose(factors, (scale, shift), rtol=1e-5, atol=1e-6)


def renamed(net: Lowering, names: Dict[str, str], *outputs: str) -> List[str]:
    """Gives nodes other names, made unique in the order of the nodes; returns the outputs'."""
    new: Dict[str, str] = {"input": "input"}
    taken = {"input"}
    for name in net.nodes:
        wanted = unique = names.get(name, name)
        repeat = 0
        while unique in taken:
            repeat += 1
            unique = f"{wanted}_{repeat}"
        new[name] = unique
        taken.add(unique)
    nodes = list(net.nodes.values())
    net.nodes.clear()
    for node in nodes:
        node.name, node.inputs = new[node.name], [new[name] for name in node.inputs]
        net.nodes[node.name] = node
    return [new[output] for output in outputs]
