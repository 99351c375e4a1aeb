"""The record of a proof: whether a training with the loss multiplied and everything co-scaled is the same, by bits."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lossgauge.laws.law import Law, texts
from lossgauge.laws.multiplier import spell
from lossgauge.laws.verdict import Verdict

SCHEMA = "lossgauge.prove/1"


@dataclass(frozen=True)
class FirstDifference:
    """The first place where two runs differ.

    Args:
        step: The optimizer step, counted from 1 over all optimizers; 0 is before the first one.
        tensor: The weight tensor's name; empty where the runs differ in the number or order of their steps.
        ulps: The largest distance within the tensor in representable numbers; `inf` or `nan` where one of the runs is
            not finite; None where there is no distance to give.
    """

    step: int
    tensor: str
    ulps: int | str | None = None

    def __str__(self) -> str:
        where = f"step {self.step}, {self.tensor}" if self.tensor else f"step {self.step}"
        return where if self.ulps is None else f"{where}, {self.ulps} ulps"


@dataclass(frozen=True)
class Proof:
    """The outcome of proving a training.

    Args:
        verdict: EXACT, CLOSE, BROKEN or UNDECIDED.
        alpha: The user's loss multiplier α.
        steps: Optimizer steps of the training, a count.
        first_difference: Where the co-scaled twin first differs; for an UNDECIDED training, the untouched repetition.
        violations_caught: Quantities whose exponent, put off by one, changed the bits.
        inert: Quantities for which it changed nothing in this run.
        certified_at: The power of two at which bits were compared.
        reason: Why the verdict is not EXACT, in one line.
        laws: The law of each optimizer in use.
        notes: What else the reader should know.
    """

    verdict: Verdict
    alpha: Fraction
    steps: int = 0
    first_difference: FirstDifference | None = None
    violations_caught: tuple[str, ...] = ()
    inert: tuple[str, ...] = ()
    certified_at: Fraction | None = None
    reason: str = ""
    laws: tuple[Law, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the schema version.

        Returns:
            A JSON-ready dictionary.
        """
        first = self.first_difference
        return {
            "schema": SCHEMA,
            "verdict": str(self.verdict),
            "alpha": _number(self.alpha),
            "steps": self.steps,
            "first_difference": vars(first).copy() if first else None,
            "violations_caught": list(self.violations_caught),
            "inert": list(self.inert),
            "certified_at": None if self.certified_at is None else _number(self.certified_at),
            "reason": self.reason,
            "optimizers": [
                {"target": law.target, "verdict": str(law.verdict), "exponents": texts(law.exponents)}
                for law in self.laws
            ],
            "notes": list(self.notes),
        }


def _number(alpha: Fraction) -> int | float | str:
    """The multiplier as a JSON number, or as text where a double cannot hold it."""
    if alpha.denominator == 1 and alpha.numerator <= 2**53:
        return alpha.numerator
    try:
        value = float(alpha)
    except OverflowError:
        return spell(alpha)
    return value or spell(alpha)
