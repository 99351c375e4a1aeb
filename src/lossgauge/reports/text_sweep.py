"""A sweep in the terminal: what was run, what was not and why it need not be, and where the best settings lie."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.spelling import spell_list, spell_value
from lossgauge.reports.layout import label_lines, make_table, name_verdict, stack, write_paragraph
from lossgauge.reports.numbers import spell_short

FEW = 5
"""So many reasons and breaches are shown; the store has all of them."""
DAY = 86_400
YEAR = 365.25 * DAY
"""Seconds."""


def render_sweep(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The record as `SweepSummary.to_dict` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    optimizers: list[Mapping[str, Any]] = list(plain.get("optimizers", ()))
    parts: list[RenderableType] = [
        Text(f"{_count(plain['settings'], 'setting')}, {_count(plain['distinct_runs'], 'run')}", style="bold"),
        write_paragraph(_say_what(plain)),
        Padding(_tabulate_runs(optimizers, plain["planned"]), (0, 0, 0, 2)),
    ]
    why = _say_why(optimizers)
    if why:
        parts.append(write_paragraph(why))
    if any(one.get("best") for one in optimizers):
        parts.append(Padding(_tabulate_best(optimizers), (0, 0, 0, 2)))
    verdict = _say_audit(plain)
    if verdict:
        parts.append(write_paragraph(verdict, "bold red" if plain.get("breaches") else ""))
    lines = _list_lines(plain, optimizers)
    return stack(*parts, label_lines(lines)) if any(text for _, text in lines) else stack(*parts)


def _say_what(plain: Mapping[str, Any]) -> str:
    steps = f"{_count(plain['workload']['steps'], 'step')} each"
    model = f"{plain['workload']['model']} on {plain['workload']['data']}"
    if plain["planned"]:
        return f"{model}, {steps}: about {_spell_time(plain['seconds'])}. Nothing was run."
    trials = f", and {plain['trials']} more to settle what was in doubt" if plain.get("trials") else ""
    where = f"{plain['executor']} processes, engine {plain['engine']}" if plain["engine"] else plain["executor"]
    return f"{model}, {steps}{trials}: {_spell_time(plain['seconds'])} ({where})."


def _tabulate_runs(optimizers: Sequence[Mapping[str, Any]], planned: bool) -> Table:
    columns = ["optimizer", "law", "settings", "runs", "same bits", "to rounding"]
    outcomes = [] if planned else ["diverged", "failed"]
    outcomes = [name for name in outcomes if any(one.get(name) for one in optimizers)]
    table = make_table((*columns, *outcomes), numbers=range(2, len(columns) + len(outcomes)))
    table.padding = (0, 2, 0, 0)
    for one in optimizers:
        counts = (one["settings"], one["runs"], one["bits"], one["rounding"], *(one.get(name, 0) for name in outcomes))
        numbers = (str(count) if count else "–" for count in counts)
        table.add_row(Text(one["label"]), name_verdict(one["verdict"]), *numbers)
    return table


def _say_why(optimizers: Sequence[Mapping[str, Any]]) -> str:
    """Why one run may stand for many: the groups that decide."""
    by_groups: dict[tuple[str, ...], list[str]] = {}
    for one in optimizers:
        if one["bits"] or one["rounding"]:
            by_groups.setdefault(tuple(one.get("groups", ())), []).append(one["label"])
    if not by_groups:
        return ""
    said = [
        f"{spell_list(labels)} depend{'' if len(labels) > 1 else 's'} on α "
        + (f"only through {spell_list(groups)}" if groups else "not at all")
        for groups, labels in by_groups.items()
    ]
    rounding = any(one["rounding"] for one in optimizers)
    bits = any(one["bits"] for one in optimizers)
    same = "bit for bit where α differs by a power of two" if bits else ""
    near = "to rounding elsewhere and where it diverges" if bits and rounding else "to rounding" if rounding else ""
    return (
        f"{'; '.join(said)}. Settings with equal groups train the same, {spell_list([p for p in (same, near) if p])}."
    )


def _tabulate_best(optimizers: Sequence[Mapping[str, Any]]) -> Table:
    table = make_table(("best of", "loss", "setting", "which is", "equal to"), numbers=(1, 4))
    table.padding = (0, 2, 0, 0)
    for one in optimizers:
        best = one.get("best")
        if not best:
            table.add_row(Text(one["label"]), "–", Text("none finished"), "", "")
            continue
        values = {"α": best["alpha"], **best.get("hyperparameters", {})}
        setting = "\n".join(
            f"{name} = {value if name == 'α' else spell_value(value)}" for name, value in values.items()
        )
        groups = "\n".join(f"{name} = {spell_short(value)}" for name, value in best.get("groups", {}).items())
        others = str(best["others"]) if best.get("others") else "–"
        table.add_row(Text(one["label"]), Text(spell_short(best["loss"])), Text(setting), Text(groups), others)
    return table


def _say_audit(plain: Mapping[str, Any]) -> str:
    audited, breaches = plain["audited"], len(plain.get("breaches", ()))
    if not audited:
        return ""
    if breaches:
        return f"THE AUDIT FAILED: {breaches} of {audited} reused results were not confirmed. Trust none of the reused."
    return f"Audit: {audited} reused result{'s' if audited > 1 else ''} run in full, all confirmed."


def _list_lines(plain: Mapping[str, Any], optimizers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for breach in list(plain.get("breaches", ()))[:FEW]:
        text = f"{breach['setting']} against {breach['standing']}, promised {breach['kind']}: {breach['difference']}"
        lines.append(("not confirmed", text))
    lines += [("failed", text) for text in list(plain.get("failures", ()))[:FEW]]
    lines += [(one["engine"], _say_fallback(one)) for one in list(plain.get("fallbacks", ()))[:FEW]]
    lines += [("not reused", f"{one['label']}: {one['obstacle']}") for one in optimizers if one.get("obstacle")]
    lines += [("note", text) for text in plain.get("notes", ())]
    return [*lines, ("store", plain.get("store", ""))]


def _say_fallback(one: Mapping[str, Any]) -> str:
    labels = one["labels"]
    whose = spell_list(labels) if len(labels) <= FEW else f"{len(labels)} optimizers"
    return f"{_count(one['runs'], 'run')} ({whose}): {one['reason']}"


def _spell_time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 0.1):.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 2 * DAY:
        return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
    return f"{seconds / DAY:.0f} days" if seconds < 2 * YEAR else f"{spell_short(seconds / YEAR)} years"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
