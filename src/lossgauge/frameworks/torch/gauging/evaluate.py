"""Values of the forward pass, recovered from what the autograd graph keeps for the backward.

A node's output is known where the node saved it, or a node that takes it in did; else it is computed again from its
inputs, of which the same holds. What was not kept (a constant that was added, say) makes a value unknown, never wrong.
"""

from collections.abc import Callable
from typing import Any

import torch

from lossgauge.frameworks.torch.gauging.formulas import FORMULAS
from lossgauge.frameworks.torch.gauging.graph import LEAF, Graph, walk
from lossgauge.frameworks.torch.gauging.saved import Unknown, saved, shape_of

COMPUTED = 400
"""Nodes that are computed again for one value."""
TAKEN = {
    "AddmmBackward0": ("self", "mat1", "mat2"),
    "AddcmulBackward0": ("self", "tensor1", "tensor2"),
    "AddcdivBackward0": ("self", "tensor1", "tensor2"),
    "BmmBackward0": ("self", "mat2"),
    "ConvolutionBackward0": ("input", "weight"),
    "DotBackward0": ("self", "tensor"),
    "LerpBackward0": ("self", "end"),
    "MmBackward0": ("self", "mat2"),
    "MvBackward0": ("self", "vec"),
    "NativeBatchNormBackward0": ("input", "weight"),
    "NativeGroupNormBackward0": ("input", "weight"),
    "NativeLayerNormBackward0": ("input", "weight"),
    "PowBackward1": ("self", "exponent"),
    "PowBackward2": ("exponent",),
}
"""By the name of a node, under which names it may have saved its inputs."""
USUAL = ("self", "other")
LOSSES = ("self", "target")

WIDEST = 64
"""Inputs of a node beyond which its value is not recomputed: a stack of very many tensors would take minutes."""


class _Needed(Exception):
    """A formula asked for an input that has not been looked at yet."""


class Values:
    """Values of the forward pass of one graph; each is recovered at most once."""

    def __init__(self, graph: Graph) -> None:
        """Begin with nothing recovered.

        Args:
            graph: The graph.
        """
        self.graph = graph
        self._known: dict[tuple[Any, int], torch.Tensor | None] = {}

    def of(self, node: Any, number: int = 0) -> torch.Tensor | None:
        """The value of one output of a node.

        Args:
            node: The node; None stands for a constant.
            number: Which of its outputs.

        Returns:
            The very number the forward pass computed, up to the rounding of an operation that is repeated; None where
            it cannot be known.
        """
        if node is None:
            return None
        waiting = [(node, number)]
        computed = 0
        with torch.no_grad():
            while waiting:
                edge = waiting[-1]
                if edge not in self._known:
                    computed += 1
                    needed = self._recover(edge, patient=computed <= COMPUTED)
                    if needed is not None:
                        waiting.append(needed)
                        continue
                waiting.pop()
        return self._known[(node, number)]

    def _recover(self, edge: tuple[Any, int], patient: bool) -> tuple[Any, int] | None:
        """Note the value of an edge, or None for it; where an input must be known first, return that input."""
        needed: list[tuple[Any, int]] = []

        inputs = edge[0].next_functions
        if len(inputs) > WIDEST:  # every round computes anew as far as it gets
            self._known[edge] = self._kept(edge)
            return None

        def take(place: int) -> torch.Tensor:
            source = inputs[place] if place < len(inputs) else (None, 0)
            if source[0] is None or not patient:
                raise Unknown
            if source not in self._known:
                needed.append(source)
                raise _Needed
            value = self._known[source]
            if value is None:
                raise Unknown
            return value

        try:
            value = self._kept(edge)
            self._known[edge] = _computed(edge, take) if value is None else value
        except _Needed:
            return needed[0]
        except (Unknown, RuntimeError, IndexError, TypeError, ValueError):
            self._known[edge] = None
        return None

    def _kept(self, edge: tuple[Any, int]) -> torch.Tensor | None:
        """What the node itself, or one that takes its output in, saved of it."""
        node, number = edge
        if node.name() == LEAF:
            return node.variable.detach()
        shape = shape_of(node, number)
        value = saved(node, "result") if number == 0 else None
        if value is None and hasattr(node, "_raw_saved_result0"):
            value = saved(node, f"result{number}")
        if (found := _fitting(value, shape)) is not None:
            return found
        for consumer, place in self.graph.consumers.get(edge, ()):
            name = consumer.name()
            names = TAKEN.get(name, LOSSES if hasattr(consumer, "_raw_saved_target") else USUAL)
            value = saved(consumer, names[place]) if place < len(names) else None
            if (found := _fitting(value, shape)) is not None:
                return found
        return None


def value_of(node: Any, number: int = 0) -> torch.Tensor | None:
    """The value of one output of a node, from what the graph under it keeps.

    Args:
        node: The node.
        number: Which of its outputs.

    Returns:
        The value; None where it cannot be known.
    """
    return Values(walk(node)).of(node, number)


def _computed(edge: tuple[Any, int], take: Callable[[int], torch.Tensor]) -> torch.Tensor:
    node, number = edge
    formula = FORMULAS.get(node.name())
    if formula is None:
        raise Unknown
    outcome = formula(node, take)
    value = outcome[number] if isinstance(outcome, (tuple, list)) else outcome
    fitting = _fitting(value, shape_of(node, number))
    if fitting is None:
        raise Unknown
    return fitting


def _fitting(value: Any, shape: tuple[int, ...]) -> torch.Tensor | None:
    return value.detach() if isinstance(value, torch.Tensor) and tuple(value.shape) == shape else None
