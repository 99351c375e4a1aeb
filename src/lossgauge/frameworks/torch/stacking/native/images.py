"""Convolutions and pooling as C: patches are laid out as columns, so that a convolution is a product of matrices."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from lossgauge.frameworks.torch.stacking.native import matrices
from lossgauge.frameworks.torch.stacking.native.code import Code
from lossgauge.frameworks.torch.stacking.native.expressions import Constant, Expression, View, row_major
from lossgauge.frameworks.torch.stacking.native.nodes import Untranslatable, shape_of

aten = torch.ops.aten


@dataclass(frozen=True)
class Patches:
    """How patches of one image become columns.

    Args:
        channels: Of the image.
        height: Of the image.
        width: Of the image.
        kernel: Height and width of a patch.
        stride: From one patch to the next, down and across.
        padding: Zeros around the image.
    """

    channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """How many patches there are, down and across."""
        return (
            (self.height + 2 * self.padding[0] - self.kernel[0]) // self.stride[0] + 1,
            (self.width + 2 * self.padding[1] - self.kernel[1]) // self.stride[1] + 1,
        )

    @property
    def depth(self) -> int:
        """Numbers in a patch."""
        return self.channels * self.kernel[0] * self.kernel[1]

    def shifts(self, statement: str, columns: str, image: str, row: int) -> str:
        """Loops over all numbers of all patches that lie inside the image.

        Args:
            statement: With `{column}` and `{pixel}`, what is done to each.
            columns: Pointer to the columns, (depth, row).
            image: Pointer to the image.
            row: The length of a row of columns.

        Returns:
            C statements.
        """
        down, across = self.size
        lines = [f"for (long c = 0; c < {self.channels}; c++) {{"]
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, bottom = _inside(i, self.height, down, self.stride[0], self.padding[0])
                left, right = _inside(j, self.width, across, self.stride[1], self.padding[1])
                column = f"{columns}[(c * {self.kernel[0] * self.kernel[1]} + {i * self.kernel[1] + j}) * {row}"
                pixel = f"{image}[c * {self.height * self.width}"
                column += f" + p * {across} + q]"
                pixel += f" + (p * {self.stride[0]} + {i - self.padding[0]}) * {self.width}"
                pixel += f" + q * {self.stride[1]} + {j - self.padding[1]}]"
                lines.append(f"for (long p = {top}; p < {bottom}; p++)")
                lines.append(f'_Pragma("GCC ivdep") for (long q = {left}; q < {right}; q++)')
                lines.append(statement.format(column=column, pixel=pixel) + ";")
        return "\n".join([*lines, "}"])


def convolution(code: Code, node: Node) -> Expression:
    """The output of a convolution, image by image.

    Args:
        code: The C so far.
        node: `convolution(input, weight, bias, …)`.

    Returns:
        Where it is.
    """
    arguments: Any = node.args
    image, weight, bias = arguments[:3]
    patches, batch, made = _read(image, weight, arguments[3:])
    source, weights = code.packed(image), code.packed(weight)
    count = patches.size[0] * patches.size[1]
    row = matrices.padded(count, code.lanes)
    columns = code.memory.take((patches.depth, row))
    inside = code.memory.take((made, row))
    target = code.memory.take(shape_of(node), "real", row_major(shape_of(node)))
    code.lines.append(f"memset({columns.base}, 0, {patches.depth * row} * sizeof(real));")
    image_size = patches.channels * patches.height * patches.width
    code.lines.append(f"for (long s = 0; s < {batch}; s++) {{")
    code.lines.append(patches.shifts("{column} = {pixel}", columns.base, f"({source.base} + s * {image_size})", row))
    left = View(weights.base, (made, patches.depth), (patches.depth, 1))
    offset = code.packed(bias).base if isinstance(bias, Node) else None
    code.lines.append(matrices.product(inside, left, columns, None, code.lanes, offset))
    code.lines.append(_copy(f"({target.base} + s * {made * count})", count, inside.base, row, made, count))
    code.lines.append("}")
    return target


def convolution_backward(code: Code, node: Node) -> Expression:
    """The gradients of a convolution, image by image; they are read by `getitem`.

    Args:
        code: The C so far.
        node: `convolution_backward(gradient, input, weight, …)`.

    Returns:
        A number without meaning.

    Raises:
        Untranslatable: For the kinds of convolutions that are not written.
    """
    arguments: Any = node.args
    gradient, image, weight = arguments[:3]
    patches, batch, made = _read(image, weight, arguments[4:])
    count, depth, lanes = patches.size[0] * patches.size[1], patches.depth, code.lanes
    row, image_size = matrices.padded(count, lanes), patches.channels * patches.height * patches.width
    source, weights, arrived = (code.packed(x) for x in (image, weight, gradient))
    mask = arguments[-1]
    out: dict[int, View] = {place: _result(code, node, place) for place in range(3) if mask[place]}
    columns, rows = code.memory.take((depth, row)), code.memory.take((made, row))
    sums = code.memory.take((made * depth, lanes))
    write = code.lines.append
    for view, length in ((columns, depth * row), (rows, made * row), (sums, made * depth * lanes)):
        write(f"memset({view.base}, 0, {length} * sizeof(real));")
    if 0 in out:
        write(f"memset({out[0].base}, 0, {batch * image_size} * sizeof(real));")
    if 2 in out:
        write(f"memset({out[2].base}, 0, {made} * sizeof(real));")
    write(f"for (long s = 0; s < {batch}; s++) {{")
    write(_copy(rows.base, row, f"({arrived.base} + s * {made * count})", count, made, count))
    if 2 in out:
        write(f"for (long o = 0; o < {made}; o++) {out[2].base}[o] += sum_all({rows.base} + o * {row}, {row});")
    if 1 in out:
        write(patches.shifts("{column} = {pixel}", columns.base, f"({source.base} + s * {image_size})", row))
        write(matrices.vector_sums(sums, rows, columns, lanes))
    if 0 in out:
        turned = View(weights.base, (depth, made), (1, depth))
        spread = code.memory.take((depth, row))  # not the columns, whose padding must stay zero
        write(matrices.product(spread, turned, rows, None, lanes))
        write(patches.shifts("{pixel} += {column}", spread.base, f"({out[0].base} + s * {image_size})", row))
    write("}")
    if 1 in out:
        write(f"for (long o = 0; o < {made * depth}; o++) {out[1].base}[o] = total(load({sums.base} + o * {lanes}));")
    code.results[node] = dict(out)
    return Constant(0.0)


def average_pool(code: Code, node: Node) -> Expression:
    """The mean of each patch.

    Args:
        code: The C so far.
        node: `avg_pool2d(input, kernel, stride)`.

    Returns:
        Where it is.
    """
    arguments: Any = node.args
    patches, batch = _pool(node, arguments[0], list(arguments[1:]))
    source = code.packed(arguments[0])
    target = code.memory.take(shape_of(node), "real", row_major(shape_of(node)))
    (down, across), (tall, wide) = patches.size, patches.kernel
    terms = " + ".join(f"from[{i * patches.width + j}]" for i in range(tall) for j in range(wide))
    code.lines.append(f"""for (long s = 0; s < {batch * patches.channels}; s++)
