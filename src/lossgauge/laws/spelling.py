"""Numbers and lists as a person would write them in a sentence or a table.

>>> spell_value(1e-08), spell_value(100000.0), spell_value(True), spell_list(["lr", "eps", "weight_decay"])
('1e-8', '1e5', 'true', 'lr, eps and weight_decay')
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, cast

from lossgauge.laws.multiplier import spell

_EXPONENT = re.compile(r"e([+-])0*(\d)")


def spell_value(value: Any) -> str:
    """A setting's value in at most six significant digits.

    Args:
        value: A number in its own units, a flag, a choice, None, or a tuple of these.

    Returns:
        Text such as `1e-8`, `0.001`, `true`, `none`.
    """
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(spell_value(entry) for entry in cast("Sequence[Any]", value)) + ")"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (int, float)):
        return str(value)
    plain = f"{value:.6g}"
    if value and not 1e-3 <= abs(value) < 1e4 and "e" not in plain:
        digits, _, power = f"{value:.5e}".partition("e")
        return min(plain, _tidy(f"{digits.rstrip('0').rstrip('.')}e{power}"), key=len)
    return _tidy(plain)


def spell_alpha(alpha: Fraction) -> str:
    """The loss multiplier, without the zeros of `1e+05`.

    Args:
        alpha: α.

    Returns:
        Text that `multiplier` reads back: `1e5`, `2**17`, `1/256`.
    """
    whole = alpha.denominator == 1 and alpha.numerator < 10**15
    return spell_value(alpha.numerator) if whole and alpha.numerator % 10**4 == 0 else _tidy(spell(alpha))


def spell_power(base: str, exponent: Fraction) -> str:
    """A power as text.

    Args:
        base: What is raised, such as `α` or `L`.
        exponent: The power.

    Returns:
        `α`, `α^2`, `α^(-1/2)`, or `1` for the power 0.
    """
    if exponent == 0:
        return "1"
    if exponent == 1:
        return base
    return f"{base}^{exponent}" if exponent > 0 and exponent.denominator == 1 else f"{base}^({exponent})"


def spell_list(words: Sequence[str], last: str = "and") -> str:
    """A list in a sentence.

    Args:
        words: Its entries.
        last: The word before the last one.

    Returns:
        `a`, `a and b`, `a, b and c`.
    """
    return f" {last} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def _tidy(text: str) -> str:
    return _EXPONENT.sub(lambda match: "e" + match[1].replace("+", "") + match[2], text)
