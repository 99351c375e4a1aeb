"""Operations that show the same numbers in another shape or order; they cost nothing."""

from typing import Any

import torch
from torch.fx import Node

from lossgauge.frameworks.torch.stacking.native.code import Code
from lossgauge.frameworks.torch.stacking.native.expressions import Constant, Expression, View, row_major
from lossgauge.frameworks.torch.stacking.native.nodes import kind_of, shape_of

aten = torch.ops.aten
SAME = (aten.alias.default, aten.clone.default, aten.detach.default, aten.lift_fresh_copy.default)
RESHAPED = (aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.unsqueeze.default,
            aten.squeeze.dims, aten.squeeze.dim, aten.squeeze.default)  # fmt: skip
VIEWS = frozenset((*SAME, *RESHAPED, aten.permute.default, aten.expand.default, aten.select.int, aten.slice.Tensor))
"""The operations `view_of` knows."""


def view_of(code: Code, node: Node) -> Expression:
    """The numbers of a node's first argument, seen as the node wants them.

    Args:
        code: The C so far.
        node: A node whose target is in `VIEWS`.

    Returns:
        An expression, without code where that is possible.
    """
    source = node.args[0]
    assert isinstance(source, Node)
    if isinstance(code.value(source), Constant):
        return code.value(source)
    view, shape = code.view(source), shape_of(node)
    if node.target in SAME:
        return view
    if node.target in RESHAPED:
        strides = reshaped(view.shape, view.strides, shape)
        if strides is None:
            packed = code.memory.take(view.shape, view.kind)
            code.compute(packed, view)
            view, strides = packed, row_major(shape)
        return View(view.base, shape, strides, view.kind)
    return _stepped(view, node, shape)


def _stepped(view: View, node: Node, shape: tuple[int, ...]) -> View:
    arguments: Any = node.args
    if node.target is aten.permute.default:
        return View(view.base, shape, tuple(view.strides[d] for d in arguments[1]), view.kind)
    if node.target is aten.expand.default:
        missing = len(shape) - len(view.shape)
        kept = (0 if n == 1 else s for n, s in zip(view.shape, view.strides, strict=True))
        return View(view.base, shape, (*[0] * missing, *kept), view.kind)
    dimension = (arguments[1] if len(arguments) > 1 else 0) % len(view.shape)
    strides = list(view.strides)
    start = arguments[2] if len(arguments) > 2 and arguments[2] is not None else 0
    start += view.shape[dimension] if start < 0 else 0
    base = f"({view.base} + {min(start, view.shape[dimension]) * strides[dimension]})"
    if node.target is aten.select.int:
        del strides[dimension]
    else:
        strides[dimension] *= arguments[4] if len(arguments) > 4 else 1
    return View(base, shape, tuple(strides), kind_of(node))


def reshaped(shape: tuple[int, ...], strides: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides with which the same memory has another shape.

    Args:
        shape: Its shape.
        strides: Its strides.
        wanted: The other shape.

    Returns:
        Strides, or None where the numbers would have to move.
    """
    dims = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    merged: list[tuple[int, int]] = []
    for length, stride in dims:
        if merged and merged[-1][1] == stride * length:
            merged[-1] = (merged[-1][0] * length, stride)
        else:
            merged.append((length, stride))
    found: list[int] = []
    runs = [list(run) for run in merged]
    for length in reversed(wanted):
        if length == 1:
            found.append(0)
            continue
        while runs and runs[-1][0] == 1:
            runs.pop()
        if not runs or runs[-1][0] % length:
            return None
        found.append(runs[-1][1])
        runs[-1][0] //= length
        runs[-1][1] *= length
    return tuple(reversed(found))
