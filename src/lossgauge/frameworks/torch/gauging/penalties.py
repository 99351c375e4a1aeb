"""What is a function of the weights alone: a regularizer, into which no data enters."""

from typing import Any

from lossgauge.frameworks.torch.gauging.graph import is_leaf
from lossgauge.frameworks.torch.gauging.names import (
    ADDING,
    DIVIDING,
    ELEMENTWISE,
    MEANS,
    MULTIPLYING,
    NORMS,
    PASSING,
    ROWS,
    SUMS,
    TURNING,
)
from lossgauge.frameworks.torch.gauging.saved import numbers_in, saved

LARGEST = 4000
"""Nodes of a regularizer that are looked at."""
ALLOWED = ADDING | ELEMENTWISE | MEANS | NORMS | PASSING | ROWS | SUMS | TURNING
PRODUCTS = {"MmBackward0", "BmmBackward0"}
"""Products of weights with weights: W·Wᵀ of an orthogonality penalty."""


def of_weights_alone(node: Any) -> bool:
    """Whether only weights and scalar constants enter what a node computes.

    Args:
        node: A node of the autograd graph.

    Returns:
        False as soon as a layer, a selection or a constant with a shape is met.
    """
    seen = {node}
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if is_leaf(node):
            continue
        if not _free_of_data(node) or len(seen) > LARGEST:
            return False
        for source, _ in node.next_functions:
            if source is not None and source not in seen:
                seen.add(source)
                waiting.append(source)
    return True


def _free_of_data(node: Any) -> bool:
    name = node.name()
    constant = any(source is None for source, _ in node.next_functions)
    if name in MULTIPLYING | DIVIDING:
        return not constant or any(numbers_in(saved(node, side), most=1) is not None for side in ("self", "other"))
    return name in ALLOWED or (name in PRODUCTS and not constant)
