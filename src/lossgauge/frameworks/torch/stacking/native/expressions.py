"""Elementwise expressions over strided memory, and the loops that evaluate them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf, isnan

TEMPLATES: dict[str, str] = {
    "add": "({0} + {1})", "sub": "({0} - {1})", "mul": "({0} * {1})", "div": "({0} / {1})", "neg": "(-{0})",
    "addmul": "({0} + {1} * {2})", "adddiv": "({0} + {1} / {2})", "lerp": "lerp({0}, {1}, {2})",
    "max": "larger({0}, {1})", "min": "smaller({0}, {1})", "where": "({0} ? {1} : {2})",
    "sqrt": "root({0})", "abs": "magnitude({0})", "sign": "((real)({0} > 0) - (real)({0} < 0))",
    "exp": "exponential({0})", "log": "logarithm({0})", "tanh": "hyperbolic({0})", "pow": "power({0}, {1})",
    "log1p": "logarithm1p({0})", "round": "rounded({0})",
    "sigmoid": "((real)1 / ((real)1 + exponential(-{0})))",
    "lt": "({0} < {1})", "gt": "({0} > {1})", "le": "({0} <= {1})", "ge": "({0} >= {1})", "eq": "({0} == {1})",
    "ne": "({0} != {1})", "and": "({0} && {1})", "or": "({0} || {1})", "not": "(!{0})", "real": "((real){0})",
    "square": "({0} * {0})", "fill": "{0}",
    "erf": "error_function({0})", "expm1": "exponential_less_1({0})", "rsqrt": "((real)1 / root({0}))",
    "recip": "((real)1 / {0})",
}  # fmt: skip
"""Name → C. `larger` and `smaller` pass on what is not a number, as torch's do."""

ARRAYS = frozenset(("tanh", "exp"))
"""Functions that are evaluated for whole arrays at a time, by vectors."""


@dataclass(frozen=True)
class View:
    """Numbers in memory.

    Args:
        base: A C pointer.
        shape: Its shape.
        strides: In numbers, dimension by dimension.
        kind: `real`, `long` or `char` (a truth value).
    """

    base: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    kind: str = "real"

    @property
    def count(self) -> int:
        """How many numbers there are."""
        total = 1
        for length in self.shape:
            total *= length
        return total

    @property
    def packed(self) -> bool:
        """Whether the numbers lie one after the other, in order."""
        return all(
            stride == expected or length == 1
            for stride, expected, length in zip(self.strides, row_major(self.shape), self.shape, strict=True)
        )


@dataclass(frozen=True)
class Constant:
    """A number written into the code."""

    value: float
    kind: str = "real"


@dataclass(frozen=True)
class Apply:
    """An operation of `TEMPLATES` on expressions."""

    name: str
    operands: "tuple[Expression, ...]"


@dataclass(frozen=True)
class Position:
    """The place along a dimension of what is being computed."""

    dimension: int


@dataclass(frozen=True)
class Lookup:
    """A number whose place along one dimension is computed."""

    view: View
    dimension: int
    place: "Expression"


Expression = View | Constant | Apply | Position | Lookup


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of numbers that lie one after the other.

    Args:
        shape: A shape.

    Returns:
        Strides in numbers.
    """
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def literal(value: float, kind: str = "real") -> str:
    """A number as C has it.

    Args:
        value: The number.
        kind: Its C type.

    Returns:
        C text, rounded as torch rounds numbers it meets.
    """
    if isnan(value):
        return "((real)NAN)"
    if isinf(value):
        return "((real)INFINITY)" if value > 0 else "(-(real)INFINITY)"
    return f"(({kind}){int(value) if kind != 'real' else float(value)!r})"


def views_in(expression: Expression) -> list[View]:
    """All memory an expression reads.

    Args:
        expression: The expression.

    Returns:
        Views with the shape of the result (looked-up ones are left out).
    """
    if isinstance(expression, View):
        return [expression]
    if isinstance(expression, Apply):
        return [view for operand in expression.operands for view in views_in(operand)]
    return views_in(expression.place) if isinstance(expression, Lookup) else []


def _places(expression: Expression) -> bool:
    """Whether an expression depends on where it is evaluated, so that dimensions must stay apart."""
    if isinstance(expression, Apply):
        return any(_places(operand) for operand in expression.operands)
    return isinstance(expression, (Position, Lookup))


def text(expression: Expression, indices: Sequence[str]) -> str:
    """An expression as C.

    Args:
        expression: The expression.
        indices: The loop variable of each dimension.

    Returns:
        C text.
    """
    if isinstance(expression, Constant):
        return literal(expression.value, expression.kind)
    if isinstance(expression, Position):
        return indices[expression.dimension]
    if isinstance(expression, Lookup):
        places = list(indices)
        places[expression.dimension] = text(expression.place, indices)
        return f"{expression.view.base}[{_offset(expression.view.strides, places)}]"
    if isinstance(expression, View):
        return f"{expression.base}[{_offset(expression.strides, indices)}]"
    return TEMPLATES[expression.name].format(*(text(operand, indices) for operand in expression.operands))


def loops(target: View, expression: Expression) -> str:
    """Code that evaluates an expression everywhere.

    Args:
        target: Where the results go.
        expression: What is computed.

    Returns:
        C statements.
    """
    shape, views = list(target.shape), [target, *views_in(expression)]
    if not _places(expression):
        shape, merged = _merge(shape, [list(view.strides) for view in views])
        views = [View(v.base, tuple(shape), tuple(s), v.kind) for v, s in zip(views, merged, strict=True)]
        target, remaining = views[0], iter(views[1:])
        expression = _with_views(expression, remaining)
    order = sorted(range(len(shape)), key=lambda d: -target.strides[d])
    indices = [f"i{d}" for d in range(len(shape))]
    lines: list[str] = []
    for depth, d in enumerate(order):
        if depth == len(order) - 1:
            lines.append('_Pragma("GCC ivdep")')
        lines.append(f"for (long i{d} = 0; i{d} < {shape[d]}; i{d}++)")
    lines.append(f"{target.base}[{_offset(target.strides, indices)}] = {text(expression, indices)};")
    return "\n".join(lines)


def _offset(strides: Sequence[int], indices: Sequence[str]) -> str:
    terms = [i if s == 1 else f"{i} * {s}" for s, i in zip(strides, indices, strict=True) if s]
    return " + ".join(terms) or "0"


def _merge(shape: list[int], strides: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Neighbouring dimensions that all views step through alike become one."""
    d = 0
    while d < len(shape) - 1:
        if shape[d] == 1 or all(s[d] == s[d + 1] * shape[d + 1] for s in strides):
            shape[d + 1] *= shape[d]
            del shape[d]
            for s in strides:
                del s[d]
        elif shape[d + 1] == 1:
            del shape[d + 1]
            for s in strides:
                del s[d + 1]
        else:
            d += 1
    return shape, strides


def _with_views(expression: Expression, views: Iterator[View]) -> Expression:
    if isinstance(expression, View):
        return next(views)
    if isinstance(expression, Apply):
        return Apply(expression.name, tuple(_with_views(operand, views) for operand in expression.operands))
    return expression
