"""The summands of a loss: what its outermost additions add up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lossgauge.frameworks.torch.gauging.choices import is_choice
from lossgauge.frameworks.torch.gauging.names import (
    ADDING,
    DIVIDING,
    LIKELIHOODS,
    MEANS,
    MULTIPLYING,
    PASSING,
    PROPER,
    ROWS,
    SUMS,
)
from lossgauge.frameworks.torch.gauging.penalties import of_weights_alone
from lossgauge.frameworks.torch.gauging.saved import number_in, numbers_in, saved, shape_of
from lossgauge.frameworks.torch.gauging.smoothing import smoothed

MOST_TERMS = 32
"""A sum of more is one over a batch, over time or over all weights, written as a loop: it is kept whole."""
FEW = 4
"""A sum of more losses of single samples is one over a batch or an episode, written as a loop: it is kept whole."""
OF_ONE = PASSING | SUMS | MEANS | {"ExpandBackward0", "SelectBackward0", "IndexBackward0"}
"""What hands a scalar on as it is; the mean of one number is that number (`loss.mean()` after DataParallel)."""


@dataclass(frozen=True)
class TermEdge:
    """One summand of a loss.

    Args:
        index: Its number, from 0, in the order of the graph.
        node: The autograd node that computed it.
        number: Which of the node's outputs it is.
        factor: The product of `constants`, the sign included.
        shape: Its shape.
        constants: The explicit constants it is multiplied by on the way into the loss, from the loss down.
    """

    index: int
    node: Any
    number: int
    factor: float
    shape: tuple[int, ...]
    constants: tuple[float, ...] = ()


@dataclass(frozen=True)
class Summands:
    """What a loss adds up.

    Args:
        terms: Its terms.
        whole: Whether they are all of the loss; False where something without a gradient is added too.
    """

    terms: tuple[TermEdge, ...]
    whole: bool


@dataclass(frozen=True)
class Edge:
    """One output of one node, and the constants met on the way to it.

    Args:
        node: The node; None for something without a gradient.
        number: Which of its outputs.
        constants: From the loss down.
    """

    node: Any
    number: int
    constants: tuple[float, ...] = ()


def split_terms(root_node: Any, number: int = 0) -> list[TermEdge]:
    """The summands of a loss, with the constants each is multiplied by.

    Constants are multiplied out (0.5·(a + b) is 0.5·a and 0.5·b), sums and means of stacked scalars are opened, and
    nothing inside a reduction is. What is added without a gradient is no term. A sum of more than 32 summands is kept
    whole, and so is one of more than 4 losses of single samples (an episode of a policy, written as a loop), and an
    inner sum of functions of the weights alone: a regularizer written as a loop.

    Args:
        root_node: `loss.grad_fn`.
        number: `loss.output_nr`.

    Returns:
        The terms in the order they were written in; one for a loss that is no sum.
    """
    return list(summands(root_node, number).terms)


def summands(root_node: Any, number: int = 0) -> Summands:
    """The same, and whether it is all of the loss.

    Args:
        root_node: `loss.grad_fn`.
        number: `loss.output_nr`.

    Returns:
        The terms.
    """
    top = without_constants(Edge(root_node, number))
    found: list[Edge] = []
    waiting = [top]
    whole = True
    while waiting:
        edge = waiting.pop()
        parts = None if edge.node is None else _opened(edge)
        if edge.node is None:
            whole = False
        elif parts is None or (edge is not top and len(parts) > 1 and of_weights_alone(edge.node)):
            found.append(edge)
        else:
            waiting.extend(reversed(parts))
        if len(found) > MOST_TERMS:
            found, waiting, whole = [top], [], True
    terms = [
        TermEdge(place, e.node, e.number, math.prod(e.constants, start=1.0), shape_of(e.node, e.number), e.constants)
        for place, e in enumerate(found)
    ]
    return Summands(tuple(terms), whole)


def without_constants(edge: Edge) -> Edge:
    """Go down through the explicit constants a scalar is multiplied by, up to the first real operation.

    Args:
        edge: Where to begin.

    Returns:
        Where the constants end, with all of them.
    """
    while True:
        below = _multiplied(edge)
        if below is None:
            return edge
        edge = below


def constant_of(node: Any, most: int = MOST_TERMS) -> tuple[int, list[float]] | None:
    """Which input a node multiplies by a constant, and the constant.

    Args:
        node: A node of the autograd graph.
        most: How many numbers the constant may have.

    Returns:
        The place of the input, and one number or a row of them; None for any other operation.
    """
    name = node.name()
    if name == "NegBackward0":
        return 0, [-1.0]
    if name not in MULTIPLYING | DIVIDING:  # asked first: listing the inputs of a row of very many takes long
        return None
    sides = [side for side, (source, _) in enumerate(node.next_functions) if source is not None]
    if len(sides) != 1:
        return None
    if name in MULTIPLYING:
        numbers = numbers_in(saved(node, "other" if sides == [0] else "self"), most)
    elif sides == [0]:
        numbers = numbers_in(saved(node, "other"), most)
        numbers = None if numbers is None or 0.0 in numbers else [1.0 / number for number in numbers]
    else:
        return None
    return None if numbers is None else (sides[0], numbers)


def factors_of(entries: Sequence[tuple[Any, int]]) -> list[float]:
    """The explicit constants the entries of a row, or the summands of a loop, are multiplied by.

    Args:
        entries: Each as (node, number of the output); of very many, the first are looked at.

    Returns:
        The product of each one's constants.
    """
    return [math.prod(without_constants(Edge(*entry)).constants) for entry in entries[:MOST_TERMS]]


def _of_samples(edges: Sequence[Edge]) -> bool:
    """Whether these are more than a few losses, each of a single sample: what a loop over samples adds up."""
    return len(edges) > FEW and all(_of_a_sample(without_constants(edge).node) for edge in edges)


def _of_a_sample(node: Any) -> bool:
    if node.name() not in PROPER:
        return is_choice(node)
    given = saved(node, "target" if node.name() in LIKELIHOODS else "self")
    return given is not None and given.numel() == 1


def _opened(edge: Edge) -> list[Edge] | None:
    """What a scalar is made of by addition and constants; None where it is a term."""
    if math.prod(shape_of(edge.node, edge.number)) != 1:
        return None
    name = edge.node.name()
    if name in ADDING:
        return None if smoothed(edge.node) is not None else _chain(edge)
    if name == "DotBackward0":
        return _weighted_row(edge)
    below = _multiplied(edge)
    if below is not None:
        return [below]
    return _summed_row(edge) if name in SUMS | MEANS else None


def _chain(edge: Edge) -> list[Edge] | None:
    """The summands of an unbroken run of additions; None where they are more than 32."""
    found: list[Edge] = []
    waiting = _signed(edge)
    while waiting:
        part = waiting.pop(0)
        if part.node is not None and part.node.name() in ADDING and smoothed(part.node) is None:
            waiting[:0] = _signed(part)
        else:
            found.append(part)
        if len(found) + len(waiting) > MOST_TERMS + len(ADDING):
            return None
    learned = [part for part in found if part.node is not None]
    return None if len(learned) > MOST_TERMS or _of_samples(learned) else found


def _signed(edge: Edge) -> list[Edge]:
    """The inputs of an addition, each with its sign and factor."""
    name = edge.node.name()
    alpha = number_in(saved(edge.node, "alpha"))
    alpha = 1.0 if alpha is None else alpha
    second = alpha if name.startswith("Add") else -alpha
    signs = (-alpha, 1.0) if name.startswith("Rsub") else (1.0, second)
    inputs = (*edge.node.next_functions, (None, 0))[:2]  # a number that is added is no input at all
    return [
        Edge(node, number, edge.constants if sign == 1.0 else (*edge.constants, sign))
        for (node, number), sign in zip(inputs, signs, strict=True)
    ]


def _multiplied(edge: Edge) -> Edge | None:
    """What is multiplied by a constant here; None where nothing is."""
    numbers: list[float] = []
    place = 0
    if edge.node.name() not in OF_ONE:
        constant = constant_of(edge.node)
        if constant is None or len(constant[1]) != 1:
            return None
        place, numbers = constant
    node, number = edge.node.next_functions[place]
    if math.prod(shape_of(node, number)) != 1:
        return None
    return Edge(node, number, (*edge.constants, *numbers))


def _summed_row(edge: Edge) -> list[Edge] | None:
    """The entries of a stack of scalars that is summed or averaged, weighted by a constant row or not."""
    node, _ = edge.node.next_functions[0]
    weights: list[list[float]] = []
    while node.name() not in ROWS:
        constant = (0, [1.0]) if node.name() in PASSING else constant_of(node)
        if constant is None:
            return None
        weights.append(constant[1])
        before, (node, number) = node, node.next_functions[constant[0]]
        if math.prod(shape_of(node, number)) != math.prod(shape_of(before)):
            return None
    if edge.node.name() in MEANS:
        weights.append([1.0 / math.prod(shape_of(node))])
    return _row(edge, node, weights)


def _weighted_row(edge: Edge) -> list[Edge] | None:
    """The entries of a stack of scalars in its dot product with a constant row."""
    sides = [side for side, (source, _) in enumerate(edge.node.next_functions) if source is not None]
    if len(sides) != 1 or edge.node.next_functions[sides[0]][0].name() not in ROWS:
        return None
    numbers = numbers_in(saved(edge.node, "tensor" if sides == [0] else "self"), MOST_TERMS)
    return None if numbers is None else _row(edge, edge.node.next_functions[sides[0]][0], [numbers])


def _row(edge: Edge, row: Any, weights: list[list[float]]) -> list[Edge] | None:
    """The entries of a stack, each with its own constants; None where an entry is no scalar, or for too many."""
    entries = row.next_functions
    size = math.prod(shape_of(row))
    if len(entries) != size or size > MOST_TERMS or any(len(weight) not in (1, size) for weight in weights):
        return None
    if any(node is None for node, _ in entries) or _of_samples([Edge(*entry) for entry in entries]):
        return None
    own = [[weight[place % len(weight)] for weight in weights] for place in range(size)]
    return [
        Edge(node, number, (*edge.constants, *(factor for factor in factors if factor != 1.0)))
        for (node, number), factors in zip(entries, own, strict=True)
    ]
