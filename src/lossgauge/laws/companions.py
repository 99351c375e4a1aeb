"""Settings of what stands beside the optimizer in a training and carries a unit of the loss all the same.

A clip threshold is compared with gradients (L/W), `min_delta` with losses (L), the smallest learning rate of a schedule
with the learning rate; the scale of a `GradScaler` multiplies the loss and has to cancel against α.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lossgauge.laws.law import Law
from lossgauge.laws.table import Row, find_row

RATES = ("lr", "learning_rate")
"""What frameworks call the learning rate."""


@dataclass(frozen=True)
class Companion:
    """One setting beside the optimizer.

    Args:
        owner: What it is a setting of, `module:name` or words.
        measure: What it is compared with: `gradient` or `loss` (exponent +1), `scale` (−1), `rate` (the learning rate's
            exponent), `improvement` (0, or +1 where `threshold_mode` is `abs`), `choice` (none).
        purpose: What it does, in a few words.
    """

    owner: str
    measure: str
    purpose: str


_SCHEDULER = "torch.optim.lr_scheduler:"
COMPANIONS = {
    "max_norm": Companion("torch.nn.utils:clip_grad_norm_", "gradient", "threshold of global-norm clipping"),
    "clip_value": Companion("torch.nn.utils:clip_grad_value_", "gradient", "threshold of value clipping"),
    "min_lr": Companion(_SCHEDULER + "ReduceLROnPlateau", "rate", "smallest learning rate of a schedule"),
    "eta_min": Companion(_SCHEDULER + "CosineAnnealingLR", "rate", "smallest learning rate of a schedule"),
    "max_lr": Companion(_SCHEDULER + "OneCycleLR", "rate", "largest learning rate of a schedule"),
    "base_lr": Companion(_SCHEDULER + "CyclicLR", "rate", "smallest learning rate of a cycle"),
    "initial_lr": Companion("a schedule", "rate", "learning rate at the start of a schedule"),
    "threshold": Companion(_SCHEDULER + "ReduceLROnPlateau", "improvement", "smallest improvement of the loss"),
    "threshold_mode": Companion(_SCHEDULER + "ReduceLROnPlateau", "choice", "`rel` or `abs`"),
    "min_delta": Companion("early stopping", "loss", "smallest improvement of the loss"),
    "init_scale": Companion("torch.amp:GradScaler", "scale", "factor on the loss in mixed precision"),
    "noise_sigma": Companion("gradient noise", "gradient", "standard deviation of noise added to gradients"),
}
"""Setting → what it belongs to. The optimizer's own settings of the same name come first."""

_FIXED = {"gradient": Fraction(1), "loss": Fraction(1), "scale": Fraction(-1)}


def rate_of(law: Law) -> str | None:
    """The name of the learning rate in a law.

    Args:
        law: The law.

    Returns:
        `lr` or `learning_rate`; None where the law knows no learning rate.
    """
    return next((name for name in RATES if name in law.exponents or name in law.defaults), None)


def companion_exponent(name: str, law: Law, settings: Mapping[str, Any]) -> Fraction | None:
    """The power of the loss in a setting beside the optimizer.

    Args:
        name: The setting's name, one of `COMPANIONS`.
        law: The optimizer's law, for settings that follow its learning rate.
        settings: All settings by name; `threshold_mode` decides on `threshold`.

    Returns:
        The exponent; None for a choice, and where the learning rate has no exponent.
    """
    measure = COMPANIONS[name].measure
    if measure == "rate":
        rate = rate_of(law)
        return None if rate is None else law.exponents.get(rate)
    if measure == "improvement":
        return Fraction(settings.get("threshold_mode") == "abs")
    return _FIXED.get(measure)


def companion_row(name: str) -> Row | None:
    """The table's row of what a setting belongs to.

    Args:
        name: The setting's name, one of `COMPANIONS`.

    Returns:
        The row, or None when the table has none.
    """
    owner = COMPANIONS[name].owner
    return find_row(owner) if ":" in owner else None
