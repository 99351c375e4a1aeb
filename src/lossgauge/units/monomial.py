"""Units that are still being found out: a known dimension times powers of unknown hyperparameter units.

While an optimizer runs with unit-carrying numbers, the unit of `lr` is not known yet; it is the symbol `lr`. A quantity
then has the unit L^a·W^b·∏ h^(k_h), and every addition or comparison asks for two such units to be equal.

>>> step = Monomial.of("lr") * Monomial(GRADIENT)
>>> str(step / Monomial(WEIGHT))
'L/W^2·[lr]'
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from lossgauge.units.dimension import DIMENSIONLESS, GRADIENT, WEIGHT, Dimension

__all__ = ["GRADIENT", "ONE", "WEIGHT", "Monomial"]


@dataclass(frozen=True)
class Monomial:
    """The unit L^a·W^b·∏ h^(k_h).

    Args:
        dimension: The known part, L^a·W^b.
        powers: The power k_h of each hyperparameter's unknown unit; zeros are dropped.
    """

    dimension: Dimension = DIMENSIONLESS
    powers: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])

    def __post_init__(self) -> None:
        kept = {name: Fraction(power) for name, power in sorted(self.powers.items()) if power}
        object.__setattr__(self, "powers", MappingProxyType(kept))

    @classmethod
    def of(cls, hyperparameter: str) -> "Monomial":
        """The unknown unit of one hyperparameter.

        Args:
            hyperparameter: Its name, such as `lr` or `betas[0]`.

        Returns:
            The monomial with that single symbol.
        """
        return cls(powers={hyperparameter: Fraction(1)})

    def __mul__(self, other: "Monomial") -> "Monomial":
        names = self.powers.keys() | other.powers.keys()
        powers = {n: self.powers.get(n, Fraction(0)) + other.powers.get(n, Fraction(0)) for n in names}
        return Monomial(self.dimension * other.dimension, powers)

    def __truediv__(self, other: "Monomial") -> "Monomial":
        return self * other**-1

    def __pow__(self, power: Fraction | int) -> "Monomial":
        exact = Fraction(power)
        return Monomial(self.dimension**exact, {name: k * exact for name, k in self.powers.items()})

    def __hash__(self) -> int:
        return hash((self.dimension, tuple(self.powers.items())))

    @property
    def trivial(self) -> bool:
        """Whether it is the unit 1, with no unknowns."""
        return self.dimension.dimensionless and not self.powers

    def evaluate(self, known: Mapping[str, Dimension]) -> Dimension | None:
        """The dimension this unit has once the hyperparameters' dimensions are known.

        Args:
            known: The dimension of each hyperparameter found so far.

        Returns:
            The dimension, or None while one of its hyperparameters is unknown.
        """
        result = self.dimension
        for name, power in self.powers.items():
            if name not in known:
                return None
            result *= known[name] ** power
        return result

    def __str__(self) -> str:
        parts = [] if self.dimension.dimensionless and self.powers else [str(self.dimension)]
        parts += [f"[{name}]" if power == 1 else f"[{name}]^{power}" for name, power in self.powers.items()]
        return "·".join(parts)


ONE = Monomial()
