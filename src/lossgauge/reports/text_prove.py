"""A proof in the terminal: the verdict in a sentence, then what was caught and what had no influence."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from lossgauge.laws.spelling import spell_list, spell_power, spell_value
from lossgauge.laws.verdict import Verdict
from lossgauge.reports.layout import head, label_lines, make_table, name_verdict, stack, write_paragraph
from lossgauge.reports.text_discover import say_difference
from lossgauge.units.rational import rational


def render_proof(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The record as `Proof.to_dict` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    alpha = plain["alpha"] if isinstance(plain["alpha"], str) else spell_value(plain["alpha"])
    steps = f"{plain['steps']} step" + ("" if plain["steps"] == 1 else "s")
    parts: list[RenderableType] = [
        head(f"{steps} with the loss × {alpha} and everything co-scaled", plain["verdict"]),
        write_paragraph(_say_outcome(plain)),
    ]
    if plain.get("optimizers"):
        parts.append(Padding(_tabulate(plain["optimizers"]), (0, 0, 0, 2)))
    lines = [("why", plain.get("reason", ""))]
    lines += [("first difference", say_difference(plain["first_difference"]) if plain["first_difference"] else "")]
    lines += [("errors caught in", ", ".join(plain["violations_caught"]))]
    lines += [("no influence", ", ".join(plain["inert"]))]
    lines += [("note", text) for text in plain.get("notes", ())]
    return stack(*parts, label_lines(lines)) if any(text for _, text in lines) else stack(*parts)


def _say_outcome(plain: Mapping[str, Any]) -> str:
    verdict = plain["verdict"]
    if verdict == Verdict.EXACT:
        caught = spell_list(list(plain["violations_caught"]))
        proof = f" A wrong exponent of {caught} would have been seen." if caught else ""
        return f"The training is the same: after every step all weights are equal bit for bit.{proof}"
    if verdict == Verdict.CLOSE:
        return "The training is the same up to rounding, but not bit for bit."
    if verdict == Verdict.BROKEN:
        return "The training is not the same, whatever the settings."
    if verdict == Verdict.INERT:
        return "Nothing that carries a unit of the loss had any influence in this run."
    return "Whether the training is the same could not be established."


def _tabulate(optimizers: list[Mapping[str, Any]]) -> RenderableType:
    table = make_table(("optimizer", "its law", "verdict"))
    for law in optimizers:
        carriers = {h: power for h, power in law["exponents"].items() if power != "0"}
        text = "  ".join(f"{h}·{spell_power('α', rational(power))}" for h, power in carriers.items())
        table.add_row(law["target"].rpartition(":")[2], Text(text or "nothing moves"), name_verdict(law["verdict"]))
    return table
