"""The game whose players are the quantities of a training: what each coalition of co-scaled quantities brings about."""

from collections.abc import Mapping
from fractions import Fraction

from lossgauge.experiments.measurements import Measured
from lossgauge.experiments.shapley import Coalition

VISIBLE = Fraction(1, 1000)
"""The share of the total from which rounding, or a hidden constant, is a part of its own; below, it lies within the
others, and a quantity that is the only one carries all."""


class Game:
    """Outcomes as exact fractions.

    Where one of the two ends diverged, an outcome is 1 for a run that diverged and 0 for one that did not. Where only
    runs between them did, these count as much as the finite one that is farthest from the untouched training.
    """

    def __init__(
        self,
        reference: Measured,
        found: Mapping[Coalition, Measured],
        everybody: Coalition,
        end: Measured | None = None,
        forgiving: bool = False,
    ) -> None:
        """Take what was measured.

        Args:
            reference: The untouched training.
            found: What was measured at α with less than everything co-scaled, by what was co-scaled.
            everybody: All quantities.
            end: What was measured at α with everything co-scaled; None for the untouched training, which it is by the
                change of units.
            forgiving: Whether a difference between the two that nobody would see is taken for none.
        """
        nobody: Coalition = frozenset()
        ends = () if end is None else (end,)
        self.divergent = reference.diverged != found[nobody].diverged
        finite = [Fraction(one.value) for one in (*found.values(), *ends, reference) if not one.diverged]
        self._start = Fraction(int(reference.diverged)) if self.divergent else Fraction(reference.value)
        self._worst = max(finite, key=lambda value: abs(value - self._start), default=Fraction(0))
        self._values = {some: self._value(one) for some, one in found.items()}
        self.replaced = 0 if self.divergent else sum(one.diverged for one in (*found.values(), *ends))
        self.total = self._values[nobody] - self._start
        rest = Fraction(0) if end is None else self._value(end) - self._start
        self.forgiven = forgiving and 0 < abs(rest) < VISIBLE * abs(self.total)
        self._values.setdefault(everybody, self._start if self.forgiven else self._start + rest)
        self.remainder = self._values[everybody] - self._start

    def worth(self, some: Coalition) -> Fraction:
        """How much of the change is gone.

        Args:
            some: What is co-scaled.

        Returns:
            v(∅) − v(S), in the unit of the outcome.
        """
        return self._values[frozenset()] - self._values[some]

    def _value(self, one: Measured) -> Fraction:
        if self.divergent:
            return Fraction(int(one.diverged))
        return self._worst if one.diverged else Fraction(one.value)
