"""A comparison of two losses in the terminal: the answer, then how it moves over training, per layer and per sample."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.advice import say_changes
from lossgauge.laws.verdict import Verdict
from lossgauge.records.comparison import Relation
from lossgauge.reports.layout import label_lines, make_table, stack, write_paragraph
from lossgauge.reports.numbers import read_number, spell_share, spell_short

BAR = 10
EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
MOST_ROWS = 10
NOISE = 1e-5
"""Gradients shorter than this beside the longest are rounding: about 100 float32 roundings."""
LONGEST = 22
"""Characters of a layer's name that fit."""
STYLES = {
    Relation.IDENTICAL: "bold green",
    Relation.PURE: "bold green",
    Relation.PER_BATCH: "bold yellow",
    Relation.MOSTLY: "bold yellow",
    Relation.DIFFERENT: "bold blue",
    Relation.UNDECIDED: "bold magenta",
}


def render_comparison(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The record as `Comparison.to_dict` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    parts = [_head(plain), write_paragraph(_say_answer(plain))]
    parts += [write_paragraph(text, style="bold") for text in _say_settings(plain)]
    parts += [Padding(table, (0, 0, 0, 2)) for table in _tabulate(plain)]
    return stack(*parts, label_lines(_tell_details(plain)))


def draw_bar(share: float | None, width: int = BAR) -> str:
    """A bar of block characters, to an eighth of a character.

    Args:
        share: How much of the bar is full, between 0 and 1; None draws nothing.
        width: Its length, in characters.

    Returns:
        Text of that length.
    """
    eighths = round(8 * width * min(1.0, max(0.0, share or 0.0)))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)


def draw_line(values: Sequence[float]) -> str:
    """A row of columns, one for each value, from 0 to the largest.

    Args:
        values: The values; below 0 they are drawn as 0.

    Returns:
        One character for each value.
    """
    most = max((*values, 0.0))
    return "".join(LEVELS[min(7, int(8 * max(value, 0.0) / most))] if most else LEVELS[0] for value in values)


def _head(plain: Mapping[str, Any]) -> RenderableType:
    line = Table.grid(expand=True, padding=(0, 2))
    line.add_column(overflow="fold")
    line.add_column(justify="right", no_wrap=True)
    title = Text(f"A {plain['loss_a']}  →  B {plain['loss_b']}", style="bold")
    line.add_row(title, Text(plain["verdict_text"], style=STYLES[Relation(plain["verdict"])]))
    return line


def _say_answer(plain: Mapping[str, Any]) -> str:
    factor, verdict = _spell(plain["alpha_eff"]), plain["verdict"]
    if verdict == Relation.UNDECIDED:
        return "Whether B is a factor times A could not be established at these weights."
    if verdict == Relation.IDENTICAL:
        return "Both losses have the same gradient, bit for bit: they train the same."
    if verdict == Relation.PURE and factor == "1":
        return "Both losses have the same gradient up to rounding: they train the same."
    if verdict == Relation.PURE:
        return f"The gradient of B is {factor} times that of A and nothing else: the whole change is a factor."
    if verdict == Relation.PER_BATCH:
        low, high = _range(plain)
        if spell_short(low) == spell_short(high):
            return (
                f"In every batch the gradient of B is a factor times that of A, {factor} at the start, but the factor "
                "moves while the weights do; no single setting takes it out throughout."
            )
        return (
            f"In every batch the gradient of B is a factor times that of A, but not the same one: from "
            f"{spell_short(low)} to {spell_short(high)}. No single setting takes it out of all batches; one factor for "
            f"all, {factor}, explains {_share(plain['cos2'])}."
        )
    if _number(plain["alpha_eff"]) < 0:
        against = f"B's gradient points against A's: {factor} times A's explains {_share(plain['cos2'])} of it."
        return f"{against} No setting takes a negative factor out."
    start = f"B's gradient is {factor} times A's, which explains {_share(plain['cos2'])} of it"
    points = plain["over_training"].get("a", ())
    if len(points) < 2:
        return f"At these weights {start}; the rest points elsewhere."
    last = points[-1]
    return (
        f"At the start {start}; after {last['step']} steps with A it is {_spell(last['alpha_eff'])} times A's and "
        f"{_share(last['cos2'])}. The rest points elsewhere: that is the loss function's real effect."
    )


