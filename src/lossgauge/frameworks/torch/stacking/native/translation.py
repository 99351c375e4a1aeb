"""From the traced graph of one replica to C: every operation with its shape known, in the order of the graph."""

from typing import Any

import torch
from torch.fx import Graph, Node

from lossgauge.frameworks.torch.stacking.native.code import Code, like
from lossgauge.frameworks.torch.stacking.native.expressions import (
    Apply,
    Constant,
    Expression,
    Lookup,
    View,
    row_major,
)
from lossgauge.frameworks.torch.stacking.native.nodes import Untranslatable, flat, kind_of, read_later, shape_of
from lossgauge.frameworks.torch.stacking.native.rules import RULES
from lossgauge.frameworks.torch.stacking.native.views import VIEWS, view_of

aten = torch.ops.aten


ELEMENTWISE: dict[Any, str] = {
    aten.add.Tensor: "add", aten.sub.Tensor: "sub", aten.mul.Tensor: "mul", aten.div.Tensor: "div",
    aten.add.Scalar: "add", aten.sub.Scalar: "sub", aten.mul.Scalar: "mul", aten.div.Scalar: "div",
    aten.neg.default: "neg", aten.abs.default: "abs", aten.sqrt.default: "sqrt", aten.sign.default: "sign",
    aten.exp.default: "exp", aten.log.default: "log", aten.tanh.default: "tanh", aten.sigmoid.default: "sigmoid",
    aten.maximum.default: "max", aten.minimum.default: "min", aten.where.self: "where",
    aten.lt.Scalar: "lt", aten.gt.Scalar: "gt", aten.le.Scalar: "le", aten.ge.Scalar: "ge", aten.eq.Scalar: "eq",
    aten.ne.Scalar: "ne", aten.lt.Tensor: "lt", aten.gt.Tensor: "gt", aten.le.Tensor: "le", aten.ge.Tensor: "ge",
    aten.eq.Tensor: "eq", aten.ne.Tensor: "ne", aten.logical_and.default: "and", aten.logical_or.default: "or",
    aten.logical_not.default: "not", aten.bitwise_not.default: "not", aten.bitwise_and.Tensor: "and",
    aten.bitwise_or.Tensor: "or",
    aten.erf.default: "erf", aten.expm1.default: "expm1", aten.rsqrt.default: "rsqrt", aten.log1p.default: "log1p",
    aten.reciprocal.default: "recip", aten.round.default: "round",
    aten.pow.Tensor_Scalar: "pow", aten.pow.Tensor_Tensor: "pow",
}  # fmt: skip
IN_PLACE: dict[Any, str] = {
    aten.add_.Tensor: "add", aten.sub_.Tensor: "sub", aten.mul_.Tensor: "mul", aten.div_.Tensor: "div",
}  # fmt: skip
INLINE = frozenset(("add", "sub", "mul", "neg", "div", "max", "min", "where", "square", "real",
                    "lt", "gt", "le", "ge", "eq", "ne"))  # fmt: skip
"""Operations worth computing where they are used instead of keeping their results."""


