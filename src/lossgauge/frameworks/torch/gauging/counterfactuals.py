"""What takes an extra backward: the gradient of each term on its own, and what half precision flushed to zero."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lossgauge.frameworks.torch.gauging.elements import pick, plain, positions
from lossgauge.frameworks.torch.gauging.extra_backward import gradients
from lossgauge.frameworks.torch.gauging.graph import Graph
from lossgauge.frameworks.torch.gauging.norms import finite, norms
from lossgauge.frameworks.torch.gauging.terms import TermEdge

POWERS = (24, 16, 8)
"""Powers of two the loss is multiplied by to see what was flushed to zero; the first that overflows nowhere counts."""
MOST_TERMS = 8


def term_norms(graph: Graph, terms: Sequence[TermEdge], scale: float, watched: Sequence[Any]) -> list[float | None]:
    """How strongly each term pulls at the weights that all terms reach.

    Args:
        graph: The graph of the loss.
        terms: Its terms, 2 to 8; of another number nothing is asked.
        scale: Mixed precision's scale on the loss; the gradients are taken with it, as in the training.
        watched: The weights that are looked at.

    Returns:
        ‖∂term/∂w‖ in L/W, the term's factor included and the scale divided out; None where no watched weight is
        reached by every term.
    """
    if not 2 <= len(terms) <= MOST_TERMS:
        return [None] * len(terms)
    leaves = _leaves(graph, watched)
    found: list[dict[Any, float]] = []
    for term in terms:
        metadata = term.node._input_metadata[term.number]
        start = torch.full(term.shape, term.factor * scale, dtype=metadata.dtype, device=metadata.device)
        found.append(gradients(graph, (term.node, term.number), start, leaves, _length))
    shared = [leaf for leaf in leaves if all(leaf in reached for reached in found)]
    if not shared:
        return [None] * len(terms)
    return [math.hypot(*(reached[leaf] for leaf in shared)) / scale for reached in found]


def flushed_share(graph: Graph, root: torch.Tensor, numbers: Mapping[int, Any]) -> tuple[dict[str, float], int] | None:
    """The share of observed elements of a gradient that are zero, and were not with the loss times a power of two.

    Args:
        graph: The graph of the loss.
        root: The loss.
        numbers: The watched weights by their number in the session.

    Returns:
        The shares by tensor number, and the power; None where every power overflows.
    """
    leaves = {leaf: number for number, tensor in numbers.items() for leaf in _leaves(graph, [tensor])}
    seed, start = (graph.root, root.output_nr), torch.ones_like(root, requires_grad=False)
    here = gradients(graph, seed, start, leaves, _zeros)
    for power in POWERS:
        there = gradients(graph, seed, start * 2.0**power, leaves, _zeros)
        if all(fine for _, fine in there.values()):
            return {str(leaves[leaf]): _lost(here[leaf][0], there[leaf][0]) for leaf in here if leaf in there}, power
    return None


def _length(gradient: torch.Tensor) -> float:
    return norms([_dense(gradient)])[0]


def _zeros(gradient: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Which of the observed elements are zero, and whether all are finite: all that is kept of a gradient."""
    numbers = plain(_dense(gradient))
    return pick(numbers, positions(numbers.numel(), numbers.device)) == 0, finite([numbers])[0]


def _lost(here: torch.Tensor, there: torch.Tensor) -> float:
    if here.shape != there.shape or not here.numel():
        return 0.0
    return float((here & ~there).sum()) / here.numel()


def _dense(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def _leaves(graph: Graph, watched: Sequence[Any]) -> list[Any]:
    identities = {id(tensor) for tensor in watched}
    return [node for node in graph.leaf_nodes if id(node.variable) in identities]
