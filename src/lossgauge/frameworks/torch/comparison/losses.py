"""The losses with a name of their own, as functions of the model's output and the target.

Regression losses want both of one shape, since broadcasting (n, 1) against (n,) would silently compare all with all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lossgauge.errors import InputError

REGRESSION, CLASSIFICATION, BINARY = "regression", "classification", "binary"
TINY = 2.0**-126
"""Keeps powers of 1 − p away from 0, where the derivative of a root is infinite; the smallest normal float32 number."""
IGNORED = -100
"""The class that torch's cross-entropy leaves out."""


def focal(output: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss, L = −mean (1 − p)^γ·log p, with p the probability of the true class (Lin et al. 2017).

    Args:
        output: Logits, (n, classes, …).
        target: The true classes, (n, …); −100 leaves a place out, as for cross-entropy.
        gamma: γ, dimensionless; 0 gives cross-entropy.

    Returns:
        L, a scalar tensor.
    """
    kept = target != IGNORED
    log_p = torch.log_softmax(output, 1).gather(1, torch.where(kept, target, 0).unsqueeze(1)).squeeze(1)
    others = (-torch.expm1(log_p)).clamp_min(TINY)
    return -(others**gamma * log_p)[kept].mean()


def weighted_cross_entropy(output: Tensor, target: Tensor, weights: Sequence[float] = ()) -> Tensor:
    """Cross-entropy weighted by class, L = −Σ w_y·log p_y / Σ w_y: the mean over weights, not over samples.

    Args:
        output: Logits, (n, classes, …).
        target: The true classes y, (n, …).
        weights: w, one per class, dimensionless; 1, 2, 3, … unless given.

    Returns:
        L, a scalar tensor.

    Raises:
        InputError: When there is not one weight for each class.
    """
    classes = output.shape[1]
    chosen = list(weights) or [float(number + 1) for number in range(classes)]
    if len(chosen) != classes:
        raise InputError(
            f"weighted-cross-entropy got {len(chosen)} weights, expected one for each of {classes} classes"
        )
    return functional.cross_entropy(output, target, torch.tensor(chosen, dtype=output.dtype, device=output.device))


def _cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(output, target)


def _cross_entropy_sum(output: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(output, target, reduction="sum")


def _label_smoothing(output: Tensor, target: Tensor, smoothing: float) -> Tensor:
    return functional.cross_entropy(output, target, label_smoothing=smoothing)


def _mse(output: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(output, target)


def _mse_sum(output: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(output, target, reduction="sum")


def _mae(output: Tensor, target: Tensor) -> Tensor:
    return functional.l1_loss(output, target)


def _huber(output: Tensor, target: Tensor, delta: float) -> Tensor:
    return functional.huber_loss(output, target, delta=delta)


def _smooth_l1(output: Tensor, target: Tensor, beta: float) -> Tensor:
    return functional.smooth_l1_loss(output, target, beta=beta)


def _bce(output: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(output, target.to(output.dtype))


@dataclass(frozen=True)
class Formula:
    """One loss with a name.

    Args:
        function: Output, target and parameters → a scalar tensor.
        kind: What it is for: regression, classification or binary classification.
        parameters: Name → default.
        ranges: Name → what a value has to be: a check, and the same in words.
    """

    function: Callable[..., Tensor]
    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ranges: Mapping[str, tuple[Callable[[Any], bool], str]] = field(default_factory=dict[str, Any])


_POSITIVE = (lambda value: value > 0, "a number above 0")
_NOT_NEGATIVE = (lambda value: value >= 0, "a number of at least 0")
_SHARE = (lambda value: 0 <= value < 1, "a number from 0 to below 1")
_WEIGHTS = (lambda values: min(values) >= 0 and max(values) > 0, "numbers of at least 0, such as weights=1,2,4")

FORMULAS: Mapping[str, Formula] = {
    "mse": Formula(_mse, REGRESSION),
    "mse-sum": Formula(_mse_sum, REGRESSION),
    "mae": Formula(_mae, REGRESSION),
    "huber": Formula(_huber, REGRESSION, {"delta": 1.0}, {"delta": _POSITIVE}),
    "smooth-l1": Formula(_smooth_l1, REGRESSION, {"beta": 1.0}, {"beta": _NOT_NEGATIVE}),
    "cross-entropy": Formula(_cross_entropy, CLASSIFICATION),
    "cross-entropy-sum": Formula(_cross_entropy_sum, CLASSIFICATION),
    "focal": Formula(focal, CLASSIFICATION, {"gamma": 2.0}, {"gamma": _NOT_NEGATIVE}),
    "label-smoothing": Formula(_label_smoothing, CLASSIFICATION, {"smoothing": 0.1}, {"smoothing": _SHARE}),
    "weighted-cross-entropy": Formula(weighted_cross_entropy, CLASSIFICATION, {"weights": ()}, {"weights": _WEIGHTS}),
    "bce": Formula(_bce, BINARY),
}
"""By the name on the command line; `bce` takes logits, and every mean is over all numbers of the output."""
