"""What is known of a number while an optimizer runs with units: its unit, and whether the code itself wrote it."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from lossgauge.units.equation import Site
from lossgauge.units.monomial import ONE, Monomial


@dataclass(frozen=True)
class Tag:
    """The unit of one value.

    Args:
        unit: Its unit; meaningless where `kind` is not `known`.
        kind: `known`, `any` (a zero, an infinity: fits every unit) or `lost` (could not be followed).
        bare: Whether the value is made of numbers written in the code only.
        value: That number, where there is a single one.
        origin: Where it was written.
        factor: The last bare number that was multiplied into a value with units, and where it was written; it is to
            blame when no hyperparameter can explain a clash.
    """

    unit: Monomial = ONE
    kind: str = "known"
    bare: bool = False
    value: float | None = None
    origin: Site | None = None
    factor: tuple[float, Site | None] | None = None

    def times(self, other: "Tag", power: int = 1) -> "Tag":
        """The tag of self·other^power.

        Args:
            other: The second factor.
            power: 1 for a product, -1 for a quotient.

        Returns:
            The tag of the result.
        """
        if "lost" in (self.kind, other.kind):
            return LOST
        if self.kind == "any" or (other.kind == "any" and power > 0):
            return ANY
        if other.kind == "any":
            return ANY
        unit = self.unit * other.unit**power
        if self.bare and other.bare and unit.trivial:
            return Tag(unit, bare=True, value=_combined(self.value, other.value, power), origin=self.origin)
        bare = (self.bare and _symbolic(other)) or (other.bare and _symbolic(self))
        factor = _factor(self) or _factor(other) or self.factor or other.factor
        return Tag(unit, bare=bare, origin=self.origin if self.bare else other.origin if bare else None, factor=factor)

    def to_the(self, power: Fraction) -> "Tag":
        """The tag of self^power.

        Args:
            power: The exponent.

        Returns:
            The tag of the result.
        """
        return self if self.kind != "known" else replace(self, unit=self.unit**power, value=None)

    def same_unit(self) -> "Tag":
        """The tag of a value with the same unit but another magnitude (a mean, an absolute value).

        Returns:
            The tag without a known single value.
        """
        return self if self.value is None else replace(self, value=None)


ANY = Tag(kind="any")
LOST = Tag(kind="lost")
NUMBER = Tag(bare=True)
"""A dimensionless number of no particular value: a count, a random draw, a truth value."""


def literal(value: float) -> Tag:
    """The tag of a number written in the code.

    Args:
        value: The number. 0, ±inf and nan fit every unit; any other number is dimensionless.

    Returns:
        Its tag.
    """
    number = float(value)
    return ANY if number == 0 or not math.isfinite(number) else Tag(bare=True, value=number)


def _factor(tag: Tag) -> tuple[float, Site | None] | None:
    """A number worth blaming: not the ±1 of a sign, unless it is a constant tensor."""
    if not tag.bare or tag.value is None or (abs(tag.value) == 1 and tag.origin is None):
        return None
    return tag.value, tag.origin


def _symbolic(tag: Tag) -> bool:
    """Whether the unit consists of unknown hyperparameters only, such as beta or 1 − beta."""
    return tag.unit.dimension.dimensionless


def _combined(a: float | None, b: float | None, power: int) -> float | None:
    if a is None or b is None or (power < 0 and b == 0):
        return None
    return a * b if power > 0 else a / b
