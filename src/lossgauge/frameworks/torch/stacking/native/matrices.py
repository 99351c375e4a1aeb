"""Products of small matrices as C: tiles that stay in registers, unrolled, with all lengths known."""

from collections.abc import Sequence
from dataclasses import dataclass

from lossgauge.frameworks.torch.stacking.native.compiler import processor
from lossgauge.frameworks.torch.stacking.native.expressions import View

TILES = {"avx512": (4, 24), "avx2": (2, 12), "plain": (2, 12)}
"""For each kind of processor: vectors side by side in a tile, and partial sums in all of it. With the vectors that feed
them they fill its registers, which are 32 with AVX-512 and else 16."""
PANEL = 256
"""Rows of the right matrix gone through at a time: of so many a block of columns stays in the nearest cache."""


def padded(length: int, lanes: int) -> int:
    """A length filled up to whole vectors.

    Args:
        length: Of a row.
        lanes: Numbers in a vector.

    Returns:
        The next multiple.
    """
    return -(-length // lanes) * lanes


def product(target: View, left: View, right: View, bias: View | None, lanes: int, row_bias: str | None = None) -> str:
    """Code for target = left·right + bias.

    Args:
        target: (rows, columns); each row whole vectors long.
        left: (rows, depth), any strides.
        right: (depth, columns), rows lying one after the other, whole vectors long.
        bias: (columns,) with stride 1 and readable to whole vectors, or None.
        lanes: Numbers in a vector.
        row_bias: Pointer to what is added to each row instead.

    Returns:
        C statements.
    """
    rows, depth = left.shape
    vectors = padded(target.shape[1], lanes) // lanes
    most, sums = TILES[processor()]
    parts: list[str] = []
    for first, wide in _split(vectors, _widest(vectors, most)):
        tile = _Tile(wide, first * lanes, target, left, right, bias, lanes, row_bias)
        parts += [tile.over(rows, max(1, sums // wide), start, min(start + PANEL, depth))
                  for start in range(0, depth, PANEL)]  # fmt: skip
    return "\n".join(parts)


def dots(target: View, left: View, right: View, bias: View | None, lanes: int) -> str:
    """Code for a product with few columns, as scalar products of rows.

    Args:
        target: (rows, columns).
        left: (rows, depth) with stride 1 along depth.
        right: (depth, columns) with stride 1 along depth.
        bias: (columns,) or None.
        lanes: Numbers in a vector; the depth is whole vectors.

    Returns:
        C statements.
    """
    rows, depth = left.shape
    start = f"{bias.base}[n * {bias.strides[0]}] + " if bias else ""
    return f"""for (long m = 0; m < {rows}; m++)
for (long n = 0; n < {right.shape[1]}; n++) {{
const real *a = {left.base} + m * {left.strides[0]}, *b = {right.base} + n * {right.strides[1]};
vec sum = splat(0);
for (long k = 0; k < {depth}; k += {lanes}) sum = multiply_add(load(a + k), load(b + k), sum);
{target.base}[m * {target.strides[0]} + n * {target.strides[1]}] = {start}total(sum);
}}"""


def vector_sums(target: View, left: View, right: View, lanes: int) -> str:
    """Code that adds left·rightᵀ to sums kept lane by lane, to be added up at the very end.

    Args:
        target: (rows of left · rows of right, lanes).
        left: (rows, length), whole vectors long.
        right: (rows, length), as long.
        lanes: Numbers in a vector.

    Returns:
        C statements.
    """
    (rows, length), others = left.shape, right.shape[0]
    parts: list[str] = []
    for first, tall in _blocks(rows):
        for start, wide in _blocks(others):
            lines: list[str] = []
            cells = [(i, j) for i in range(tall) for j in range(wide)]
            loop = f"for (long n = {start[0]}; n < {start[1]}; n += {wide}) {{"
            lines.append(f"for (long m = {first[0]}; m < {first[1]}; m += {tall}) {loop}")
            place = {(i, j): f"{target.base} + ((m + {i}) * {others} + n + {j}) * {lanes}" for i, j in cells}
            lines += [f"vec c{i}_{j} = load({place[i, j]});" for i, j in cells]
            lines.append(f"for (long k = 0; k < {length}; k += {lanes}) {{")
            lines += [f"const vec a{i} = load({left.base} + (m + {i}) * {length} + k);" for i in range(tall)]
            lines += [f"const vec b{j} = load({right.base} + (n + {j}) * {length} + k);" for j in range(wide)]
            lines += [f"c{i}_{j} = multiply_add(a{i}, b{j}, c{i}_{j});" for i, j in cells]
            lines.append("}")
            lines += [f"store({place[i, j]}, c{i}_{j});" for i, j in cells]
            parts.append("\n".join([*lines, "}"]))
    return "\n".join(parts)


def packing(target: View, source: View, lanes: int) -> str:
    """Code that lays rows one after the other, filled up with zeros to whole vectors.

    Args:
        target: (depth, columns), memory of its own.
        source: The same numbers with any strides.
        lanes: Numbers in a vector.

    Returns:
        C statements.
    """
    depth, columns = source.shape
    if source.strides[0] == 1 and depth % lanes == 0 and columns % lanes == 0:
        return (
            f"for (long k = 0; k < {depth}; k += {lanes}) for (long n = 0; n < {columns}; n += {lanes})\n"
            f"turn({source.base} + k + n * {source.strides[1]}, {source.strides[1]}, "
            f"{target.base} + k * {target.strides[0]} + n, {target.strides[0]});"
        )
    return (
        f"for (long k = 0; k < {depth}; k++) for (long n = 0; n < {target.strides[0]}; n++)\n"
        f"{target.base}[k * {target.strides[0]} + n] = n < {columns} ? "
        f"{source.base}[k * {source.strides[0]} + n * {source.strides[1]}] : (real)0;"
    )


def _widest(vectors: int, most: int) -> int:
    return next(wide for wide in range(most, 0, -1) if vectors % wide == 0 or vectors > 2 * most)


def _blocks(count: int, height: int = 4) -> list[tuple[tuple[int, int], int]]:
    """Ranges that are whole blocks, and the height of theirs."""
    whole = count // height * height
    found = [((0, whole), height)] if whole else []
    return [*found, *([((whole, count), count - whole)] if count > whole else [])]


def _split(vectors: int, wide: int) -> Sequence[tuple[int, int]]:
    return [(first, min(wide, vectors - first)) for first in range(0, vectors, wide)]


@dataclass(frozen=True)
class _Tile:
    """A block of columns of a product, some rows of which are in registers at a time."""

    wide: int
    column: int
    target: View
    left: View
    right: View
    bias: View | None
    lanes: int
    row_bias: str | None

    def over(self, rows: int, tall: int, start: int, end: int) -> str:
        """All rows, for a part of the depth; sums that were begun are gone on with."""
        whole, rest = divmod(rows, tall)
        packed, lines = self.right.strides[0] > self.wide * self.lanes and rows > 2 * tall, list[str]()
        if packed:
            lines += [f"real panel[{(end - start) * self.wide * self.lanes}];", self._packing(start, end)]
        if whole:
            body = self._body(tall, start, end, packed)
            lines.append(f"for (long m = 0; m < {whole * tall}; m += {tall}) {{\n{body}\n}}")
        if rest:
            lines.append(f"{{ const long m = {whole * tall};\n{self._body(rest, start, end, packed)}\n}}")
        return "\n".join(["{", *lines, "}"])

    def _packing(self, start: int, end: int) -> str:
        """The block of columns laid out row after row: far apart, few of them would fit into the cache at a time."""
        lanes, wide = self.lanes, self.wide
        source = f"{self.right.base} + {self.column} + (k + {start}) * {self.right.strides[0]}"
        copies = " ".join(
            f"store(panel + (k * {wide} + {j}) * {lanes}, load({source} + {j * lanes}));" for j in range(wide)
        )
        return f"for (long k = 0; k < {end - start}; k++) {{ {copies} }}"

    def _body(self, tall: int, start: int, end: int, packed: bool) -> str:
        lanes, left, columns = self.lanes, self.left, range(self.wide)
        step = self.wide * lanes if packed else self.right.strides[0]
        right = "panel" if packed else f"{self.right.base} + {self.column} + {start} * {self.right.strides[0]}"
        cells = [(i, j) for i in range(tall) for j in columns]
        place = {(i, j): f"{self.target.base} + (m + {i}) * {self.target.strides[0]} + {self.column + j * lanes}"
                 for i, j in cells}  # fmt: skip
        lines = [f"vec c{i}_{j} = {f'load({place[i, j]})' if start else self._begin(i, j)};" for i, j in cells]
        lines.append(
            f"const real *a = {left.base} + m * {left.strides[0]} + {start} * {left.strides[1]}, *b = {right};"
        )
        lines.append(f"for (long k = 0; k < {end - start}; k++) {{")
        lines += [f"const vec b{j} = load(b + k * {step} + {j * lanes});" for j in columns]
        for i in range(tall):
            lines.append(f"{{ const vec x = splat(a[{i * left.strides[0]} + k * {left.strides[1]}]);")
            lines += [f"c{i}_{j} = multiply_add(x, b{j}, c{i}_{j});" for j in columns]
            lines.append("}")
        return "\n".join([*lines, "}", *(f"store({place[i, j]}, c{i}_{j});" for i, j in cells)])

    def _begin(self, i: int, j: int) -> str:
        if self.row_bias:
            return f"splat({self.row_bias}[m + {i}])"
        return f"load({self.bias.base} + {self.column + j * self.lanes})" if self.bias else "splat(0)"
