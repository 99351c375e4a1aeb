"""What a change of the loss function does to the gradient: how much is a pure factor, how much another direction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

from lossgauge.laws.law import texts
from lossgauge.laws.spelling import spell_alpha
from lossgauge.records.alignment import Point

SCHEMA = "lossgauge.compare/1"


class Relation(StrEnum):
    """What the second loss is to the first one."""

    IDENTICAL = "identical"
    PURE = "pure factor"
    PER_BATCH = "a factor per batch"
    MOSTLY = "mostly a factor"
    DIFFERENT = "a different direction"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Course:
    """The comparison along one training.

    Args:
        along: The loss it was trained with, `a` or `b`.
        points: At steps 0, 1, 2, 5, 10 and so on.
        alpha: The factor taken out of the optimizer's settings beforehand, dimensionless.
        diverged: The step at which a loss was not finite any more; None where that did not happen.
    """

    along: str
    points: tuple[Point, ...]
    alpha: Fraction = Fraction(1)
    diverged: int | None = None


@dataclass(frozen=True)
class Compensation:
    """What to set so that the pure factor is taken out and the loss function's real effect remains.

    Args:
        step: For the factor measured after this many steps.
        alpha: The factor, as used, dimensionless.
        optimizer: The optimizer's name.
        verdict: Whether its law holds: one of the five words.
        settings: h with the first loss, in their own units.
        exponents: k_h, the power of the loss in each of them.
        equivalent: α^(k_h)·h, to be set with the second loss.
        advice: What to do, in one sentence.
        states: The states of a live optimizer that are in units of the loss too, and k of each; `rescale` converts
            them together with the settings.
    """

    step: int
    alpha: Fraction
    optimizer: str
    verdict: str
    settings: Mapping[str, Any]
    exponents: Mapping[str, Fraction]
    equivalent: Mapping[str, Any]
    advice: str
    states: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])

    def to_dict(self) -> dict[str, Any]:
        """Plain data.

        Returns:
            A JSON-ready dictionary; exponents as text.
        """
        alpha = int(self.alpha) if self.alpha.denominator == 1 else float(self.alpha)
        mappings = {"settings": dict(self.settings), "equivalent": dict(self.equivalent)}
        return {**vars(self), "alpha": alpha, "alpha_text": spell_alpha(self.alpha), **mappings,
                "exponents": texts(self.exponents), "states": texts(self.states)}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Everything one call of `compare` measured.

    Args:
        loss_a: The first loss, as it was named.
        loss_b: The second one.
        relation: What the second is to the first.
        share: The share of ‖g_b‖² that one factor explains, mean over all points measured.
        start: At the weights as they were given.
        courses: Along a training with each loss; empty where nothing was trained.
        compensations: For the factor at the start, and after training where it has moved.
        sizes: How many samples each batch has, counts; empty where that is not known.
        tolerance: How far cos² may lie below 1 and still be called 1, for the number format of the weights.
        used: What it was measured with: `model`, `batches`, `optimizer`, `steps`.
        notes: What else the reader should know.
    """

    loss_a: str
    loss_b: str
    relation: Relation
    share: float | None
    start: Point
    courses: tuple[Course, ...] = ()
    compensations: tuple[Compensation, ...] = ()
    sizes: tuple[int, ...] = ()
    tolerance: float = 1e-6
    used: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The relation in words, with its share where that is not all."""
        if self.relation is Relation.MOSTLY and self.share is not None:
            return f"{self.relation} ({min(99, round(100 * self.share))} %)"
        return str(self.relation)

    @property
    def alpha_eff(self) -> float | None:
        """α_eff at the start, one factor for all batches, dimensionless."""
        return self.start.total.alpha_eff

    @property
    def cos2(self) -> float | None:
        """The share of ‖g_b‖² that this factor explains at the start."""
        return self.start.total.cos2

    def course(self, along: str) -> Course | None:
        """The comparison along one training.

        Args:
            along: `a` or `b`.

        Returns:
            The course, or None where nothing was trained.
        """
        return next((course for course in self.courses if course.along == along), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the schema version.

        Returns:
            A JSON-ready dictionary.
        """
        start, first = self.start, self.course("a")
        last = first.points[-1] if first and len(first.points) > 1 else None
        settings = self.compensations[0].to_dict() if self.compensations else None
        return {
            "schema": SCHEMA,
            "loss_a": self.loss_a,
            "loss_b": self.loss_b,
            "verdict": str(self.relation),
            "verdict_text": self.verdict,
            "share": self.share,
            **{name: value for name, value in start.to_dict().items() if name != "step"},
            "per_batch": [batch.to_dict() for batch in start.batches],
            "batch_sizes": list(self.sizes),
            "per_layer": [layer.to_dict() for layer in start.layers],
            "per_layer_trained": [layer.to_dict() for layer in last.layers] if last else [],
            "over_training": {course.along: [point.to_dict() for point in course.points] for course in self.courses},
            "weights": start.weights.to_dict() if start.weights else None,
            "weights_trained": last.weights.to_dict() if last and last.weights else None,
            "settings": settings["settings"] if settings else {},
            "equivalent": settings["equivalent"] if settings else {},
            "compensations": [compensation.to_dict() for compensation in self.compensations],
            "tolerance": self.tolerance,
            "used": dict(self.used or {}),
            "notes": list(self.notes),
        }
