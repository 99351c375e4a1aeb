"""What `rescale` changed, number by number, as plain data."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lossgauge.laws.spelling import spell_alpha

SCHEMA = "lossgauge.rescale/1"


@dataclass(frozen=True)
class Change:
    """One quantity that went from h to α^k·h.

    Args:
        place: Where it lives: `param_groups[0]`, `defaults`, `state`, `scheduler`, `scaler` or `clip`.
        name: Its name there, such as `eps` or `exp_avg_sq`.
        before: Its value before, in its own units; for state tensors the largest magnitude of all of them.
        after: The same after.
        exponent: k, the power of the loss in it.
        tensors: How many state tensors it stands for, a count; 0 for a single number.
    """

    place: str
    name: str
    before: float
    after: float
    exponent: Fraction
    tensors: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data.

        Returns:
            A JSON-ready dictionary; numbers JSON cannot hold (inf) as text.
        """
        return {
            "place": self.place,
            "name": self.name,
            "before": _plain(self.before),
            "after": _plain(self.after),
            "exponent": str(self.exponent),
            "tensors": self.tensors,
        }


@dataclass(frozen=True)
class Rescaling:
    """Everything one call of `rescale` changed, and what it promises.

    Args:
        optimizer: The optimizer's name, as its law gives it.
        alpha: The loss multiplier α the training continues with, dimensionless.
        verdict: The verdict of the law that was applied.
        exact: Whether the training goes on bit for bit as before, as long as no number leaves its format.
        changes: What changed; quantities that carry no loss units, and zeros, are not listed.
        max_norm: The new threshold of global-norm clipping, in L/W; None where none was given.
        clip_value: The new threshold of value clipping, in L/W; None where none was given.
        notes: What the reader must know: approximations and their reason, and what was left alone.
    """

    optimizer: str
    alpha: Fraction
    verdict: str
    exact: bool
    changes: tuple[Change, ...] = ()
    max_norm: float | None = None
    clip_value: float | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as printed by `--json`.

        Returns:
            A JSON-ready dictionary with the schema's version inside; `alpha_text` is read back exactly.
        """
        return {
            "schema": SCHEMA,
            "optimizer": self.optimizer,
            "alpha": int(self.alpha) if self.alpha.denominator == 1 else float(self.alpha),
            "alpha_text": spell_alpha(self.alpha),
            "verdict": self.verdict,
            "exact": self.exact,
            "changes": [change.to_dict() for change in self.changes],
            "max_norm": _plain(self.max_norm),
            "clip_value": _plain(self.clip_value),
            "notes": list(self.notes),
        }


def _plain(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
