"""An explanation in the terminal: the answer, the table of settings, then what is exact and what is not."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.companions import RATES
from lossgauge.laws.spelling import spell_power, spell_value
from lossgauge.reports.layout import head, label_lines, make_table, shorten_place, stack, write_paragraph
from lossgauge.units.rational import rational


def render_explanation(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The record as `Explanation.to_dict` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    title = plain["optimizer"].rpartition(":")[2]
    groups = plain.get("param_groups") or [plain]
    parts: list[RenderableType] = [
        head(f"{title}, loss × {plain['alpha_text']}", plain["verdict"]),
        write_paragraph(plain["summary"]),
        write_paragraph(plain["untouched"]),
        write_paragraph(plain["advice_lines"][0], style="bold"),
    ]
    for index, group in enumerate(groups):
        label = f"group {index}" if len(groups) > 1 else "setting"
        parts.append(Padding(_tabulate(group, plain["alpha_text"], label), (0, 0, 0, 2)))
    return stack(*parts, _tell_details(plain))


def _tabulate(group: Mapping[str, Any], alpha: str, label: str) -> Table:
    table = make_table((label, "now", "carries", f"trains the same\nwith loss × {alpha}", "if untouched,\nacts like"))
    for name, now in group["settings"].items():
        power = group["exponents"].get(name)
        if not _matters(name, now, power):
            continue
        after, untouched = group["equivalent"][name], group["untouched_means"][name]
        table.add_row(name, spell_value(now), _name_unit(power), _mark(now, after), _mark(now, untouched))
    return table


def _matters(name: str, value: Any, power: str | None) -> bool:
    """Settings that carry a unit, and the learning rate even where it carries none."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and (name in RATES or power not in (None, "0"))


def _name_unit(power: str | None) -> str:
    if power is None:
        return "no one unit"
    if power == "0":
        return "–"
    return (
        f"1/{spell_power('loss', -rational(power))}" if power.startswith("-") else spell_power("loss", rational(power))
    )


def _mark(now: Any, value: Any) -> Text:
    if value is None:
        return Text("beyond any number", style="bold red")
    return Text(spell_value(value), style="dim" if value == now else "bold")


def _tell_details(plain: Mapping[str, Any]) -> RenderableType:
    noticed = set().union(*([*group["exponents"]] for group in plain.get("param_groups") or [plain]))
    constants = [f"{spell_value(c['value'])} at {shorten_place(c['where'])}" for c in plain["hidden_constants"]]
    unmoved = [h for h in sorted(noticed - {*plain["inert"], *RATES}) if plain["exponents"].get(h) == "0"]
    lines = [("the same", text) for text in plain["exact"]]
    lines += [("not the same", text) for text in plain["inexact"]]
    lines += [("constants", "; ".join(constants))]
    lines += [("only these count", "   ".join(plain["groups"]))]
    lines += [("not affected", ", ".join(unmoved)), ("no influence", ", ".join(plain["inert"]))]
    lines += [("also", text) for text in plain["advice_lines"][1:]]
    return label_lines(lines)
