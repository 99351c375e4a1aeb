"""The C that is being written: statements, memory, and where the value of each node of the graph is."""

from typing import Any

from torch.fx import Node

from lossgauge.frameworks.torch.stacking.native.expressions import (
    ARRAYS,
    Apply,
    Constant,
    Expression,
    View,
    loops,
    row_major,
    views_in,
)
from lossgauge.frameworks.torch.stacking.native.memory import Memory
from lossgauge.frameworks.torch.stacking.native.nodes import kind_of, shape_of


class Code:
    """C in the making.

    Args:
        lanes: Numbers in a vector.
        size: Bytes of a number of the kind `real`.
    """

    def __init__(self, lanes: int, size: int) -> None:
        self.lanes, self.memory = lanes, Memory(size)
        self.lines: list[str] = []
        self.values: dict[Node, Expression] = {}
        self.results: dict[Node, dict[int, View]] = {}
        self.homes: dict[Node, View] = {}

    @property
    def text(self) -> str:
        """The statements."""
        return "\n".join(self.lines)

    def materialise(self, value: Expression, shape: tuple[int, ...], kind: str = "real") -> View:
        """The results of an expression in memory.

        Args:
            value: The expression.
            shape: Its shape.
            kind: Its C type.

        Returns:
            Where they are; a view stays where it is.
        """
        if isinstance(value, View):
            return value
        target = self.memory.take(shape, kind, like(value, shape))
        self.compute(target, value)
        return target

    def compute(self, target: View, value: Expression) -> None:
        """Write the code that evaluates an expression.

        Args:
            target: Where the results go.
            value: The expression.
        """
        if isinstance(value, Apply) and value.name in ARRAYS:
            inner = value.operands[0]
            if not (isinstance(inner, View) and inner.strides == target.strides):
                self.compute(target, inner)
                inner = target
            count = 1 + sum((n - 1) * s for n, s in zip(target.shape, target.strides, strict=True))
            self.lines.append(f"{value.name}_all({target.base}, {inner.base}, {count});")
            return
        self.lines.append(loops(target, value))

    def value(self, argument: Any, kind: str = "real") -> Expression:
        """An argument of an operation.

        Args:
            argument: A node or a number.
            kind: The C type of a number.

        Returns:
            An expression.
        """
        if isinstance(argument, Node):
            return self.values[argument]
        return Constant(float(argument), kind)

    def view(self, node: Node) -> View:
        """An argument in memory.

        Args:
            node: The node.

        Returns:
            Where its numbers are.
        """
        found = self.materialise(self.values[node], shape_of(node), kind_of(node))
        self.values[node] = found
        return found

    def packed(self, node: Node) -> View:
        """An argument in memory, its numbers one after the other.

        Args:
            node: The node.

        Returns:
            Where its numbers are.
        """
        view = self.view(node)
        if view.packed:
            return view
        packed = self.memory.take(view.shape, view.kind)
        self.compute(packed, view)
        return packed

    def home(self, node: Node, strides: tuple[int, ...] | None = None) -> View:
        """Memory for the result of a node: where it finally goes, if it goes there as it is.

        Args:
            node: The node.
            strides: In numbers; by default one after the other.

        Returns:
            The memory.
        """
        if node in self.homes and strides in (None, self.homes[node].strides):
            return self.homes[node]
        return self.memory.take(shape_of(node), kind_of(node), strides)


def like(value: Expression, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides for a result in the order in which its first operand of full size lies in memory.

    Args:
        value: How it is computed.
        shape: Its shape.

    Returns:
        Strides in numbers.
    """
    for view in views_in(value):
        if view.shape == shape and all(s or n == 1 for s, n in zip(view.strides, shape, strict=True)):
            order = sorted(range(len(shape)), key=lambda d, v=view: (-v.strides[d], d))
            strides, step = [0] * len(shape), 1
            for d in reversed(order):
                strides[d] = step
                step *= shape[d]
            return tuple(strides)
    return row_major(shape)
