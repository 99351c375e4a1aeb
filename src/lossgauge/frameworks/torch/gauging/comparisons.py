"""What a loss function compares: the network's output, the targets, and the residual between them."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from lossgauge.frameworks.torch.gauging.evaluate import Values
from lossgauge.frameworks.torch.gauging.kinds import compared
from lossgauge.frameworks.torch.gauging.names import BINARY, COMPARING, LIKELIHOODS, PASSING
from lossgauge.frameworks.torch.gauging.reductions import Reduced
from lossgauge.frameworks.torch.gauging.saved import number_in, saved, shape_of
from lossgauge.frameworks.torch.gauging.smoothing import smoothed
from lossgauge.frameworks.torch.gauging.spread import LARGEST
from lossgauge.frameworks.torch.gauging.terms import constant_of

ENOUGH = 10
"""Targets per class from which on their frequencies are known well enough for an entropy."""
KNEES = {"SmoothL1LossBackward0": "beta", "HuberLossBackward0": "delta"}


@dataclass(frozen=True)
class Comparison:
    """What a regression compares, as tensors.

    Args:
        residual: Output minus target.
        output: The output.
        target: The targets.
    """

    residual: torch.Tensor | None = None
    output: torch.Tensor | None = None
    target: torch.Tensor | None = None


def comparison_of(reduced: Reduced, values: Values) -> Comparison:
    """Output, target and residual of a regression, as far as they are kept or can be computed again.

    Args:
        reduced: The loss function.
        values: Values of the forward pass.

    Returns:
        The three, in the units of what is squared: a constant that multiplies the difference multiplies all of them.
    """
    node = reduced.node
    if node.name() in COMPARING or node.name() == "DistBackward0":
        return _saved_pair(node)
    found = compared(reduced)
    residual = None if found is None else values.of(*found.source)
    if found is None or residual is None or residual.numel() > LARGEST:
        return Comparison()
    return _difference(found.source, residual, values)


def knee_of(reduced: Reduced) -> float | None:
    """The threshold of a Huber or smooth-L1 loss.

    Args:
        reduced: The loss function.

    Returns:
        δ or β in target units; None for others.
    """
    name = KNEES.get(reduced.node.name())
    return None if name is None else number_in(saved(reduced.node, name))


def class_weights_of(reduced: Reduced) -> tuple[float, ...]:
    """The weights of the classes in a cross entropy.

    Args:
        reduced: The loss function.

    Returns:
        The smallest and the largest; empty where all classes count the same.
    """
    node = smoothed(reduced.node) or reduced.node
    weights = saved(node, "weight" if node.name() in LIKELIHOODS else "pos_weight")
    if node.name() not in LIKELIHOODS | BINARY or not isinstance(weights, torch.Tensor) or not weights.numel():
        return ()
    return float(weights.min()), float(weights.max())


def one_class(reduced: Reduced) -> bool | None:
    """Whether all targets of the batch are of one class.

    Args:
        reduced: The loss function.

    Returns:
        None where the targets are not kept.
    """
    target = _classes(reduced)
    if target is None:
        return None
    lowest, highest = torch.aminmax(target)
    return bool(lowest == highest)


def guess_of(reduced: Reduced) -> float | None:
    """The mean cross entropy of guessing by the frequencies of the classes, without looking at any input.

    H = −Σ p_c·ln p_c with p_c the share of class c among the targets of the batch, and (K−1)/2n more for the K classes
    seen among n targets, by which the entropy of a sample is too small on average (Miller 1955). Of binary targets in
    columns, the mean over the columns.

    Args:
        reduced: The loss function.

    Returns:
        Nats per target; None where the targets are not kept, count differently, or are too few for so many classes.
    """
    target = _classes(reduced)
    if target is None or class_weights_of(reduced):
        return None
    if not target.is_floating_point():
        counts = torch.unique(target, return_counts=True)[1].double()
        if target.numel() < ENOUGH * len(counts):
            return None
        shares = counts / counts.sum()
        return float(-(shares * shares.log()).sum()) + (len(counts) - 1) / (2 * target.numel())
    ones = target.double().reshape(len(target), -1).mean(0) if target.dim() else target.double()
    entropy = torch.special.entr(ones) + torch.special.entr(1 - ones)
    return float((entropy + (entropy > 0) / (2 * max(len(target) if target.dim() else 1, 1))).mean())


def _classes(reduced: Reduced) -> torch.Tensor | None:
    """The targets of a classification that count; None where they are not kept, or too many to look at."""
    node = smoothed(reduced.node) or reduced.node
    name = node.name()
    target = saved(node, "index" if name == "GatherBackward0" else "target")
    if name not in LIKELIHOODS | BINARY | {"GatherBackward0"} or not isinstance(target, torch.Tensor):
        return None
    if name in LIKELIHOODS:
        target = target[target != saved(node, "ignore_index")]
    return target.detach() if 0 < target.numel() <= LARGEST else None


def _saved_pair(node: Any) -> Comparison:
    """The two tensors a loss function proper compares; whichever is computed by the network is the output."""
    output, target = saved(node, "self"), saved(node, "other" if node.name() == "DistBackward0" else "target")
    sides = [source is not None for source, _ in node.next_functions]
    if not isinstance(output, torch.Tensor) or not isinstance(target, torch.Tensor) or output.numel() > LARGEST:
        return Comparison()
    if sides == [False, True]:
        output, target = target, output
    output, target = output.detach(), target.detach()
    return Comparison(output - target, output, target)


def _difference(source: tuple[Any, int], residual: torch.Tensor, values: Values) -> Comparison:
    """Take what is squared apart where it is a difference, and turn it round where it is target minus output."""
    node, factor = _without_constants(source[0])
    name = node.name()
    inputs = (*node.next_functions, (None, 0))[:2]
    learned = [edge for edge in inputs if edge[0] is not None]
    if not name.startswith(("SubBackward", "AddBackward", "RsubBackward")) or not learned:
        return Comparison(residual)
    turned = len(learned) == 1 and (inputs[0][0] is None if name.startswith("Sub") else name.startswith("Rsub"))
    residual = -residual if turned != (factor < 0) else residual
    output = _alike(values.of(*learned[0]), node, factor, residual)
    if output is None or (len(learned) == 2 and name.startswith("Add")):
        return Comparison(residual)  # a sum of two things the network computed, as in an equation, has no target
    return Comparison(residual, output, output - residual)


def _alike(value: torch.Tensor | None, node: Any, factor: float, residual: torch.Tensor) -> torch.Tensor | None:
    """One side of a difference in the units and the shape of the residual."""
    shape = shape_of(node)
    if value is None or math.prod(shape) != residual.numel():
        return None
    value = value.expand(shape).reshape(residual.shape)
    return value if abs(factor) == 1.0 else value * abs(factor)


def _without_constants(node: Any) -> tuple[Any, float]:
    """Go down through constants and views that stand between a difference and its square."""
    factor = 1.0
    for _ in range(8):
        constant = constant_of(node, most=1)
        if constant is None and node.name() not in PASSING:
            break
        factor *= constant[1][0] if constant else 1.0
        below, _ = node.next_functions[constant[0] if constant else 0]
        if below is None:
            break
        node = below
    return node, factor
