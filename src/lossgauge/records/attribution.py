"""The record of an attribution: what carried the change of a training whose loss was multiplied."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lossgauge.laws.multiplier import spell

SCHEMA = "lossgauge.why/1"
ATTRIBUTED = "attributed"
ROUNDING = "rounding, amplified by training"
UNCHANGED = "nothing changes"
"""The verdicts beside UNDECIDED."""


@dataclass(frozen=True)
class Part:
    """A part of the change.

    Args:
        name: The quantity that carried it: `eps`, `SGD.lr` where several optimizers have one, `max_norm`; or
            `rounding`, `hidden constant`, `number format`, `unexplained`.
        share: Its share of the whole, dimensionless; all shares add up to 1, and may lie outside of 0 to 1 where parts
            cancel.
        value: The part itself, in the unit of the outcome.
        quantity: The full name: `NAdam.eps`; empty for what is no quantity.
        exponent: The power of the loss in it.
        own: Its value in the training, in its own units; None where it has several.
        equivalent: The value that does without the multiplier what leaving it alone does with it: α^(−k)·own.
        low: The lower end of the 95 % interval of the share, where orders were drawn; None where the share is exact.
        high: The upper end.
        reason: What else is known of it, in one line.
    """

    name: str
    share: float
    value: float
    quantity: str = ""
    exponent: Fraction | None = None
    own: float | None = None
    equivalent: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data.

        Returns:
            A JSON-ready dictionary without what is not known.
        """
        plain = {**vars(self), "exponent": None if self.exponent is None else str(self.exponent)}
        return {name: value for name, value in plain.items() if value not in (None, "")}


@dataclass(frozen=True)
class Interaction:
    """What two quantities do together beyond what each does alone.

    Args:
        names: The two.
        value: The interaction index of the pair, in the unit of the outcome.
        share: Relative to the total: above 0 it takes co-scaling both to undo the change, below 0 either one will do.
    """

    names: tuple[str, str]
    value: float
    share: float


@dataclass(frozen=True)
class Attribution:
    """What carried a change, in parts that add up to all of it.

    Args:
        alpha: The loss multiplier α.
        verdict: `attributed`, `rounding, amplified by training`, `nothing changes` or `UNDECIDED`.
        outcome: What was compared: as asked for, or `divergence` where one side is not finite.
        reference: The outcome asked for at α = 1, in its own unit.
        multiplied: The same at α with nothing co-scaled.
        total: The change of `outcome`; 0 − 1 or 1 − 0 for a divergence.
        parts: The parts, the largest first.
        rounding_floor: Changes up to here are no larger than what rounding does, in the unit of the outcome; None where
            it has no meaning.
        sufficient: The parts whose equivalent values, set together, do without the multiplier what it does, to within a
            twentieth of the change; empty where that is not known.
        interactions: Pairs that carry more than a tenth of the total.
        raw_parts: The parts as computed, where they are below the floor and `parts` says `rounding`.
        runs: `made` for the attribution, `reused` (equal to one already made), `checks` (the untouched training twice,
            the co-scaled twin, rounding), `kept` (left by an interrupted attempt).
        co_scaled_identical: Whether the twin with everything co-scaled, at the power of two next to α, has the bits of
            the untouched training.
        exact: Whether all subsets were run; otherwise orders were drawn.
        asked: The outcome asked for.
        title: What the outcome is called in a sentence.
        training: What was run.
        steps: Optimizer steps of the untouched training.
        reason: Why it is UNDECIDED.
        notes: What else the reader should know.
    """

    alpha: Fraction
    verdict: str
    outcome: str
    reference: float | None = None
    multiplied: float | None = None
    total: float | None = None
    parts: tuple[Part, ...] = ()
    rounding_floor: float | None = None
    sufficient: tuple[str, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    raw_parts: tuple[Part, ...] = ()
    runs: dict[str, int] = field(default_factory=dict[str, int])
    co_scaled_identical: bool | None = None
    exact: bool = True
    asked: str = ""
    title: str = ""
    training: str = ""
    steps: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()

    def share(self, name: str) -> float:
        """The share of one part.

        Args:
            name: Its name, short or full.

        Returns:
            The share; 0 where there is no such part.
        """
        return next((part.share for part in self.parts if name in (part.name, part.quantity)), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the schema version.

        Returns:
            A JSON-ready dictionary.
        """
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "alpha": float(self.alpha) if self.alpha.denominator > 1 else _whole(self.alpha),
            "spelled": spell(self.alpha),
            "outcome": self.outcome,
            "asked": self.asked,
            "title": self.title,
            "training": self.training,
            "steps": self.steps,
            "reference": self.reference,
            "multiplied": self.multiplied,
            "total": self.total,
            "parts": [part.to_dict() for part in self.parts],
            "rounding_floor": self.rounding_floor,
            "sufficient": list(self.sufficient),
            "interactions": [
                {"names": list(pair.names), "value": pair.value, "share": pair.share} for pair in self.interactions
            ],
            "raw_parts": [part.to_dict() for part in self.raw_parts],
            "co_scaled_identical": self.co_scaled_identical,
            "exact": self.exact,
            "runs": dict(self.runs),
            "reason": self.reason,
            "notes": list(self.notes),
        }


def _whole(alpha: Fraction) -> int | str:
    return alpha.numerator if alpha.numerator <= 2**53 else spell(alpha)
