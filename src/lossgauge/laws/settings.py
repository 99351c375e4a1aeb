"""What a person set, checked against what an optimizer has, entry by entry."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from lossgauge.errors import InputError
from lossgauge.laws.companions import COMPANIONS
from lossgauge.laws.law import Law

_ENTRY = re.compile(r"^(?P<base>.+)\[\d+\]$")


def flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the entries of tuples apart: `eps=(1e-30, 1e-3)` becomes `eps[0]` and `eps[1]`.

    Args:
        settings: Values by name, in their own units.

    Returns:
        New settings without tuples of numbers.
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, (tuple, list)):
            entries = cast("Sequence[Any]", value)
            flat |= {f"{name}[{index}]": entry for index, entry in enumerate(entries)}
        else:
            flat[name] = value
    return flat


def settle(law: Law, given: Mapping[str, Any]) -> dict[str, Any]:
    """The law's defaults with what was given in their place.

    Args:
        law: The law; its names and the companions' names are the ones accepted.
        given: Values by name; tuples whole or entry by entry.

    Returns:
        All settings, tuples entry by entry: the optimizer's first, then its companions.

    Raises:
        InputError: When a name is unknown or a value is not of the kind its default is.
    """
    known = {**dict.fromkeys(law.exponents), **flatten(law.defaults)}
    flat = flatten(given)
    for name, value in flat.items():
        if name not in known and name not in COMPANIONS:
            raise InputError(_unknown(law, name, list(known)))
        check_value(name, value, known.get(name, 1.0 if name in COMPANIONS and name != "threshold_mode" else None))
    if flat.get("threshold_mode", "rel") not in ("rel", "abs"):
        raise InputError(f"threshold_mode is {flat['threshold_mode']!r}, expected 'rel' or 'abs'")
    return flatten(law.defaults) | flat


def check_value(name: str, value: Any, default: Any) -> None:
    """Refuse a value of another kind than the default.

    Args:
        name: The setting's name, for the message.
        value: What was given, in its own units.
        default: The default value, whose kind is expected; None accepts every kind.

    Raises:
        InputError: When a number, true or false was expected and is not given.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} is {value}, expected a finite number")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"{name} is {value!r}, expected true or false")
    elif isinstance(default, (int, float)) and not number:
        raise InputError(f"{name} is {value!r}, expected a number such as 1e-3, 2**-10 or 1/256")


def _unknown(law: Law, name: str, known: list[str]) -> str:
    bases = {match["base"] for entry in known if (match := _ENTRY.match(entry))}
    if name in bases:
        entries = [entry for entry in known if entry.startswith(f"{name}[")]
        return f"{name} of {law.title} has {len(entries)} entries, expected {' or '.join(entries)}, or all with commas"
    match = _ENTRY.match(name)
    if match and match["base"] in known:
        return f"{match['base']} of {law.title} is one number, expected no entry such as {name!r}"
    near = difflib.get_close_matches(name.lower(), {**dict.fromkeys(known), **COMPANIONS}, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    own = ", ".join(known) or "none"
    return f"{law.title} has no setting {name!r}{hint}; expected one of its own ({own}) or of {', '.join(COMPANIONS)}"
