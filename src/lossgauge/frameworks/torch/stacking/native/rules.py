"""Operations that are more than elementwise: products of matrices, sums, softmax, looking up and placing."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from lossgauge.frameworks.torch.stacking.native import images, matrices, rows
from lossgauge.frameworks.torch.stacking.native.code import Code
from lossgauge.frameworks.torch.stacking.native.expressions import (
    Apply,
    Constant,
    Expression,
    Lookup,
    Position,
    View,
)
from lossgauge.frameworks.torch.stacking.native.nodes import Untranslatable, kind_of, read_later, shape_of
from lossgauge.frameworks.torch.stacking.native.rows import offset_of

aten = torch.ops.aten
Rule = Callable[[Code, Node], Expression]


def multiply(code: Code, target: View, left: View, right: View, bias: View | None = None) -> None:
    """Write the code of target = left·right + bias.

    Args:
        code: The C so far.
        target: (rows, columns).
        left: (rows, depth).
        right: (depth, columns).
        bias: (columns,), the same for all rows.
    """
    lanes, (depth, columns) = code.lanes, right.shape
    few = columns <= 2 and depth % lanes == 0 and left.strides[1] == 1 and right.strides[0] == 1
    if few:
        code.lines.append(matrices.dots(target, left, right, bias, lanes))
        return
    width = matrices.padded(columns, lanes)
    if right.strides[1] != 1 or width != columns:
        packed = code.memory.take((depth, columns), "real", (width, 1))
        code.lines.append(matrices.packing(packed, right, lanes))
        right = packed
    if bias is not None and (width != columns or bias.strides[0] != 1):
        wide = code.memory.take((1, columns), "real", (width, 1))
        code.lines.append(matrices.packing(wide, View(bias.base, (1, columns), (0, bias.strides[0])), lanes))
        bias = View(wide.base, (columns,), (1,))
    inside = target
    if width != columns or target.strides[1] != 1:
        inside = code.memory.take(target.shape, "real", (width, 1))
    code.lines.append(matrices.product(inside, left, right, bias, lanes))
    if inside is not target:
        code.compute(target, inside)


def _mm(code: Code, node: Node) -> Expression:
    factors: Any = node.args[:2]
    left, right = (code.view(factor) for factor in factors)
    target = code.home(node)
    multiply(code, target, left, right)
    return target


def _addmm(code: Code, node: Node) -> Expression:
    terms: Any = node.args
    added, one, other = (code.view(term) for term in terms)
    target = code.home(node)
    if node.kwargs:
        raise Untranslatable("addmm with factors")
    if len(added.shape) == 1:
        multiply(code, target, one, other, View(added.base, (other.shape[1],), _spread(added, other)))
    else:
        multiply(code, target, one, other)
        strides = (0 if added.shape[0] == 1 else added.strides[0], 0 if added.shape[1] == 1 else added.strides[1])
        code.compute(target, Apply("add", (target, View(added.base, target.shape, strides))))
    return target


def _spread(bias: View, right: View) -> tuple[int]:
    return (0,) if bias.shape[0] == 1 and right.shape[1] > 1 else (bias.strides[0],)


def _sum(code: Code, node: Node) -> Expression:
    source: Any = node.args[0]
    view, shape = code.view(source), shape_of(source)
    given: Any = node.args[1] if len(node.args) > 1 and node.args[1] is not None else []
    reduced = sorted(d % len(shape) for d in given) if given else list(range(len(shape)))
    kept = [d for d in range(len(shape)) if d not in reduced]
    target = code.home(node)
    kind = kind_of(node)
    steps = _target_strides(target, shape, reduced)
    everything = View(target.base, shape, steps, kind)
    if not kept and view.kind == "real" and view.packed:
        code.lines.append(f"{target.base}[0] = sum_all({view.base}, {view.count});")
    elif len(kept) and view.kind == "real" and _inner(view, reduced):
        code.lines.append(_row_sums(view, everything, reduced[-1]))
    else:
        filled = View(target.base, target.shape, target.strides, kind)
        code.compute(filled, Constant(0.0, kind))
        code.lines.append(_accumulate(view, everything, kept, reduced))
    if node.target in (aten.mean.default, aten.mean.dim):
        count = 1
        for d in reduced:
            count *= shape[d]
        code.compute(target, Apply("div", (target, Constant(float(count)))))
    return target


def _target_strides(target: View, shape: tuple[int, ...], reduced: list[int]) -> tuple[int, ...]:
    if len(target.shape) == len(shape):
        return tuple(0 if d in reduced else target.strides[d] for d in range(len(shape)))
    strides = iter(target.strides)
    return tuple(0 if d in reduced else next(strides) for d in range(len(shape)))


def _inner(view: View, reduced: list[int]) -> bool:
    """Whether rows that lie in one piece are summed."""
    return len(reduced) == 1 and view.strides[reduced[0]] == 1 and view.shape[reduced[0]] > 1


def _row_sums(view: View, target: View, dimension: int) -> str:
    others = [d for d in range(len(view.shape)) if d != dimension]
    heads = "".join(f"for (long i{d} = 0; i{d} < {view.shape[d]}; i{d}++)\n" for d in others)
    source, place = offset_of(view, others), offset_of(target, others)
    return f"{heads}{target.base}[{place}] = sum_all({view.base} + {source}, {view.shape[dimension]});"


def _accumulate(view: View, target: View, kept: list[int], reduced: list[int]) -> str:
    """The dimension that lies in one piece is innermost, so that a vector of sums grows at a time."""
    order = [*reduced, *sorted(kept, key=lambda d: -view.strides[d])]
    heads = "".join(f"for (long i{d} = 0; i{d} < {view.shape[d]}; i{d}++)\n" for d in order)
    every = list(range(len(view.shape)))
    return f"{heads}{target.base}[{offset_of(target, every)}] += {view.base}[{offset_of(view, every)}];"


def _filled(code: Code, node: Node) -> Expression:
    value: Any = 1 if node.target in (aten.ones_like.default, aten.ones.default) else 0
    if node.target in (aten.full_like.default, aten.full.default, aten.scalar_tensor.default):
        value = node.args[0 if node.target is aten.scalar_tensor.default else 1]
    if isinstance(value, Node):
        raise Untranslatable("filled with a tensor")
    return Constant(float(value), kind_of(node))


def _gather(code: Code, node: Node) -> Expression:
    source, dimension, place = node.args[:3]
    assert isinstance(source, Node)
    assert isinstance(place, Node)
    assert isinstance(dimension, int)
    view = code.view(source)
    index = code.view(place)
    target = code.home(node)
    code.compute(target, Lookup(view, dimension % len(view.shape), index))
    return target


def _scatter(code: Code, node: Node) -> Expression:
    """One number is placed per row: everywhere else stays what was there."""
    source, dimension, place = node.args[:3]
    value: Any = node.args[3]
    assert isinstance(source, Node)
    assert isinstance(place, Node)
    assert isinstance(dimension, int)
    shape, index = shape_of(source), code.view(place)
    d = dimension % len(shape)
    if index.shape != tuple(1 if k == d else n for k, n in enumerate(shape)):
        raise Untranslatable("scatter of several numbers per row")
    spread = View(index.base, shape, tuple(0 if k == d else s for k, s in enumerate(index.strides)), index.kind)
    here = Apply("eq", (Position(d), spread))
    target = code.home(node)
    code.compute(target, Apply("where", (here, Constant(float(value)), code.value(source))))
    return target


def _slice_scatter(code: Code, node: Node) -> Expression:
    """Another tensor laid over a part of one dimension."""
    arguments: Any = node.args
    base, laid = arguments[0], code.view(arguments[1])
    shape = shape_of(base)
    d = (arguments[2] if len(arguments) > 2 else 0) % len(shape)
    start, end, step = [*arguments[3:], *[None] * 3][:3]
    if (step or 1) != 1 or (start or 0) < 0 or (end or 0) < 0:
        raise Untranslatable("a slice with a step, or counted from the end")
    start, end = start or 0, min(shape[d] if end is None else end, shape[d])
    shifted = View(f"({laid.base} - {start * laid.strides[d]})", shape, laid.strides)  # read inside the part only
    inside = Apply("and", (Apply("ge", (Position(d), Constant(start, "long"))),
                           Apply("lt", (Position(d), Constant(end, "long")))))  # fmt: skip
    target = code.home(node)
    code.compute(target, Apply("where", (inside, shifted, code.value(base))))
    return target


def _clamp(code: Code, node: Node) -> Expression:
    arguments: Any = [*node.args, None, None][:3]
    low: Any = node.kwargs.get("min", arguments[1])
    high: Any = node.kwargs.get("max", arguments[2])
    value = code.value(arguments[0])
    if low is not None:
        value = Apply("max", (value, Constant(float(low))))
    if high is not None:
        value = Apply("min", (value, Constant(float(high))))
    target = code.home(node)
    code.compute(target, value)
    return target


def _copied(code: Code, node: Node) -> Expression:
    """The trace is without side effects but for this: what is overwritten is read through its new name."""
    arguments: Any = node.args
    if read_later(arguments[0], node):
        raise Untranslatable("a tensor that is overwritten and read again")
    return code.view(arguments[1])


def _one_of(code: Code, node: Node) -> Expression:
    arguments: Any = node.args
    return code.results[arguments[0]][arguments[1]]


def _relu(code: Code, node: Node) -> Expression:
    source: Any = node.args[0]
    target = code.home(node)
    code.compute(target, Apply("max", (code.value(source), Constant(0.0))))
    return target


def _converted(code: Code, node: Node) -> Expression:
    source: Any = node.args[0]
    view = code.view(source)
    if kind_of(node) == view.kind:
        return view
    if kind_of(node) != "real":
        raise Untranslatable(f"{node.target} to whole numbers")
    target = code.memory.take(shape_of(node))
    code.compute(target, Apply("real", (view,)))
    return target


RULES: dict[Any, Rule] = {
    aten.mm.default: _mm, aten.addmm.default: _addmm,
    aten.sum.dim_IntList: _sum, aten.sum.default: _sum, aten.mean.default: _sum, aten.mean.dim: _sum,
    aten.full_like.default: _filled, aten.full.default: _filled, aten.scalar_tensor.default: _filled,
    aten.zeros_like.default: _filled, aten.ones_like.default: _filled, aten.zeros.default: _filled,
    aten.ones.default: _filled, aten.empty_permuted.default: _filled, aten.empty.memory_format: _filled,
    aten.gather.default: _gather, aten.scatter.value: _scatter, aten.relu.default: _relu,
    aten.convolution.default: images.convolution, aten.convolution_backward.default: images.convolution_backward,
    aten.avg_pool2d.default: images.average_pool, aten.avg_pool2d_backward.default: images.average_pool_backward,
    aten.slice_scatter.default: _slice_scatter, aten.clamp.default: _clamp,
    aten.native_layer_norm.default: rows.layer_norm, aten.copy_.default: _copied, operator.getitem: _one_of,
    aten._log_softmax.default: rows.softmax, aten._softmax.default: rows.softmax, aten._to_copy.default: _converted,
}  # fmt: skip
"""Operation → how it is translated."""
