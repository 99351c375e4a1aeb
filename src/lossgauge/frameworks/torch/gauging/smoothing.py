"""Cross entropy with label smoothing: torch writes it as a sum, but it is one loss function."""

from typing import Any

from lossgauge.frameworks.torch.gauging.names import DIVIDING, LIKELIHOODS, MEANS, MULTIPLYING, PASSING, SUMS

STEPS = 12
SPREADING = DIVIDING | MEANS | MULTIPLYING | PASSING | SUMS | {"NegBackward0", "MaskedFillBackward0"}
SOFTMAX = "LogSoftmaxBackward0"


def smoothed(node: Any) -> Any:
    """The negative log-likelihood in a cross entropy with smoothed labels.

    Args:
        node: A node of the autograd graph.

    Returns:
        The node of the likelihood, where `node` adds it to the mean of the same log-softmax; None for anything else.
    """
    if node.name() != "AddBackward0":
        return None
    sides = [source for source, _ in node.next_functions if source is not None]
    ends = [_end(side) for side in sides]
    for likelihood, other in (ends, ends[::-1]) if len(ends) == 2 else ():
        if likelihood.name() in LIKELIHOODS and other.name() == SOFTMAX and _end(_below(likelihood)) is other:
            return likelihood
    return None


def _end(node: Any) -> Any:
    """Where constants, sums and views that begin at a node end."""
    for _ in range(STEPS):
        if node.name() not in SPREADING:
            break
        node = _below(node)
    return node


def _below(node: Any) -> Any:
    return next((source for source, _ in node.next_functions if source is not None), node)