for (long p = 0; p < {down}; p++)
_Pragma("GCC ivdep") for (long q = 0; q < {across}; q++) {{
const real *from = {source.base} + s * {patches.height * patches.width} + p * {patches.stride[0] * patches.width}
 + q * {patches.stride[1]};
{target.base}[s * {down * across} + p * {across} + q] = ({terms}) / (real){tall * wide};
}}""")
    return target


def average_pool_backward(code: Code, node: Node) -> Expression:
    """Each number's gradient spread evenly over its patch.

    Args:
        code: The C so far.
        node: `avg_pool2d_backward(gradient, input, kernel, stride, …)`.

    Returns:
        Where it is.
    """
    arguments: Any = node.args
    patches, batch = _pool(node, arguments[1], list(arguments[2:]))
    arrived = code.packed(arguments[0])
    target = code.memory.take(shape_of(node), "real", row_major(shape_of(node)))
    (down, across), (tall, wide) = patches.size, patches.kernel
    adds = " ".join(f"to[{i * patches.width + j}] += g;" for i in range(tall) for j in range(wide))
    code.lines.append(f"""memset({target.base}, 0, {target.count} * sizeof(real));
for (long s = 0; s < {batch * patches.channels}; s++)
for (long p = 0; p < {down}; p++)
for (long q = 0; q < {across}; q++) {{
real *to = {target.base} + s * {patches.height * patches.width} + p * {patches.stride[0] * patches.width}
 + q * {patches.stride[1]};
const real g = {arrived.base}[s * {down * across} + p * {across} + q] / (real){tall * wide};
{adds}
}}""")
    return target


def _read(image: Any, weight: Any, options: Any) -> tuple[Patches, int, int]:
    stride, padding, dilation, transposed, _, groups = options[:6]
    batch, channels, *sides = shape_of(image)
    made, *kernel = shape_of(weight)
    if len(sides) != 2 or transposed or groups != 1 or any(d != 1 for d in dilation):
        raise Untranslatable("a convolution that is not two-dimensional, or has groups or gaps")
    patches = Patches(channels, sides[0], sides[1], (kernel[1], kernel[2]), _pair(stride), _pair(padding))
    return patches, batch, made


def _pool(node: Node, image: Any, options: list[Any]) -> tuple[Patches, int]:
    batch, channels, height, width = shape_of(image)
    kernel = _pair(options[0])
    stride = _pair(options[1]) if len(options) > 1 and options[1] else kernel
    rest = [*options[2:], *[None] * 4][:4]
    if any(_pair(rest[0] or [0, 0])) or rest[1] or rest[3] is not None:
        raise Untranslatable(f"{node.target} with padding or another divisor")
    return Patches(channels, height, width, kernel, stride, (0, 0)), batch


def _pair(value: Any) -> tuple[int, int]:
    return (value[0], value[-1]) if isinstance(value, (list, tuple)) else (value, value)


def _result(code: Code, node: Node, place: int) -> View:
    """Where one of several results goes: where it finally ends up, if it does."""
    user = next((user for user in node.users if user.args[1] == place), None)
    shape = tuple(node.meta["val"][place].shape)
    return code.home(user) if user is not None else code.memory.take(shape)


def _copy(to: str, to_row: int, source: str, source_row: int, rows: int, columns: int) -> str:
    return (
        f"for (long o = 0; o < {rows}; o++) "
        f"memcpy({to} + o * {to_row}, {source} + o * {source_row}, {columns} * sizeof(real));"
    )


def _inside(shift: int, length: int, count: int, stride: int, padding: int) -> tuple[int, int]:
    """The patches whose number at `shift` lies inside the image: 0 ≤ patch·stride + shift − padding < length."""
    first = max(0, -(-(padding - shift) // stride))
    last = min(count, (length - 1 + padding - shift) // stride + 1)
    return first, max(first, last)
