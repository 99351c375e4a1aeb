"""Dimensions L^a·W^b over the two base units of training: the loss and the weight.

>>> GRADIENT
Dimension(L/W)
>>> GRADIENT**2 == Dimension.parse("L^2/W^2")
True
>>> str(WEIGHT / GRADIENT)
'W^2/L'
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from lossgauge.units.rational import rational

_FACTOR = re.compile(r"(?P<symbol>[LW1])(?:\^(?P<power>\(?[+-]?\d+(?:/\d+)?\)?))?")


@dataclass(frozen=True, order=True)
class Dimension:
    """The dimension L^loss · W^weight.

    Args:
        loss: The power of the loss unit L; under L → αL a quantity becomes α^loss times itself.
        weight: The power of the weight unit W.
    """

    loss: Fraction = Fraction(0)
    weight: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loss", rational(self.loss))
        object.__setattr__(self, "weight", rational(self.weight))

    def __mul__(self, other: "Dimension") -> "Dimension":
        return Dimension(self.loss + other.loss, self.weight + other.weight)

    def __truediv__(self, other: "Dimension") -> "Dimension":
        return Dimension(self.loss - other.loss, self.weight - other.weight)

    def __pow__(self, power: Fraction | int | float | str) -> "Dimension":
        exact = rational(power)
        return Dimension(self.loss * exact, self.weight * exact)

    @property
    def dimensionless(self) -> bool:
        """Whether both powers are zero."""
        return self.loss == 0 and self.weight == 0

    def __str__(self) -> str:
        powers = (("L", self.loss), ("W", self.weight))
        over = [_factor(symbol, power) for symbol, power in powers if power > 0]
        under = [_factor(symbol, -power) for symbol, power in powers if power < 0]
        if not over and not under:
            return "1"
        text = "·".join(over) or "1"
        return f"{text}/{under[0]}" if len(under) == 1 else f"{text}/({'·'.join(under)})" if under else text

    def __repr__(self) -> str:
        return f"Dimension({self})"

    @classmethod
    def parse(cls, text: str) -> "Dimension":
        """Read what `str` writes.

        Args:
            text: For example `"L/W"`, `"W^2/L"`, `"L^(1/2)"`, `"1"`.

        Returns:
            The dimension.

        Raises:
            ValueError: When the text is not a product of powers of L and W with at most one `/` outside a power.
        """
        over, slash, under = _split(text.replace(" ", "").replace("*", "·"))
        if not over or (slash and not under):
            raise ValueError(f"{text!r} is not a dimension: expected for example 'L/W' or 'L^2/W^2'")
        try:
            return _product(cls, over) / _product(cls, under.removeprefix("(").removesuffix(")"))
        except ValueError as error:
            raise ValueError(f"{text!r} is not a dimension: {error}") from None


def _factor(symbol: str, power: Fraction) -> str:
    if power == 1:
        return symbol
    return f"{symbol}^{power}" if power.denominator == 1 else f"{symbol}^({power})"


def _split(text: str) -> tuple[str, str, str]:
    """Cut at the `/` that stands outside parentheses and is followed by a symbol, not by a digit of a power."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "/" and depth == 0:
            return text[:place], "/", text[place + 1 :]
    return text, "", ""


def _product(cls: type[Dimension], text: str) -> Dimension:
    total = cls()
    for factor in text.split("·") if text else []:
        match = _FACTOR.fullmatch(factor)
        if match is None:
            raise ValueError(f"the factor {factor!r} is not L, W or 1 with a rational power")
        power = rational((match["power"] or "1").strip("()"))
        if match["symbol"] != "1":
            total *= cls(loss=power) if match["symbol"] == "L" else cls(weight=power)
    return total


DIMENSIONLESS = Dimension()
LOSS = Dimension(loss=Fraction(1))
WEIGHT = Dimension(weight=Fraction(1))
GRADIENT = LOSS / WEIGHT
