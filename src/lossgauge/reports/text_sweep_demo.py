"""The demonstration of `sweep` in the terminal."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.spelling import spell_list
from lossgauge.records.sweep_demo import Feeling, SweepDemo
from lossgauge.records.sweep_summary import SweepSummary
from lossgauge.reports.layout import label_lines, make_table, stack, write_paragraph
from lossgauge.reports.sweeping.axes import binary, spell_log2, spell_two

FEW = 3
"""So many breaches and failures are shown."""


def render_demo(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The record as `SweepDemo.to_dict` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    demo = SweepDemo.from_dict(plain)
    summary = demo.summary
    parts: list[RenderableType] = [
        Text("The loss multiplied by α and nothing else touched: who feels it?", style="bold"),
        Padding(_tabulate(demo.feelings), (0, 0, 0, 2)),
        *(write_paragraph(f"{sentence}.") for sentence in demo.findings),
        write_paragraph(_say_runs(summary)),
        write_paragraph(_say_audit(summary), "" if summary.sound else "bold red"),
    ]
    return stack(*parts, label_lines(_list_lines(demo)))


def _tabulate(feelings: Sequence[Feeling]) -> Table:
    table = make_table(("optimizer", "weight decay", "final loss as at α = 1 for", "diverges", "α acts through"))
    table.padding = (0, 2, 0, 0)
    last = ""
    for one in feelings:
        decay = (
            spell_log2(math.log2(one.weight_decay), binary([math.log2(one.weight_decay)]))
            if one.weight_decay
            else "none"
        )
        diverges = "–" if one.diverges is None else f"α ≥ {spell_two(one.diverges)}"
        title = "" if one.name == last else one.name
        table.add_row(Text(title), decay, _say_range(one), diverges, Text(", ".join(one.groups) or "nothing"))
        last = one.name
    return table


def _spell_magnitude(value: float) -> str:
    power = math.log2(value)
    return spell_log2(power, binary([power]))


def _say_range(one: Feeling) -> str:
    if one.low == one.high:
        return "α = 1 only"
    if one.low == one.first and one.high == one.last:
        return "every α"
    return f"α = {spell_two(one.low)} … {spell_two(one.high)}"


def _say_runs(summary: SweepSummary) -> str:
    labels = spell_list([one.label for one in summary.optimizers])
    return (
        f"{summary.settings} settings of {labels} over α, learning rate, ε, weight decay and number format took "
        f"{summary.distinct_runs} trainings of {summary.workload.steps} steps; for {summary.reused} another one stands "
        "whose dimensionless groups are equal."
    )


def _say_audit(summary: SweepSummary) -> str:
    breaches = len(summary.breaches)
    if breaches:
        return f"THE AUDIT FAILED: {summary.audited} of these were run all the same, and {breaches} came out otherwise."
    if not summary.audited:
        return "None of these was run to check that."
    return f"Audit: {summary.audited} of these were run all the same, and each came out the same."


def _list_lines(demo: SweepDemo) -> list[tuple[str, str]]:
    summary = demo.summary
    lines = [
        ("not confirmed", f"{breach.setting} against {breach.standing}: {breach.difference}")
        for breach in summary.breaches[:FEW]
    ]
    lines += [("failed", text) for text in summary.failures[:FEW]]
    lines.append(("time", f"{demo.seconds:.0f} s, of these {summary.seconds:.0f} s training, engine {summary.engine}"))
    vectors = [Path(path) for path in demo.pictures if path.endswith(".svg")]
    if vectors:
        lines.append(
            (
                "pictures",
                f"{len(vectors)} in {vectors[0].parent}, each as .svg and .png: "
                + ", ".join(path.stem for path in vectors),
            )
        )
    return [*lines, ("pictures", demo.note)]
