"""Settings that give the same training under another loss multiplier, and the groups they form.

With the loss multiplied by α and every h set to α^(k_h)·h, training goes as before; and "multiply the loss by α and
touch nothing" equals "keep the loss and set h := α^(−k_h)·h".
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from lossgauge.errors import InputError
from lossgauge.laws.law import Law
from lossgauge.units.rational import rational

LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}
"""The largest finite number of each format (IEEE 754; bfloat16 has float32's exponent range)."""


def exact_power(alpha: Fraction, exponent: Fraction) -> Fraction | None:
    """α^k as a rational number, where it is one.

    Args:
        alpha: The multiplier α, dimensionless.
        exponent: k, a rational number.

    Returns:
        The rational number, or None where α^k is irrational.
    """
    raised = alpha**exponent.numerator
    if exponent.denominator == 1:
        return raised
    over, under = (_exact_root(part, exponent.denominator) for part in (raised.numerator, raised.denominator))
    return None if over is None or under is None else Fraction(over, under)


def scaled(value: float, exponent: Fraction, alpha: Fraction) -> float:
    """The value α^k·h.

    Args:
        value: h, in its own units.
        exponent: k.
        alpha: α.

    Returns:
        The nearest float; computed exactly from the decimal text of `value` wherever α^k is rational, so that
        1e-8·1e5 is 0.001. For α = 2^m the result has the same bits as a multiplication.

    Raises:
        InputError: When the result is beyond the largest float64.
    """
    if value == 0 or exponent == 0 or not math.isfinite(value):
        return value
    factor = exact_power(alpha, exponent)
    try:
        exact = _near_power(value, exponent, alpha) if factor is None else float(rational(float(value)) * factor)
    except OverflowError:
        raise InputError(
            f"{value:g}·α^{exponent} is too large for any floating-point format; choose a smaller alpha"
        ) from None
    if exact == 0:
        raise InputError(
            f"{value:g}·α^{exponent} is below the smallest floating-point number; choose an alpha nearer 1"
        )
    shifted = _shift(value, factor) if factor is not None else None
    return exact if shifted is None else shifted


def scale_settings(law: Law, settings: Mapping[str, Any], alpha: Fraction) -> dict[str, Any]:
    """The settings that, with the loss multiplied by α, train as before: h → α^(k_h)·h.

    Args:
        law: The law; quantities that follow another one take its exponent.
        settings: Values by name; tuples are scaled entry by entry (`eps[0]`).
        alpha: α; use 1/α for the opposite direction.

    Returns:
        New settings; whatever carries no loss unit, or has no known exponent, is unchanged.

    Raises:
        InputError: When a scaled value overflows or underflows float64.
    """
    return {name: scale_value(law, name, value, alpha) for name, value in settings.items()}


def scale_value(law: Law, name: str, value: Any, alpha: Fraction) -> Any:
    """One setting under the loss multiplied by α.

    Args:
        law: The law.
        name: The setting's name.
        value: Its value: a number, a tuple of numbers, or anything else (returned unchanged).
        alpha: α.

    Returns:
        α^(k_h)·h, or `value` itself where there is nothing to scale.

    Raises:
        InputError: When the scaled value overflows or underflows float64.
    """
    if isinstance(value, (tuple, list)):
        entries = cast("Sequence[Any]", value)
        scaled_entries = [scale_value(law, f"{name}[{i}]", entry, alpha) for i, entry in enumerate(entries)]
        return tuple(scaled_entries) if isinstance(value, tuple) else scaled_entries
    exponent = law.exponents.get(name, Fraction(0))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or exponent == 0:
        return value
    return scaled(value, exponent, alpha)


def dimensionless_groups(law: Law) -> list[str]:
    """The combinations of α and hyperparameters on which alone the training depends.

    Args:
        law: The law.

    Returns:
        Texts such as `lr·α`, `eps/α`, `initial_accumulator_value/α^2`, one per carrier.
    """
    groups: list[str] = []
    for name, power in law.carriers.items():
        size = abs(power)
        alpha = "α" if size == 1 else f"α^{size}" if size.denominator == 1 else f"α^({size})"
        groups.append(f"{name}/{alpha}" if power > 0 else f"{name}·{alpha}")
    return groups


def _near_power(value: float, exponent: Fraction, alpha: Fraction) -> float:
    """h·α^k where α^k is irrational; the power of two comes last, so that no step in between overflows."""
    turns = float(exponent) * (math.log2(alpha.numerator) - math.log2(alpha.denominator))
    whole = math.floor(turns)
    return math.ldexp(value * 2.0 ** (turns - whole), whole)


def _shift(value: float, factor: Fraction) -> float | None:
    """Multiply by a power of two as the hardware does, so that no decimal reading comes between."""
    if factor.numerator.bit_count() != 1 or factor.denominator.bit_count() != 1:
        return None
    return math.ldexp(value, factor.numerator.bit_length() - factor.denominator.bit_length())


def _exact_root(number: int, degree: int) -> int | None:
    low, high = 1, 1 << (number.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**degree < number else (low, middle)
    return low if low**degree == number else None
