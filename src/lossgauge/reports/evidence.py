"""The numbers a finding rests on, in words: which of them are shown, and what the trial of its remedy said."""

from collections.abc import Mapping, Sequence
from typing import Any

from lossgauge.reports.numbers import read_number, spell_share, spell_short

DECISIVE = 3
"""How many numbers a reader takes in; rules name the most telling ones first."""
SYMBOLS = {"fault": "✗", "warning": "!", "info": "i"}
TRIED, FAILED = "✓ tried", "✗ tried"
_SHARES = ("share", "fraction")


def choose_numbers(evidence: Mapping[str, Any], most: int = DECISIVE) -> list[tuple[str, str]]:
    """The first numbers of a finding's evidence.

    Args:
        evidence: Name → value; nested ones and lists are left to the JSON document.
        most: How many to show.

    Returns:
        Names in words and spelled values.
    """
    shown = [
        (name.replace("_", " "), _spell(name, value))
        for name, value in evidence.items()
        if isinstance(value, (bool, int, float, str)) and value != ""
    ]
    return shown[:most]


def say_trial(remedy: Mapping[str, Any]) -> str:
    """What trying a remedy showed.

    Args:
        remedy: As in `Finding.to_dict`.

    Returns:
        Text such as `✓ tried: loss 0.99 → 0.0035`, `✗ tried, did not help`, `not tried`; empty without a remedy.
    """
    verified = remedy.get("verified")
    if verified is None:
        return "not tried" if remedy.get("text") else ""
    measured = _say_measured(remedy)
    if verified:
        return f"{TRIED}: {measured}" if measured else f"{TRIED}: it helped"
    return f"{FAILED}, did not help" + (f": {measured}" if measured else "")


def count_severities(findings: Sequence[Mapping[str, Any]]) -> str:
    """How many findings there are of each severity.

    Args:
        findings: As in `Finding.to_dict`.

    Returns:
        Text such as `1 fault, 2 warnings`, or `no findings`.
    """
    counts = {kind: sum(finding["severity"] == kind for finding in findings) for kind in ("fault", "warning")}
    said = [f"{count} {kind}" + ("" if count == 1 else "s") for kind, count in counts.items() if count]
    notes = len(findings) - sum(counts.values())
    said += [f"{notes} for information"] if notes else []
    return ", ".join(said) or "no findings"


def _say_measured(remedy: Mapping[str, Any]) -> str:
    before, after = remedy.get("before"), remedy.get("after")
    if before is None or after is None:
        return ""
    return f"{remedy.get('measure') or 'loss'} {spell_short(before)} → {spell_short(after)}"


def _spell(name: str, value: Any) -> str:
    number = read_number(value)
    if number is not None and any(word in name for word in _SHARES) and 0 <= number <= 1:
        return spell_share(number)
    return spell_short(value) if number is not None else ("yes" if value is True else "no" if value is False else value)
