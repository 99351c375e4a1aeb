"""The page of the documentation that shows the table of laws."""

from collections.abc import Iterable, Mapping

from lossgauge.laws.law import Law
from lossgauge.laws.table import Row
from lossgauge.reports.layout import shorten_place

HEADINGS = {"optimizer": "Optimizers", "clip": "Clip functions", "schedule": "Schedules"}

_INTRODUCTION = """# The laws

Generated from the installed frameworks; do not edit. A number is the power of the loss in that quantity: with the loss
multiplied by α, a setting with exponent k becomes α^k times itself, and the training stays the same. What is not listed
has exponent 0. Verdicts: **EXACT** bit for bit, **BROKEN** no exponents exist.
"""


def write_page(rows: Mapping[str, Row]) -> str:
    """The page as Markdown.

    Args:
        rows: Target → row.

    Returns:
        The text, ending in a newline.
    """
    parts = [_INTRODUCTION]
    for kind, heading in HEADINGS.items():
        chosen = [row for row in rows.values() if row.kind == kind]
        if chosen:
            lines = [line for row in chosen for line in _write_rows(row)]
            parts.append(
                "\n".join(
                    [f"## {heading}\n", "| law of | settings | state | verdict |", "|---|---|---|---|", *lines, ""]
                )
            )
    broken = [law for row in rows.values() for law in [row.law, *(v.law for v in row.variants)] if not law.lawful]
    if broken:
        parts.append("\n".join(["## Why some are broken\n", *_write_reasons(broken), ""]))
    return "\n".join(parts)


def _write_rows(row: Row) -> Iterable[str]:
    yield _write_row(f"`{row.law.title}`", row.law)
    for variant in row.variants:
        when = ", ".join(f"{name}={value}" for name, value in variant.when.items())
        yield _write_row(f"`{row.law.title}` with `{when}`", variant.law)


def _write_row(label: str, law: Law) -> str:
    settings = [f"`{name}` {_sign(str(power))}" for name, power in law.carriers.items()]
    settings += [f"`{name}` like `{other}`" for name, other in law.follows.items()]
    states = [f"`{name}` {_sign(str(power))}" for name, power in law.states.items() if power]
    return f"| {label} | {', '.join(settings) or '–'} | {', '.join(states) or '–'} | {law.verdict} |"


def _write_reasons(laws: Iterable[Law]) -> Iterable[str]:
    for law in laws:
        for constant in law.hidden_constants:
            place = shorten_place(constant.where)
            yield f"- `{law.title}`: the constant {constant.value:g} in `{place}` has units {constant.unit}."
        for clash in law.clashes:
            yield f"- `{law.title}`: `{shorten_place(clash.where)}` needs {clash.left} and {clash.right} to be equal."


def _sign(power: str) -> str:
    return power.replace("-", "−") if power.startswith("-") else f"+{power}"
