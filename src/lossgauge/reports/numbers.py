"""How measured numbers are written for people: few digits, per cent for shares, powers of ten for α."""

import math
from typing import Any

from lossgauge.laws.spelling import spell_value

LOG2_OF_TEN = math.log2(10.0)
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_PLAIN = range(-2, 4)


def read_number(value: Any) -> float | None:
    """A number of a record, whose infinities are text.

    Args:
        value: What stands in the record.

    Returns:
        The number; None for everything that is none (flags included).
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and value not in ("inf", "-inf", "nan"):
        return None
    return float(value)


def spell_short(value: Any, digits: int = 3) -> str:
    """A measured number; its last digits say nothing.

    Args:
        value: The number, or anything else, which is spelled as a setting is.
        digits: Significant digits.

    Returns:
        Text such as `0.0035`, `1.2e-9`, `inf`.
    """
    number = read_number(value)
    if number is None or isinstance(value, int):
        return spell_value(value)
    return spell_value(float(f"{number:.{digits}g}")) if math.isfinite(number) else str(number)


def spell_share(share: float) -> str:
    """A share as per cent.

    Args:
        share: Between 0 and 1.

    Returns:
        Text such as `97 %`, `0.4 %`, `under 0.1 %`; only 0 and 1 themselves become `0 %` and `100 %`.
    """
    if 0 < share < 1e-3:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "over 99.9 %"
    digits = 1 if 0 < share < 0.0995 or 0.9905 < share < 1 else 0
    return f"{100 * share:.{digits}f} %"


def spell_ten(power: int) -> str:
    """A power of ten.

    Args:
        power: The exponent.

    Returns:
        `0.01` to `1000` as such, the others like `10⁻⁹`.
    """
    return f"{10.0**power:g}" if power in _PLAIN else "10" + str(power).translate(SUPERSCRIPTS)


def spell_factor(log2: float) -> str:
    """A factor given by its logarithm, which may lie beyond what a number can hold.

    Args:
        log2: Its power of two.

    Returns:
        Text such as `350`, `2e-9`, `1e5`.
    """
    power = math.floor(log2 / LOG2_OF_TEN)
    digits = 2.0 ** (log2 - power * LOG2_OF_TEN)
    rounded = float(f"{digits:.2g}")
    if rounded >= 10:
        rounded, power = 1.0, power + 1
    return f"{rounded * 10.0**power:g}" if -3 <= power <= 3 else f"{rounded:g}e{power}"
