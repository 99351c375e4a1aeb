"""The record of an explanation: what α does to one optimizer with its numbers, and which numbers train the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lossgauge.laws.law import HiddenConstant, texts
from lossgauge.laws.spelling import spell_alpha
from lossgauge.laws.verdict import Verdict

SCHEMA = "lossgauge.explain/1"


@dataclass(frozen=True)
class Counterpart:
    """One parameter group: its settings now, and the settings that correspond to them.

    Args:
        settings: h, in their own units; tuples entry by entry.
        exponents: k_h, the power of the loss in each setting; those without a value are absent.
        equivalent: α^(k_h)·h: with the loss multiplied by α, these train as before.
        untouched: α^(−k_h)·h: with the loss left alone, these do what α does when nothing is touched; None where
            the number is beyond every floating-point format.
    """

    settings: Mapping[str, Any]
    exponents: Mapping[str, Fraction]
    equivalent: Mapping[str, Any]
    untouched: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain data.

        Returns:
            A JSON-ready dictionary; exponents as text.
        """
        return {
            "settings": dict(self.settings),
            "exponents": texts(self.exponents),
            "equivalent": dict(self.equivalent),
            "untouched_means": dict(self.untouched),
        }


@dataclass(frozen=True)
class Explanation:
    """What multiplying the loss by α does to an optimizer.

    Args:
        optimizer: Its target, `module:Class`.
        alpha: The loss multiplier α.
        verdict: Whether the equivalent settings give the same training.
        counterparts: One per parameter group, at least one.
        summary: One sentence a beginner understands.
        untouched: What happens when nothing is touched, in one sentence.
        exact: What is exactly the same, in words.
        inexact: What is not, in words.
        advice: What to do, sentence by sentence.
        dimensionless_groups: Combinations of α and settings on which alone the training depends.
        hidden_constants: Constants in the code with loss units.
        inert: Settings without influence on the weights.
    """

    optimizer: str
    alpha: Fraction
    verdict: Verdict
    counterparts: tuple[Counterpart, ...]
    summary: str
    untouched: str
    exact: tuple[str, ...] = ()
    inexact: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    dimensionless_groups: tuple[str, ...] = ()
    hidden_constants: tuple[HiddenConstant, ...] = ()
    inert: tuple[str, ...] = ()

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the first parameter group."""
        return self.counterparts[0].settings

    @property
    def exponents(self) -> Mapping[str, Fraction]:
        """The exponents in the first parameter group."""
        return self.counterparts[0].exponents

    @property
    def equivalent(self) -> Mapping[str, Any]:
        """The settings that, with the loss multiplied by α, train the first parameter group as before."""
        return self.counterparts[0].equivalent

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the schema version.

        Returns:
            A JSON-ready dictionary; the first parameter group stands at the top, all of them under `param_groups`
            where there are several.
        """
        first = self.counterparts[0].to_dict()
        plain: dict[str, Any] = {
            "schema": SCHEMA,
            "optimizer": self.optimizer,
            "alpha": int(self.alpha) if self.alpha.denominator == 1 else float(self.alpha),
            "alpha_text": spell_alpha(self.alpha),
            "verdict": str(self.verdict),
            "settings": first["settings"],
            "exponents": first["exponents"],
            "equivalent": first["equivalent"],
            "untouched_means": first["untouched_means"],
            "hidden_constants": [vars(constant) for constant in self.hidden_constants],
            "summary": self.summary,
            "untouched": self.untouched,
            "exact": list(self.exact),
            "inexact": list(self.inexact),
            "advice": " ".join(self.advice),
            "advice_lines": list(self.advice),
            "groups": list(self.dimensionless_groups),
            "inert": list(self.inert),
        }
        if len(self.counterparts) > 1:
            plain["param_groups"] = [counterpart.to_dict() for counterpart in self.counterparts]
        return plain