def _say_settings(plain: Mapping[str, Any]) -> list[str]:
    """What takes the factor out, under the optimizer at hand."""
    found = plain["compensations"]
    if not found or plain["verdict"] in (Relation.IDENTICAL, Relation.UNDECIDED):
        return []
    first, name = found[0], found[0]["optimizer"]
    if first["verdict"] not in (Verdict.EXACT, Verdict.CLOSE):
        return [f"{name} is {first['verdict']}, so no settings take a factor out exactly. {first['advice']}"]
    changes = say_changes([(first["settings"], first["equivalent"])])
    if not changes:
        return [f"Nothing to set: {name} does not notice a factor of the loss at these settings."]
    later = [
        f" By step {other['step']} the factor has moved to {other['alpha_text']}, and it would be "
        f"{say_changes([(other['settings'], other['equivalent'])]) or 'nothing'}."
        for other in found[1:]
    ]
    told = [f"To take the factor {first['alpha_text']} out under {name}, set {changes} with B.{''.join(later)}"]
    if first["states"]:
        held = ", ".join(first["states"])
        told.append(
            f'Your {name} also holds {held} in units of A: lossgauge.rescale(optimizer, "{first["alpha_text"]}") '
            "converts them together with the settings."
        )
    return told


def _tabulate(plain: Mapping[str, Any]) -> list[RenderableType]:
    """What moves: the factor from batch to batch where it is exact in each, else over training and layers."""
    relation = plain["verdict"]
    if relation in (Relation.IDENTICAL, Relation.PURE, Relation.UNDECIDED):
        return []
    low, high = _range(plain)
    if relation == Relation.PER_BATCH and spell_short(low) != spell_short(high):
        return [_tabulate_batches(plain)]
    first, second = (plain["over_training"].get(along, ()) for along in ("a", "b"))
    steps = [_tabulate_steps(first, second)] if len(first) > 1 else []
    layers = [_tabulate_layers(plain)] if len(plain["per_layer"]) > 1 and relation != Relation.PER_BATCH else []
    return [*steps, *layers]


def _tabulate_steps(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> Table:
    heads = ("\nstep", "trained with A\nα_eff", "\nexplained", "trained with B\nα_eff", "\nexplained")
    table = make_table(heads, (0,))
    most = _largest((*first, *second))
    others = {point["step"]: point for point in second}
    for point in first:
        other = others.get(point["step"], {})
        row = (_draw_factor(point, most), _draw_share(point), _draw_factor(other, most, 6), _share(other.get("cos2")))
        table.add_row(str(point["step"]), *row)
    return table


def _tabulate_layers(plain: Mapping[str, Any]) -> RenderableType:
    trained = {layer["name"]: layer for layer in plain["per_layer_trained"]}
    heads = ("\nlayer", "at the start\nα_eff", "\nexplained")
    table = make_table((*heads, *(("later\nα_eff", "\nexplained") if trained else ())))
    ranked = sorted(plain["per_layer"], key=lambda layer: -_number(layer["norm_b"]))
    # A bias before a normalisation has no gradient but what rounding leaves.
    largest = [layer for layer in ranked if _number(layer["norm_b"]) > NOISE * _number(ranked[0]["norm_b"])][:MOST_ROWS]
    shown = [layer for layer in plain["per_layer"] if layer in largest]
    most = _largest(shown)
    for name, layer in zip(_shorten([layer["name"] for layer in shown]), shown, strict=True):
        later = trained.get(layer["name"], {})
        row = (name, _draw_factor(layer, most, 6), _draw_share(layer, 6))
        table.add_row(*row, *((_spell(later.get("alpha_eff")), _share(later.get("cos2"))) if trained else ()))
    return _mention_rest(table, len(plain["per_layer"]) - len(shown), "with smaller gradients")


def _tabulate_batches(plain: Mapping[str, Any]) -> RenderableType:
    table = make_table(("batch", "samples", "α_eff", "explained"), (1,))
    sizes = plain["batch_sizes"] or [None] * len(plain["per_batch"])
    rows = list(zip(plain["per_batch"], sizes, strict=True))
    shown = rows if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS - 1], rows[-1]]
    most = _largest([batch for batch, _ in shown])
    for batch, size in shown:
        count = "–" if size is None else str(size)
        table.add_row(batch["name"].removeprefix("batch "), count, _draw_factor(batch, most), _draw_share(batch))
    return _mention_rest(table, len(rows) - len(shown), "batches")


def _mention_rest(table: Table, hidden: int, what: str) -> RenderableType:
    return Group(table, Text(f"and {hidden} more {what}", style="dim")) if hidden else table


