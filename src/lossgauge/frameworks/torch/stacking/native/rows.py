"""Operations on the rows of a tensor: softmax and layer normalisation."""

from typing import Any

import torch
from torch.fx import Node

from lossgauge.frameworks.torch.stacking.native.code import Code
from lossgauge.frameworks.torch.stacking.native.expressions import Constant, Expression, View, literal, row_major
from lossgauge.frameworks.torch.stacking.native.nodes import shape_of

aten = torch.ops.aten


def softmax(code: Code, node: Node) -> Expression:
    """The softmax along one dimension, or its logarithm.

    Args:
        code: The C so far.
        node: `_softmax(input, dim, …)` or `_log_softmax(…)`.

    Returns:
        Where it is.
    """
    source, dimension = node.args[0], node.args[1]
    assert isinstance(source, Node)
    assert isinstance(dimension, int)
    view, d = code.view(source), dimension % len(shape_of(source))
    target = code.memory.take(view.shape, "real", row_major(view.shape))
    others = [k for k in range(len(view.shape)) if k != d]
    heads = "".join(f"for (long i{k} = 0; i{k} < {view.shape[k]}; i{k}++) " for k in others)
    logarithmic = node.target is aten._log_softmax.default
    last = "to[j * t] = from[j * f] - most - log_sum" if logarithmic else "to[j * t] /= sum"
    keep = "" if logarithmic else "to[j * t] = e; "
    code.lines.append(f"""{heads}{{
const real *from = {view.base} + {offset_of(view, others)};
real *to = {target.base} + {offset_of(target, others)};
enum {{ n = {view.shape[d]}, f = {view.strides[d]}, t = {target.strides[d]} }};
real most = from[0], sum = 0;
for (long j = 1; j < n; j++) most = larger(most, from[j * f]);
for (long j = 0; j < n; j++) {{ const real e = exponential(from[j * f] - most); {keep}sum += e; }}
const real log_sum = logarithm(sum);
(void)log_sum;
for (long j = 0; j < n; j++) {last};
}}""")
    return target


def layer_norm(code: Code, node: Node) -> Expression:
    """Each row less its mean, over its spread; mean and spread are kept for the way back.

    Args:
        code: The C so far.
        node: `native_layer_norm(input, shape, weight, bias, eps)`; its results are read by `getitem`.

    Returns:
        A number without meaning.
    """
    arguments: Any = node.args
    source, sizes, weight, bias, epsilon = arguments
    view = code.packed(source)
    length = 1
    for size in sizes:
        length *= size
    shapes = [tuple(value.shape) for value in node.meta["val"]]
    made, means, spreads = (code.memory.take(shape) for shape in shapes)
    scale, shift = (code.packed(x).base if x is not None else None for x in (weight, bias))
    value = "(from[j] - mean) * spread" + (f" * {scale}[j]" if scale else "") + (f" + {shift}[j]" if shift else "")
    code.lines.append(f"""for (long i = 0; i < {view.count // length}; i++) {{
const real *from = {view.base} + i * {length};
real *to = {made.base} + i * {length}, square = 0;
const real mean = sum_all(from, {length}) / (real){length};
for (long j = 0; j < {length}; j++) square += (from[j] - mean) * (from[j] - mean);
const real spread = (real)1 / root(square / (real){length} + {literal(float(epsilon))});
for (long j = 0; j < {length}; j++) to[j] = {value};
{means.base}[i] = mean;
{spreads.base}[i] = spread;
}}""")
    code.results[node] = dict(enumerate((made, means, spreads)))
    return Constant(0.0)


def offset_of(view: View, dimensions: list[int]) -> str:
    """Where a number lies, as C.

    Args:
        view: The memory.
        dimensions: Those whose loop variables `i0`, `i1`, … count.

    Returns:
        C text.
    """
    return " + ".join(f"i{d} * {view.strides[d]}" for d in dimensions if view.strides[d]) or "0"
