"""From a term of the loss down to the loss function proper: what is averaged and what is added up on the way."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from lossgauge.frameworks.torch.gauging.choices import is_choice
from lossgauge.frameworks.torch.gauging.formulas_of_losses import reduction_of
from lossgauge.frameworks.torch.gauging.graph import in_python
from lossgauge.frameworks.torch.gauging.names import (
    ADDING,
    DIVIDING,
    LIKELIHOODS,
    MEANS,
    MULTIPLYING,
    NORMS,
    PASSING,
    PROPER,
    SUMS,
)
from lossgauge.frameworks.torch.gauging.saved import Unknown, kept, number_in, saved, shape_of
from lossgauge.frameworks.torch.gauging.smoothing import SOFTMAX, smoothed
from lossgauge.frameworks.torch.gauging.terms import Edge, TermEdge, constant_of, factors_of, without_constants

STEPS = 40
"""Operations between a term and its loss function."""
ROOTS = {"SqrtBackward0"}
"""What may stand between reductions, so that what is outside of it is no factor of what is inside."""
MASK_ELEMENTS = 1_000_000
"""Of a larger constant it is not asked whether it is a mask."""


@dataclass
class Reduced:
    """A loss function and how its elements are reduced to a term.

    Args:
        node: The autograd node of the loss function proper.
        number: Which of its outputs.
        functions: The names of the nodes from the term down to it.
        constants: The explicit constants the term is multiplied by, and those met below it.
        elements: How many elements the loss function has before any reduction; those a mask or an ignored label leaves
            out do not count.
        shape: The shape of these elements.
        divisor: Over how many of them the reductions take a mean; 1 for sums.
        averaged: Whether a mean was met.
        weights: Constants with a shape that the elements are multiplied by: masks apart, weights or advantages.
    """

    node: Any
    number: int
    functions: list[str] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)
    elements: int = 1
    shape: tuple[int, ...] = ()
    divisor: int = 1
    averaged: bool = False
    weights: list[torch.Tensor] = field(default_factory=list)

    @property
    def factor(self) -> float:
        """The product of the constants."""
        return math.prod(self.constants, start=1.0)

    @property
    def reduction(self) -> str:
        """`mean` where the divisor is the number of elements, `sum` where it is 1, `partial` between."""
        if self.elements == 1:
            return "mean" if self.averaged else ""
        return {self.elements: "mean", 1: "sum"}.get(self.divisor, "partial")


def reduce(term: TermEdge) -> Reduced:
    """Follow a term down to its loss function.

    A constant 1/n outside a sum counts as the n of a mean, where n is the number of elements, of rows or of columns:
    `(d * d).sum() / len(d)` says the same as `(d * d).sum(1).mean()`.

    Args:
        term: The term.

    Returns:
        The loss function and its reductions.
    """
    found = Reduced(term.node, term.number, constants=list(term.constants))
    linear = True
    for _ in range(STEPS):
        found.functions.append(found.node.name())
        constants = list(found.constants)
        below = _below(found)
        if below is None:
            break
        linear = linear and found.node.name() not in ROOTS
        if not linear:
            found.constants = constants
        found.node, found.number = below
    found.shape = shape_of(found.node, found.number)
    found.elements = math.prod(found.shape)
    _reduce_inside(found)
    _count_divisors(found)
    return found


def _below(found: Reduced) -> tuple[Any, int] | None:
    """One step down; None at the loss function."""
    node, name = found.node, found.node.name()
    inputs = node.next_functions
    if name in MEANS | SUMS:
        inner, outer = shape_of(*inputs[0]), shape_of(node)
        if name in MEANS:
            found.divisor *= max(math.prod(inner) // max(math.prod(outer), 1), 1)
            found.averaged = True
        return inputs[0]
    if name in PASSING | ROOTS:
        return inputs[0]
    if name == "PowBackward0" and math.prod(shape_of(node)) == 1 and inputs[0][0].name() in NORMS:
        return inputs[0]
    if in_python(node) is not None and node.name() == "BackwardHookFunctionBackward":
        return inputs[found.number]
    if name in ADDING:
        return _below_addition(found)
    constant = constant_of(node, most=1)
    if constant is not None:
        found.constants += constant[1]
        return inputs[constant[0]]
    return _below_weights(found)


def _below_addition(found: Reduced) -> tuple[Any, int] | None:
    """A small number under a root is looked through, and of a long sum of scalars the last summand speaks for all."""
    inputs = [edge for edge in found.node.next_functions if edge[0] is not None]
    rooted = len(found.functions) > 1 and found.functions[-2] in ROOTS and len(inputs) == 1
    scalars = math.prod(shape_of(found.node)) == 1 and all(math.prod(shape_of(*edge)) == 1 for edge in inputs)
    if rooted:
        return inputs[-1]
    if not scalars or len(inputs) != 2 or len(found.functions) > 1 or smoothed(found.node) is not None:
        return None
    choices = [edge for edge in _summands(found.node) if is_choice(without_constants(Edge(*edge)).node)]
    if len({*factors_of(choices)}) > 1:
        found.weights.append(torch.tensor(factors_of(choices)))
    return inputs[-1]


def _summands(node: Any) -> list[tuple[Any, int]]:
    """The last summands of a sum that was written as a loop, the last one first."""
    found: list[tuple[Any, int]] = []
    while node.name() in ADDING and len(found) < STEPS:
        edges = [edge for edge in node.next_functions if edge[0] is not None]
        found.append(edges[-1])
        node = edges[0][0]
    return found


def _below_weights(found: Reduced) -> tuple[Any, int] | None:
    """Elements multiplied by a constant of their shape, or by a row of it: a mask, weights, advantages."""
    node = found.node
    sides = [side for side, (source, _) in enumerate(node.next_functions) if source is not None]
    if node.name() == "DotBackward0" and len(sides) == 1:
        row = saved(node, "tensor" if sides == [0] else "self")
        found.weights += [] if row is None else [row.detach()]
        return node.next_functions[sides[0]]
    divided = node.name() in DIVIDING and sides == [0]
    if len(sides) != 1 or not (divided or node.name() in MULTIPLYING):
        return None
    weights = saved(node, "other" if sides == [0] else "self")
    edge = node.next_functions[sides[0]]
    if not isinstance(weights, torch.Tensor) or shape_of(*edge) != shape_of(node):
        return None
    found.weights.append(1 / weights.detach() if divided else weights.detach())
    return edge


def _reduce_inside(found: Reduced) -> None:
    """The reduction a loss function applies itself, and what of its elements counts."""
    node = smoothed(found.node) or found.node
    name = node.name()
    if name in NORMS:
        given = saved(node, "self")
        found.shape = tuple(given.shape) if given is not None else shape_of(*node.next_functions[0])
        found.elements = math.prod(found.shape)
    if name == SOFTMAX and found.shape and found.elements:
        found.elements //= found.shape[kept(node, "dim")]  # the sum over the classes belongs to the function
    if name not in PROPER:
        return
    try:
        own, given = reduction_of(node), kept(node, "target" if name in LIKELIHOODS else "self")
    except Unknown:
        return
    found.shape, found.elements = tuple(given.shape), given.numel()
    if name in LIKELIHOODS:
        found.elements = int((given != kept(node, "ignore_index")).sum())
    if own == "mean":
        found.averaged = True
        found.divisor *= max(found.elements, 1)


def _count_divisors(found: Reduced) -> None:
    """Take constants 1/n that stand for the mean over elements, rows or columns as what they are.

    A half is left a factor, whatever the shape: of a square or a divergence that is what it is.
    """
    _leave_out_masked(found)
    if found.elements < 2:
        return
    rows = found.shape[0] if found.shape else 1
    sizes = {rows, found.elements // rows if found.elements % rows == 0 else 0} - {0, 1, 2} | {found.elements}
    for constant in list(found.constants):
        size = round(1 / abs(constant)) if 0 < abs(constant) < 1 else 1
        exact = abs(abs(constant) * size - 1) < 1e-6
        if exact and size in sizes and found.divisor * size <= found.elements:
            found.divisor *= size
            found.averaged = True
            place = found.constants.index(constant)
            found.constants[place : place + 1] = [-1.0] if constant < 0 else []


def _leave_out_masked(found: Reduced) -> None:
    """What a mask of zeros and ones hides is no element."""
    for weights in list(found.weights):
        if weights.numel() > MASK_ELEMENTS or weights.is_complex():
            continue
        shown = number_in(weights.count_nonzero())
        if bool(((weights == 0) | (weights == 1)).all()) and shown and found.elements % weights.numel() == 0:
            if found.divisor != found.elements:  # a mean over everything counts what is hidden, too
                found.elements = found.elements // weights.numel() * int(shown)
            found.weights = [other for other in found.weights if other is not weights]