def _draw_factor(entry: Mapping[str, Any], most: float, width: int = BAR) -> Text:
    value = entry.get("alpha_eff")
    text = f"{_spell(value):<8}{draw_bar(_number(value) / most if most else None, width)}"
    return Text(text, no_wrap=True)


def _draw_share(entry: Mapping[str, Any], width: int = BAR) -> Text:
    return Text(f"{_share(entry.get('cos2')):<7}{draw_bar(entry.get('cos2'), width)}", no_wrap=True)


def _largest(entries: Sequence[Mapping[str, Any]]) -> float:
    return max((abs(_number(entry["alpha_eff"])) for entry in entries), default=0.0)


def _shorten(names: Sequence[str]) -> list[str]:
    """Names without the folders they share; of what is still too long, begin and end."""
    parts = [name.split(".") for name in names]
    depth = min(len(path) for path in parts) - 1
    shared = next((n for n in range(depth) if len({path[n] for path in parts}) > 1), depth)
    short = [".".join(path[shared:]) for path in parts]
    half = LONGEST // 2
    return [name if len(name) <= LONGEST else f"{name[: half - 1]}…{name[-half:]}" for name in short]


def _tell_details(plain: Mapping[str, Any]) -> list[tuple[str, str | Text]]:
    lines: list[tuple[str, str | Text]] = [("note", text) for text in plain["notes"]]
    low, high = _range(plain)
    if plain["verdict"] in (Relation.MOSTLY, Relation.DIFFERENT) and len(plain["per_batch"]) > 1:
        text = f"α_eff from {spell_short(low)} to {spell_short(high)}; a factor for each would explain"
        lines.append(("batches", f"{text} {_share(plain['batch_share'])}"))
    if plain["verdict"] in (Relation.MOSTLY, Relation.DIFFERENT):
        if plain["over_training"]:
            lines.append(("share", f"{_share(plain['share'])} of B's gradient, mean over all steps in the table"))
        lines += _tell_samples(plain["weights"], "samples", "at the start")
        lines += _tell_samples(plain["weights_trained"], "samples", "trained with A")
    ends = {along: points[-1] for along, points in plain["over_training"].items() if len(points) > 1}
    if plain["verdict"] != Relation.IDENTICAL:
        lines += [
            ("losses", f"after {end['step']} steps with {along.upper()}: A = {_spell(end['value_a'])}, "
                       f"B = {_spell(end['value_b'])}")
            for along, end in ends.items()
        ]  # fmt: skip
    if plain["verdict"] == Relation.PURE and ends:
        count = sum(len(points) - 1 for points in plain["over_training"].values()) + 1
        lines.insert(0, ("measured", f"in every batch at {count} points of two trainings, all of them alike"))
    used = plain["used"]
    steps = f", {used['optimizer']} for {used['steps']} steps" if used.get("steps") else ""
    return [*lines, ("used", f"{used['model']}; {used['batches']}{steps}")] if used else lines


def _tell_samples(weights: Mapping[str, Any] | None, label: str, when: str) -> list[tuple[str, str | Text]]:
    if not weights:
        return []
    low, high = (spell_short(weights["quantiles"][level]) for level in ("0.05", "0.95"))
    worth = weights["effective_share"]
    counting = f", as if {_share(worth)} of them counted" if worth is not None else ""
    text = f"{when}: weight {low} to {high} (5 to 95 %){counting}"
    tenths = weights["by_difficulty"]
    lines: list[tuple[str, str | Text]] = [(label, text)]
    if tenths:
        lines.append((label, f"  easy {draw_line(tenths)} hard: {spell_short(tenths[0])} to {spell_short(tenths[-1])}"))
    if weights["without"]:
        lines.append((label, f"  {weights['without']} without gradient under A, which have no weight"))
    if weights["explained"] is not None and weights["explained"] < 1 - 1e-6:
        lines.append((label, f"  a weight for each explains {_share(weights['explained'])} of the change"))
    return lines


def _range(plain: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return plain["alpha_low"], plain["alpha_high"]


def _number(value: Any) -> float:
    number = read_number(value)
    return number if number is not None and number == number else 0.0


def _spell(value: Any) -> str:
    return "–" if value is None else spell_short(value)


def _share(value: Any) -> str:
    """Per cent, rounded down where it is nearly all: only what is all to rounding is 100 %."""
    if value is None:
        return "–"
    share = float(value)
    if share >= 1 - 1e-6:
        return "100 %"
    return f"{math.floor(1000 * share) / 10:g} %" if share > 0.99 else spell_share(share)
