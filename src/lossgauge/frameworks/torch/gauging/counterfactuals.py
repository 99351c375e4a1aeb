"""What takes an extra backward: the gradient of each term on its own, and what half precision flushed to zero."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lossgauge.frameworks.torch.gauging.extra_backward import gradients
from lossgauge.frameworks.torch.gauging.graph import Graph
from lossgauge.frameworks.torch.gauging.norms import norms
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
    found: list[dict[Any, torch.Tensor]] = []
    for term in terms:
        metadata = term.node._input_metadata[term.number]
        start = torch.full(term.shape, term.factor * scale, dtype=metadata.dtype, device=metadata.device)
        found.append(gradients(graph, (term.node, term.number), start, leaves))
    shared = [leaf for leaf in leaves if all(leaf in reached for reached in found)]
    if not shared:
        return [None] * len(terms)
    lengths = [norms([_dense(reached[leaf]) for leaf in shared]) for reached in found]
    return [sum(length**2 for length in term) ** 0.5 / scale for term in lengths]


def flushed_share(graph: Graph, root: torch.Tensor, numbers: Mapping[int, Any]) -> tuple[dict[str, float], int] | None:
    """The share of gradient elements that are zero, and would not be with the loss multiplied by a power of two.

    Args:
        graph: The graph of the loss.
        root: The loss.
        numbers: The watched weights by their number in the session.

    Returns:
        The shares by tensor number, and the power; None where every power overflows.
    """
    leaves = {leaf: number for number, tensor in numbers.items() for leaf in _leaves(graph, [tensor])}
    seed, start = (graph.root, root.output_nr), torch.ones_like(root, requires_grad=False)
    here = gradients(graph, seed, start, leaves)
    for power in POWERS:
        there = gradients(graph, seed, start * 2.0**power, leaves)
        if all(bool(torch.isfinite(_dense(gradient)).all()) for gradient in there.values()):
            return {str(leaves[leaf]): _lost(here[leaf], there[leaf]) for leaf in here if leaf in there}, power
    return None


def _lost(here: torch.Tensor, there: torch.Tensor) -> float:
    here, there = _dense(here), _dense(there)
    if here.shape != there.shape or not here.numel():
        return 0.0
    return float(((here == 0) & (there != 0)).sum()) / here.numel()


def _dense(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def _leaves(graph: Graph, watched: Sequence[Any]) -> list[Any]:
    identities = {id(tensor) for tensor in watched}
    return [node for node in graph.leaf_nodes if id(node.variable) in identities]
