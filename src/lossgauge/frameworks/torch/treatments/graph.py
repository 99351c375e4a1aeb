"""Walking the autograd graph of a loss."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.autograd.graph import get_gradient_edge


def root_edge(root: Any) -> tuple[Any, int] | None:
    """Where the gradient of a root enters the graph.

    Args:
        root: A tensor, or a gradient edge.

    Returns:
        The autograd node and the number of its output; None for a tensor without gradient, which torch will refuse.
    """
    if isinstance(root, torch.Tensor):
        if not root.requires_grad:
            return None
        root = get_gradient_edge(root)
    return root.node, root.output_nr


def nodes_of(roots: Iterable[Any]) -> Iterator[Any]:
    """Every node a backward may run through, once.

    Args:
        roots: The tensors it starts from.

    Yields:
        The nodes, the loss first.
    """
    waiting = [edge[0] for root in roots if (edge := root_edge(root))]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting.extend(source for source, _ in node.next_functions if source is not None)


def leaves_of(roots: Iterable[Any]) -> Iterator[tuple[Any, torch.Tensor]]:
    """Every leaf in which a backward accumulates a gradient.

    Args:
        roots: The tensors it starts from.

    Yields:
        The node that accumulates, and the leaf.
    """
    for node in nodes_of(roots):
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor):
            yield node, leaf
