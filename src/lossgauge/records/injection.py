"""What is done to a training while it runs: the loss multiplier, the exponents of everything else, the treatments."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from lossgauge.laws.law import Law, texts
from lossgauge.records.plain import from_plain, to_plain
from lossgauge.records.treatment import Treatment

COMPANION_EXPONENTS: Mapping[str, Fraction] = {
    "max_norm": Fraction(1),
    "clip_value": Fraction(1),
    "threshold": Fraction(1),
    "init_scale": Fraction(-1),
}
"""The power of the loss in what stands beside the optimizer: clip thresholds are compared with gradients, the threshold
of a plateau (where it is absolute) with losses, and the scale of mixed precision has to cancel against α."""


STATES = "states"
"""What the optimizers remember when they make their first step, of a checkpoint that was loaded."""


@dataclass(frozen=True)
class Injection:
    """A change of units laid over a training. The default one changes nothing.

    A quantity is named `NAdam.eps` or `NAdam.betas[0]` where it belongs to an optimizer, and by its own name
    (`max_norm`, `clip_value`, `threshold`, `init_scale`) where it stands beside one; `states` are all those that were
    loaded from a checkpoint.

    Args:
        alpha: The loss multiplier α.
        laws: The law of each optimizer, in the order in which the optimizers make their first step.
        companions: The power of the loss in each quantity beside the optimizers.
        co_scaled: The quantities that are co-scaled; None for all of them.
        planted: By how much the exponent of a quantity is deliberately off.
        treatments: The changes that are tried on top of it.
    """

    alpha: Fraction = Fraction(1)
    laws: tuple[Law, ...] = ()
    companions: Mapping[str, Fraction] = field(default_factory=lambda: dict(COMPANION_EXPONENTS))
    co_scaled: frozenset[str] | None = None
    planted: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    treatments: tuple[Treatment, ...] = ()

    @property
    def active(self) -> bool:
        """Whether it changes the units at all."""
        return self.alpha != 1

    def law_at(self, index: int) -> Law | None:
        """The law optimizer number `index` is co-scaled with, subsets and planted violations included.

        Args:
            index: The optimizer's number in the order of first steps, from 0.

        Returns:
            The law with the exponents that apply, or None where none is known.
        """
        if index >= len(self.laws):
            return None
        law = self.laws[index]
        exponents = {name: self.exponent(f"{law.title}.{name}", power) for name, power in law.exponents.items()}
        return replace(law, exponents=exponents)

    def companion(self, name: str) -> Fraction:
        """The exponent a quantity beside the optimizers is co-scaled with.

        Args:
            name: `max_norm`, `clip_value`, `threshold` or `init_scale`.

        Returns:
            The exponent, 0 where the quantity stays as it is.
        """
        return self.exponent(name, self.companions.get(name, Fraction(0)))

    def exponent(self, quantity: str, own: Fraction) -> Fraction:
        """The exponent a quantity is co-scaled with.

        Args:
            quantity: Its full name.
            own: Its exponent by law.

        Returns:
            `own`, or 0 where it is not co-scaled, plus what was planted.
        """
        kept = self.co_scaled is None or quantity in self.co_scaled
        return (own if kept else Fraction(0)) + self.planted.get(quantity, Fraction(0))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as handed to a child process.

        Returns:
            A JSON-ready dictionary.
        """
        return {
            "alpha": str(self.alpha),
            "laws": [law.to_dict() for law in self.laws],
            "companions": texts(self.companions),
            "co_scaled": None if self.co_scaled is None else sorted(self.co_scaled),
            "planted": texts(self.planted),
            "treatments": to_plain(self.treatments),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Injection":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The injection.
        """
        return cls(
            alpha=Fraction(plain["alpha"]),
            laws=tuple(Law.from_dict(law) for law in plain["laws"]),
            companions={name: Fraction(text) for name, text in plain["companions"].items()},
            co_scaled=None if plain["co_scaled"] is None else frozenset(plain["co_scaled"]),
            planted={name: Fraction(text) for name, text in plain["planted"].items()},
            treatments=tuple(from_plain(Treatment, one) for one in plain.get("treatments", ())),
        )
