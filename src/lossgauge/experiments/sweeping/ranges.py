"""The values of one axis of a plan, as a person writes them: a number, a list, or a range as text.

- `"2**-20..2**20 step 2**4"`: a step that is written as a power multiplies.
- `"0..0.1 step 0.02"`: any other step is added.
- `"1e-5..1e-1 log 9"`: nine values, each the same multiple of the one before.
- `"0..1 even 5"`: five values at equal distances.

>>> [str(value) for value in read_axis("alpha", "2**-8..2**8 step 2**8")]
['1/256', '1', '256']
>>> [float(value) for value in read_axis("lr", "1e-5..1e-3 log 3")]
[1e-05, 0.0001, 0.001]
"""

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, cast

from lossgauge.errors import InputError
from lossgauge.laws.equivalence import exact_power
from lossgauge.laws.multiplier import multiplier
from lossgauge.units.rational import rational

MOST = 100_000
"""The most values of one axis, and the most settings of a plan."""

_RANGE = re.compile(r"^(?P<first>.+?)\.\.(?P<last>.+?)\s+(?P<way>[a-z]+)\s+(?P<size>\S+)$")
_LONGEST = 50_000
"""Binary digits of the longest value; exact products of a factor such as 1.0001 grow with every one."""
_WORDS = {"true": True, "false": False, "none": None}
_FORMS = "a list, or a range such as '2**-20..2**20 step 2**4', '0..0.1 step 0.02', '1e-5..1e-1 log 9' or '0..1 even 5'"


def read_axis(name: str, written: Any) -> list[Any]:
    """All values of one axis, each once.

    Args:
        name: What the axis is called, for messages.
        written: A number, a flag, a text, a range as text, or a list of these; an inner list is a tuple.

    Returns:
        Numbers as fractions, exactly as written; flags, None, other texts and tuples as they are.

    Raises:
        InputError: When there is no value, or a range cannot be read.
    """
    if isinstance(written, str) and ".." in written:
        values: list[Any] = list(_read_range(name, written))
    elif isinstance(written, (list, tuple)):
        values = [read_entry(name, entry) for entry in cast("Sequence[Any]", written)]
    else:
        values = [read_entry(name, written)]
    if not values:
        raise InputError(f"{name} has no values, expected {_FORMS}")
    return list({(type(value).__name__, value): value for value in values}.values())


def read_entry(name: str, written: Any) -> Any:
    """One value.

    Args:
        name: What it is a value of, for messages.
        written: A number, text such as `2**-10`, `1/256` or `none`, a flag, or a list of numbers.

    Returns:
        A number as a fraction; a flag, None, a tuple, or a text that is no number.

    Raises:
        InputError: When it is of no such kind, or not finite.
    """
    if isinstance(written, (list, tuple)):
        return tuple(read_entry(name, entry) for entry in cast("Sequence[Any]", written))
    if written is None or isinstance(written, bool):
        return written
    if isinstance(written, str):
        text = written.strip()
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        number = _read_number(text)
        return text if number is None else number
    if not isinstance(written, (int, float, Fraction)):
        raise InputError(f"{name} is {written!r}, expected a number, true, false, a text, {_FORMS}")
    if isinstance(written, float) and not math.isfinite(written):
        raise InputError(f"{name} is {written}, expected a finite number")
    # A float from TOML is what was typed: 1e-3 is a thousandth, and 2**-30 as a float is exactly that power of two.
    return rational(written) if not isinstance(written, float) or not _binary(written) else Fraction(written)


def _binary(value: float) -> bool:
    """Whether a float has few binary digits, so that it was meant exactly."""
    return Fraction(value).numerator.bit_length() <= 24


def _read_number(text: str) -> Fraction | None:
    """A number as text, powers of two and fractions included; None for what is no number."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    try:
        return Fraction(0) if _is_zero(digits) else sign * multiplier(digits)
    except InputError:
        return None


def _is_zero(text: str) -> bool:
    """Whether a text is some way of writing zero."""
    try:
        return rational(text) == 0
    except ValueError:
        return False


def _read_range(name: str, text: str) -> list[Fraction]:
    match = _RANGE.match(text.strip())
    ends = [_read_number(match[part].strip()) for part in ("first", "last")] if match else []
    if match is None or match["way"] not in ("step", "log", "even") or None in ends:
        raise InputError(f"{name} is {text!r}, expected {_FORMS}")
    first, last = cast("list[Fraction]", ends)
    size = _read_number(match["size"])
    if match["way"] == "step":
        powers = "**" in match["size"] or "^" in match["size"]
        return _multiply(name, text, first, last, size) if powers else _add(name, text, first, last, size)
    if size is None or size.denominator != 1 or not 2 <= size <= MOST:
        raise InputError(f"{name} is {text!r}, expected a whole number of values from 2 to {MOST} at the end")
    count = int(size)
    if match["way"] == "even":
        return [first + (last - first) * index / (count - 1) for index in range(count)]
    if first <= 0 or last <= 0:
        raise InputError(f"{name} is {text!r}, expected both ends above 0 where the values are spaced by factors")
    return [_between(first, last, Fraction(index, count - 1)) for index in range(count)]


def _between(first: Fraction, last: Fraction, part: Fraction) -> Fraction:
    """first·(last/first)^part, exact wherever it is rational."""
    factor = exact_power(last / first, part)
    if factor is not None:
        return first * factor
    try:
        value = float(first) * float(last / first) ** float(part)
    except OverflowError:
        value = math.inf
    if 0 < value < math.inf and float(first) > 0:
        return rational(value)
    # Where a float ends in between: the whole power of two exactly, the rest as a float.
    power = _log2(first) + float(part) * (_log2(last) - _log2(first))
    return Fraction(2) ** math.floor(power) * Fraction(2.0 ** (power % 1))


def _multiply(name: str, text: str, first: Fraction, last: Fraction, step: Fraction | None) -> list[Fraction]:
    if step is None or step <= 0 or step == 1 or first <= 0 or last <= 0 or (last >= first) != (step > 1):
        raise InputError(f"{name} is {text!r}, expected a factor that leads from the first value to the last")
    turns = (_log2(last) - _log2(first)) / _log2(step)
    digits = turns * max(step.numerator, step.denominator).bit_length()
    if turns > MOST or digits > _LONGEST:
        raise InputError(f"{name} is {text!r}, which is too many values or too long ones; write first..last log count")
    values = [first * step**turn for turn in range(int(turns) + 2)]
    return [value for value in values if (value <= last if step > 1 else value >= last)]


def _log2(value: Fraction) -> float:
    return math.log2(value.numerator) - math.log2(value.denominator)


def _add(name: str, text: str, first: Fraction, last: Fraction, step: Fraction | None) -> list[Fraction]:
    if not step or (last - first) / step < 0:
        raise InputError(f"{name} is {text!r}, expected a step that leads from the first value to the last")
    count = int((last - first) / step) + 1
    if count > MOST:
        raise InputError(f"{name} is {text!r}, which is more than {MOST} values; give a larger step")
    return [first + step * index for index in range(count)]