class Translation(Code):
    """The C of one graph.

    Args:
        graph: Traced for one replica, without dead code.
        inputs: Where each placeholder is.
        outputs: Where each result goes.
        lanes: Numbers in a vector.
        size: Bytes of a number of the kind `real`.
    """

    def __init__(self, graph: Graph, inputs: list[View], outputs: list[View], lanes: int, size: int) -> None:
        super().__init__(lanes, size)
        self._nodes = list(graph.nodes)
        self._uses = {user: n for n, node in enumerate(self._nodes) for user in node.all_input_nodes}
        self.homes = self._find_homes(outputs)
        placeholders = iter(inputs)
        for place, node in enumerate(self._nodes):
            if node.op == "placeholder":
                self.values[node] = next(placeholders)
            elif node.op == "call_function":
                self.values[node] = self._translate(node)
            elif node.op == "output":
                self._finish(node, outputs)
            else:
                raise Untranslatable(f"{node.op} {node.target}")
            self._free(place)

    def _translate(self, node: Node) -> Expression:
        target = node.target
        if target in VIEWS:
            return view_of(self, node)
        if target in ELEMENTWISE:
            return self._elementwise(node, ELEMENTWISE[target])
        if target in IN_PLACE:
            if read_later(node.all_input_nodes[0], node):
                raise Untranslatable("a tensor that is overwritten and read again")
            return self._elementwise(node, IN_PLACE[target])
        rule = RULES.get(target)
        if rule is None:
            raise Untranslatable(f"there is no C for {target}")
        return rule(self, node)

    def _elementwise(self, node: Node, name: str) -> Expression:
        if node.kwargs:
            raise Untranslatable(f"{node.target} with {dict(node.kwargs)}")
        arguments = list(node.args)
        if name == "pow":
            name, arguments = {2: ("square", arguments[:1]), 0.5: ("sqrt", arguments[:1])}.get(
                arguments[1] if not isinstance(arguments[1], Node) else None, (name, arguments)
            )
        shape = shape_of(node)
        operands = tuple(_broadcast(self.value(x), shape_of(x), shape) for x in arguments)
        value = Apply(name, operands)
        single = len(node.users) == 1 and all(
            user.target in ELEMENTWISE and shape_of(user) == shape for user in node.users
        )
        if name in INLINE and single and _depth(value) < 8:
            return value
        return self._kept(node, value)

    def _kept(self, node: Node, value: Expression) -> View:
        target = self.homes.get(node) or self.memory.take(shape_of(node), kind_of(node), like(value, shape_of(node)))
        self.compute(target, value)
        return target

    def _finish(self, node: Node, outputs: list[View]) -> None:
        for result, target in zip(flat(node.args[0]), outputs, strict=True):
            value = self.values[result]
            if not (isinstance(value, View) and value.base == target.base and value.strides == target.strides):
                self.compute(target, value)

    def _find_homes(self, outputs: list[View]) -> dict[Node, View]:
        """Results that can be computed where they are to end up, seen through pairs of transpositions."""
        homes: dict[Node, View] = {}
        for result, target in zip(flat(self._nodes[-1].args[0]), outputs, strict=True):
            node, view = result, target
            while node.target in (aten.permute.default, aten.view.default, aten.alias.default, aten.t.default):
                source = node.args[0]
                assert isinstance(source, Node)
                if node.target is aten.permute.default:
                    axes: Any = node.args[1]
                    order = [int(d) for d in axes]
                    strides = [0] * len(order)
                    for place, d in enumerate(order):
                        strides[d] = view.strides[place]
                    view = View(view.base, shape_of(source), tuple(strides))
                elif not view.packed:
                    break
                else:
                    view = View(view.base, shape_of(source), row_major(shape_of(source)))
                node = source
            if view.shape == shape_of(node) and node.op == "call_function" and view.packed and node not in homes:
                homes[node] = View(view.base, view.shape, row_major(view.shape))
        return homes

    def _free(self, place: int) -> None:
        """Give back the memory of what no later operation reads."""
        self.values = {node: value for node, value in self.values.items() if self._uses.get(node, -1) > place}
        several = [view for node, views in self.results.items() if self._uses.get(node, -1) > place
                   for view in views.values()]  # fmt: skip
        kept = [*several, *(view for value in self.values.values() for view in _memory_of(value))]
        self.memory.keep({view.base for view in kept})


def _broadcast(value: Expression, shape: tuple[int, ...], wanted: tuple[int, ...]) -> Expression:
    if shape == wanted or isinstance(value, Constant):
        return value
    if not isinstance(value, View):
        raise Untranslatable("an expression that is spread out")
    missing = len(wanted) - len(shape)
    strides = [0] * missing + [0 if n == 1 else s for n, s in zip(value.shape, value.strides, strict=True)]
    return View(value.base, wanted, tuple(strides), value.kind)


def _depth(value: Expression) -> int:
    if isinstance(value, Apply):
        return 1 + max(_depth(operand) for operand in value.operands)
    return 0


def _memory_of(value: Expression) -> list[View]:
    if isinstance(value, View):
        return [value]
    if isinstance(value, Apply):
        return [view for operand in value.operands for view in _memory_of(operand)]
    return [value.view, *_memory_of(value.place)] if isinstance(value, Lookup) else []
