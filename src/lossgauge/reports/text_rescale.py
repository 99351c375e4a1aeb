"""A rescaling in the terminal: what it promises, then every quantity before and after."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.spelling import spell_power, spell_value
from lossgauge.laws.verdict import Verdict
from lossgauge.reports.layout import head, label_lines, make_table, stack, write_paragraph
from lossgauge.units.rational import rational


def render_rescaling(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The record as `Rescaling.to_dict` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    alpha = plain["alpha_text"]
    promise = "goes on bit for bit as before" if plain["exact"] else "goes on as before but for the notes below"
    if plain["verdict"] not in (Verdict.EXACT, Verdict.CLOSE):
        promise = "only comes near to what it was; the notes say why"
    parts = [
        head(f"{plain['optimizer']}, loss × {alpha}", plain["verdict"]),
        write_paragraph(f"With the loss multiplied by {alpha} from now on, the training {promise}."),
    ]
    if plain["changes"]:
        parts.append(Padding(_tabulate(plain["changes"]), (0, 0, 0, 2)))
    else:
        parts.append(write_paragraph("Nothing had to change."))
    notes = [("note", note) for note in plain["notes"]]
    return stack(*parts, label_lines(notes)) if notes else stack(*parts)


def _tabulate(changes: list[Mapping[str, Any]]) -> Table:
    table = make_table(("where", "what", "before", "after", "times"), numbers=(2, 3))
    for change in changes:
        largest = "≤ " if change["tensors"] else ""
        values = (Text(largest + spell_value(change[when])) for when in ("before", "after"))
        table.add_row(
            Text(change["place"]), Text(change["name"]), *values, spell_power("α", rational(change["exponent"]))
        )
    return table
