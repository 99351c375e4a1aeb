"""A diagnosis in the terminal: the answer, what was found and what to do, the window of α, the gauges."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.table import find_row
from lossgauge.reports.evidence import SYMBOLS, choose_numbers, count_severities, say_trial
from lossgauge.reports.gauges import tell_gauges
from lossgauge.reports.layout import label_lines, stack, write_paragraph
from lossgauge.reports.moves import read_move
from lossgauge.reports.window_line import Mark, WindowLine
from lossgauge.reports.windows import read_windows

STYLES = {"fault": "bold red", "warning": "bold yellow", "info": "bold blue"}
"""The colour of each severity."""


def render_diagnosis(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: `Diagnosis.to_dict()`.

    Returns:
        Something rich can print at 80 columns.
    """
    findings = list(plain["findings"])
    parts: list[RenderableType] = [_head(plain), write_paragraph(plain.get("answer") or _say_answer(plain), "bold")]
    told = plain.get("answer", "")
    parts += [_tell_finding(finding, told) for finding in findings if finding["severity"] != "info"]
    notes = [finding for finding in findings if finding["severity"] == "info"]
    if notes:
        parts.append(_tell_notes(notes))
    parts += _draw_window(plain)
    lines = [*tell_gauges(plain.get("gauges", {})), *(("note", note) for note in plain.get("notes", ()))]
    if lines:
        parts.append(label_lines(lines))
    return stack(*parts)


def _head(plain: Mapping[str, Any]) -> RenderableType:
    findings = list(plain["findings"])
    style = next((STYLES[finding["severity"]] for finding in findings), "bold green")
    steps = f"{plain['steps']} step" + ("" if plain["steps"] == 1 else "s")
    line = Table.grid(expand=True, padding=(0, 2))
    line.add_column(overflow="fold")
    line.add_column(justify="right", no_wrap=True)
    title = Text.assemble((str(plain.get("script") or "training"), "bold"), (f"  {steps}", "dim"))
    line.add_row(title, Text(count_severities(findings), style=style))
    return line


def _say_answer(plain: Mapping[str, Any]) -> str:
    if not plain["findings"]:
        return "The loss multiplier does nothing here that would have to be mended."
    first = plain["findings"][0]
    return f"{first['name']}: {first['message']}"


def _tell_finding(finding: Mapping[str, Any], told: str) -> RenderableType:
    """The message under its name, unless it was told already, then labelled lines."""
    style = STYLES[finding["severity"]]
    name = Text.assemble((f"{SYMBOLS[finding['severity']]} {finding['name']}", style), (f"  {finding['code']}", "dim"))
    lines: list[tuple[str, str | Text]] = [
        ("", Text("" if finding["message"] in told else finding["message"])),
        ("where", finding.get("where", "")),
        ("because", " · ".join(f"{name} {value}" for name, value in choose_numbers(finding.get("evidence", {})))),
        ("remedy", finding["remedy"].get("text", "")),
        ("remedy", _style_trial(finding["remedy"])),
    ]
    return Padding(Group(name, *_label(lines)), (0, 0, 0, 2))


def _label(lines: Iterable[tuple[str, str | Text]]) -> Iterable[RenderableType]:
    message, *labelled = lines
    if message[1]:
        yield Padding(message[1], (0, 0, 0, 2))
    if any(str(text) for _, text in labelled):
        yield label_lines(labelled)


def _style_trial(remedy: Mapping[str, Any]) -> Text:
    styles = {True: "bold green", False: "red", None: "dim"}
    return Text(say_trial(remedy), style=styles[remedy.get("verified")])


def _tell_notes(findings: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Findings that do no harm: a line for each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=STYLES["info"], no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        grid.add_row(f"{SYMBOLS['info']} {finding['name']}", Text(finding["message"]))
    return Padding(grid, (0, 0, 0, 2))


def _draw_window(plain: Mapping[str, Any]) -> list[RenderableType]:
    windows = read_windows(plain)
    if not windows or not windows[0][1]:
        return []
    marks: list[Mark] = []
    exponents = _find_exponents(str(plain.get("gauges", {}).get("optimizer", "")))
    for finding in plain["findings"]:
        remedy = finding["remedy"]
        tried = remedy.get("verified") is not None
        move = read_move(remedy.get("change") or {}, exponents) if tried else None
        if move is not None and move.text not in [mark.text[2:] for mark in marks]:
            helped = remedy["verified"]
            marks.append(Mark(move.decades, f"{'✓' if helped else '✗'} {move.text}", "green" if helped else "red"))
    heading = Text("the window: multiply the loss by α and touch nothing else", style="bold")
    return [Padding(Group(heading, WindowLine(windows[0][1], marks)), (0, 0, 0, 2))]


def _find_exponents(optimizer: str) -> dict[str, float] | None:
    """The exponents of a well-known optimizer: whether its ε counts once or, inside the root, twice."""
    row = find_row(optimizer.lower()) if optimizer else None
    return None if row is None else {name: float(power) for name, power in row.law.exponents.items()}
