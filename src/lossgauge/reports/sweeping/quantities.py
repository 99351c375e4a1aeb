"""What the pictures of a sweep measure out: magnitudes by their logarithm, and the groups they form with α."""

import math
from fractions import Fraction

from lossgauge.laws.equivalence import exact_power
from lossgauge.laws.law import Law
from lossgauge.records.sweep import Setting, Value
from lossgauge.reports.sweeping.row import Row


def carriers(setting: Setting, law: Law | None) -> dict[str, Fraction]:
    """The hyperparameters of a setting that carry loss units and are not 0.

    Args:
        setting: The setting.
        law: Its law; without one nothing is known to carry any.

    Returns:
        Name → exponent; numbers only, not the entries of tuples.
    """
    if law is None or not law.lawful:
        return {}
    return {name: power for name, power in law.carriers.items() if positive(setting.hyperparameters.get(name))}


def positive(value: Value) -> bool:
    """Whether a hyperparameter is a number above 0, so that it has a logarithm.

    Args:
        value: Its value.

    Returns:
        False for flags, tuples and None.
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def log2_of(number: "Fraction | float | int") -> float:
    """The power of two of a positive number, however large.

    Args:
        number: The number.

    Returns:
        log₂ of it.
    """
    exact = Fraction(number)
    return math.log2(exact.numerator) - math.log2(exact.denominator)


def log2_alpha(row: Row) -> float:
    """The loss multiplier of a row as a power of two.

    Args:
        row: The row.

    Returns:
        log₂ α.
    """
    return log2_of(row.setting.alpha)


def log2_value(row: Row, name: str) -> float:
    """A hyperparameter of a row as a power of two.

    Args:
        row: The row.
        name: The hyperparameter; it is positive.

    Returns:
        log₂ h.
    """
    value = row.setting.hyperparameters[name]
    return log2_of(value) if isinstance(value, (int, float)) else math.nan


def log2_group(row: Row, name: str, power: Fraction) -> float:
    """The dimensionless group a hyperparameter forms with α, as a power of two: h/α^k.

    Args:
        row: The row.
        name: The hyperparameter; it is positive.
        power: k, its exponent.

    Returns:
        log₂(h/α^k), exact before the logarithm wherever α^k is rational.
    """
    value, factor = row.setting.hyperparameters[name], exact_power(row.setting.alpha, power)
    if factor is None or not isinstance(value, (int, float)):
        return log2_value(row, name) - float(power) * log2_alpha(row)
    return log2_of(Fraction(value) / factor)


def spell_group(name: str, power: Fraction) -> str:
    """A dimensionless group by the letters of the theory.

    Args:
        name: The hyperparameter.
        power: Its exponent k.

    Returns:
        Text such as `lr·α`, `ε/α`, `λ/α²`.
    """
    size = abs(power)
    alpha = {1: "α", 2: "α²"}.get(size.numerator, f"α^{size}") if size.denominator == 1 else f"α^({size})"
    return f"{letter(name)}{'/' if power > 0 else '·'}{alpha}"


def letter(name: str) -> str:
    """What a hyperparameter is called in a picture.

    Args:
        name: Its name in the optimizer.

    Returns:
        ε and λ for `eps` and `weight_decay`, any other name as it is.
    """
    return {"eps": "ε", "epsilon": "ε", "weight_decay": "λ"}.get(name, name)
