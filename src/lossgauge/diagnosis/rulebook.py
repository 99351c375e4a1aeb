"""All rules in the order of their codes."""

import difflib

from lossgauge.diagnosis.rule import Rule
from lossgauge.diagnosis.rules import (
    clipping,
    denominators,
    formats,
    lookalikes,
    moments,
    reductions,
    step_sizes,
    terms,
    thresholds,
)
from lossgauge.errors import InputError

_ROOMS = (denominators, moments, formats, clipping, step_sizes, reductions, terms, thresholds, lookalikes)


def _collect() -> tuple[Rule, ...]:
    found = [
        kind()
        for room in _ROOMS
        for kind in vars(room).values()
        if isinstance(kind, type) and issubclass(kind, Rule) and kind.__module__ == room.__name__
    ]
    return tuple(sorted(found, key=lambda rule: rule.code))


RULES: tuple[Rule, ...] = _collect()
"""One of each."""


def find_rule(text: str) -> Rule:
    """The rule a person names.

    Args:
        text: A code such as `LG003` or a name such as `eps-dominates`, in any case.

    Returns:
        The rule.

    Raises:
        InputError: When there is none of that name.
    """
    wanted = text.strip().lower()
    known = {key: rule for rule in RULES for key in (rule.code.lower(), rule.name)}
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    hint = f"; did you mean {known[near[0]].code}, {known[near[0]].name}" if near else ""
    raise InputError(
        f"there is no rule {text!r}{hint}; expected one of the {len(RULES)} from {RULES[0].code} to "
        f"{RULES[-1].code}, or its name"
    )
