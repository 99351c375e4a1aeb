"""Reading and writing exact rational numbers."""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

_FRACTION = re.compile(r"^[+-]?\d+\s*/\s*\d+$")
MAX_DIGITS = 5000
"""Longest decimal expansion accepted: `1e400` is a fair question, `1e99999999` would never end."""


def rational(value: "Fraction | int | float | str | Decimal") -> Fraction:
    """The exact number a person meant by `value`.

    A float is read through its shortest decimal text, so `0.1` is 1/10 and not 3602879701896397/36028797018963968.

    Args:
        value: A number, or text such as `"3/4"`, `"-1"`, `"1e-8"`.

    Returns:
        The number as a fraction in lowest terms.

    Raises:
        ValueError: When `value` is not a finite number, or has an exponent of more than 5000 digits.
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int):
        return Fraction(int(value))
    text = repr(float(value)) if isinstance(value, float) else str(value).strip().replace("_", "")
    if _FRACTION.match(text):
        numerator, denominator = (int(part) for part in text.split("/"))
        if denominator == 0:
            raise ValueError(f"{value!r} divides by zero")
        return Fraction(numerator, denominator)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS:
        raise ValueError(f"{value!r} is not a finite number of reasonable size")
    return Fraction(number)


def simplest(value: float, tolerance: float, largest_denominator: int = 24) -> Fraction | None:
    """The fraction with the smallest denominator within `tolerance` of `value`.

    Args:
        value: The measured number, dimensionless.
        tolerance: Half-width of the accepted interval, dimensionless.
        largest_denominator: Denominators above this are noise, not a law.

    Returns:
        The fraction, or None when no fraction with an allowed denominator is near enough.
    """
    for denominator in range(1, largest_denominator + 1):
        candidate = Fraction(round(value * denominator), denominator)
        if abs(float(candidate) - value) <= tolerance:
            return candidate
    return None
