"""Settings as they are written on the command line: `--set eps=1e-8 --set betas=0.9,0.99 --set nesterov=true`."""

import math
import re
from collections.abc import Iterable
from typing import Any

from lossgauge.errors import InputError
from lossgauge.laws.multiplier import multiplier

_WHOLE = re.compile(r"^[+-]?\d{1,15}$")
_NAME = re.compile(r"^[A-Za-z_]\w*(\[\d+\])?$")
_WORDS = {"true": True, "false": False, "none": None}


def read_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """All settings of one command.

    Args:
        pairs: Texts `name=value`.

    Returns:
        Values by name.

    Raises:
        InputError: When a text is not `name=value`, a name comes twice, or a number is not finite.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not _NAME.match(name) or not text:
            raise InputError(f"--set {pair!r} is not a setting, expected name=value such as eps=1e-8 or eps[0]=1e-30")
        if name in settings or any(_overlap(name, other) for other in settings):
            raise InputError(f"--set gives {name} twice, expected each setting once")
        settings[name] = read_value(name, text)
    return settings


def read_value(name: str, text: str) -> Any:
    """One value.

    Args:
        name: The setting's name, for the message.
        text: A number (`1e-8`, `2**-10`, `1/256`), `true`, `false`, `none`, numbers with commas, or a word.

    Returns:
        An int, float, bool, None, a tuple of these, or the text itself.

    Raises:
        InputError: When a number is not finite, or too large to be one.
    """
    if "," in text:
        return tuple(read_value(name, part.strip()) for part in text.strip("()[]").split(",") if part.strip())
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.match(text):
        return int(text)
    number = _read_number(text)
    if number is not None and not math.isfinite(number):
        raise InputError(f"{name} is {text}, expected a finite number")
    return text if number is None else number


def _read_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    try:
        return sign * float(multiplier(digits))
    except OverflowError:
        return float("inf")
    except InputError:
        return None


def _overlap(name: str, other: str) -> bool:
    """Whether one is a tuple and the other one of its entries."""
    return name.partition("[")[0] == other.partition("[")[0] and ("[" in name) != ("[" in other)
