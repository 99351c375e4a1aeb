"""An attribution in the terminal: the answer in one sentence, then a bar for every part."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.companions import COMPANIONS
from lossgauge.laws.spelling import spell_list, spell_value
from lossgauge.laws.verdict import Verdict
from lossgauge.records.attribution import ROUNDING, UNCHANGED
from lossgauge.reports.layout import head, label_lines, stack, write_paragraph
from lossgauge.reports.numbers import read_number, spell_share, spell_short

WIDTH = 28
"""Characters of the longest bar."""
ENOUGH = 0.9
"""The share of the whole that the parts named in the first sentence make up, if three of them can."""
FEW = 3
CANCELLING = 3.0
"""The share beyond which per cent say less than the amounts themselves: parts then cancel each other."""
CLIPS = ("max_norm", "clip_value")
_PURPOSES = {
    ("eps", "1"): "which stands outside the root and counts in units of the gradient",
    ("eps", "2"): "which stands inside the root and counts in squared units of the gradient",
    ("lr", "-1"): "which a multiplied loss multiplies",
    ("learning_rate", "-1"): "which a multiplied loss multiplies",
    ("weight_decay", "1"): "which is added to the gradient",
    ("initial_accumulator_value", "2"): "which is the first of the squared gradients",
    ("max_norm", "1"): "a threshold on the gradients",
    ("clip_value", "1"): "a threshold on the gradients",
    ("threshold", "1"): "the improvement a plateau schedule asks for",
    ("init_scale", "-1"): "the scale of mixed precision",
    ("states", "1"): "what the optimizer remembers from a checkpoint",
}
"""By name and exponent, why a quantity carries a change."""


def render_attribution(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The record as `Attribution.to_dict` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    count = f"{plain['steps']} step" + ("" if plain["steps"] == 1 else "s")
    title = f"{plain['training']}  {count}"
    parts: list[RenderableType] = [head(title, plain["verdict"]), write_paragraph(say_answer(plain), "bold")]
    if plain["parts"]:
        parts.append(Padding(_draw_bars(plain["parts"]), (0, 0, 0, 2)))
    if plain["raw_parts"]:
        shares = ", ".join(f"{part['name']} {spell_part(part['share'])}" for part in plain["raw_parts"])
        parts.append(write_paragraph(f"Divided all the same it would be {shares}, which says nothing.", "dim"))
    lines = [*_tell_reasons(plain), *_tell_interactions(plain), ("rounding", _say_floor(plain))]
    lines += [("runs", _say_runs(plain["runs"])), *(("note", note) for note in plain["notes"])]
    return stack(*parts, label_lines(lines))


def say_answer(plain: Mapping[str, Any]) -> str:
    """The answer in one sentence, or two.

    Args:
        plain: The record as `Attribution.to_dict` gives it.

    Returns:
        Plain text.
    """
    verdict = plain["verdict"]
    if verdict == Verdict.UNDECIDED:
        return f"What carried the change could not be established: {plain['reason']}."
    if verdict == UNCHANGED:
        return f"× {spell_factor(plain)} changes nothing: {plain['reason']}."
    change = _say_change(plain)
    if verdict == ROUNDING:
        return (
            f"{change}, which is no more than rounding does: another order of the same sums changes it as much. It is "
            "rounding, amplified by training, and no setting carries it."
        )
    main = _choose_main(plain["parts"])
    if max(abs(part["share"]) for part in main) > CANCELLING:
        amounts = [f"{part['name']} {spell_short(part['value'])}" for part in main]
        return f"{change}: that is what is left where large parts cancel, {spell_list(amounts)}."
    shares = [_say_share(part, plain, place == 0) for place, part in enumerate(main)]
    return f"{change}: {spell_list(shares)}.{_say_remedy(plain)}"


def spell_factor(plain: Mapping[str, Any]) -> str:
    """The loss multiplier as a person would write it.

    Args:
        plain: The record.

    Returns:
        Text such as `1e5`, `2**17`.
    """
    spelled = str(plain["spelled"])
    if "**" in spelled or "/" in spelled:
        return spelled
    return spell_value(read_number(plain["alpha"]) or spelled).replace("e+", "e")


def spell_part(share: float) -> str:
    """A share that may be below 0 or above 1.

    Args:
        share: The share.

    Returns:
        Text such as `97 %`, `−140 %`.
    """
    if abs(share - 1) < 1e-9:
        return "100 %"
    size = spell_share(abs(share)) if abs(share) < 1 else f"{spell_short(100 * abs(share))} %"
    if size.startswith("under"):
        return size
    return f"−{size}" if share < 0 else size


def _say_change(plain: Mapping[str, Any]) -> str:
    factor, title = f"× {spell_factor(plain)}", plain["title"]
    before, after = spell_short(plain["reference"]), spell_short(plain["multiplied"])
    if plain["outcome"] == "divergence":
        if plain["total"] > 0:
            return f"{factor} makes the training diverge ({title} was {before})"
        return f"{factor} keeps the training from diverging ({title} becomes {after})"
    if plain["asked"] == "weights":
        return f"{factor} moved {title} by {after} times the way they went"
    if before == after:
        return f"{factor} changed {title}, {before}, by {spell_short(plain['total'])}"
    return f"{factor} changed {title} from {before} to {after}"


def _choose_main(parts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The largest parts, as many as make up most of the whole, but no more than three."""
    whole, chosen, met = sum(abs(part["share"]) for part in parts), [], 0.0
    for part in parts[:FEW]:
        if chosen and met >= ENOUGH * whole:
            break
        chosen.append(part)
        met += abs(part["share"])
    return chosen


def _say_share(part: Mapping[str, Any], plain: Mapping[str, Any], first: bool) -> str:
    share = spell_part(part["share"]) + (" of it" if first else "")
    if not part.get("quantity"):
        return f"{share} is {_say_rest(part['name'])}"
    owner, _, name = str(part["quantity"]).rpartition(".")
    title = f"{owner}'s {name}" if owner else name
    purpose = _PURPOSES.get((name, str(part.get("exponent", ""))))
    if purpose is None and name in COMPANIONS:
        purpose = COMPANIONS[name].purpose
    return f"{share} went through {title}" + (f", {purpose}" if purpose else "")


def _say_rest(name: str) -> str:
    """What is no quantity, in a sentence."""
    articles = {"hidden constant": "a hidden constant", "number format": "the range of the number format"}
    return articles.get(name, name)


def _say_remedy(plain: Mapping[str, Any]) -> str:
    needed = [part for part in plain["parts"] if part["name"] in plain["sufficient"]]
    named = [part for part in needed if "equivalent" in part and part["name"] != "init_scale"]
    if not named or len(named) < len(needed):
        return ""
    settings = [f"{part['name']} = {spell_short(part['equivalent'])}" for part in named]
    return f" {spell_list(settings)} would do the same without the multiplier."


def _draw_bars(parts: Sequence[Mapping[str, Any]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, style="dim")
    longest = max(1.0, *(abs(part["share"]) for part in parts))
    room = 70 - max(len(part["name"]) for part in parts) - max(len(_say_setting(part)) for part in parts)
    width = max(8, min(WIDTH, room - max(len(spell_part(part["share"])) for part in parts)))
    for part in parts:
        length = abs(part["share"]) / longest * width
        bar = "█" * round(length) or ("▏" if part["share"] else "")
        beside = f"{spell_part(part['low'])} to {spell_part(part['high'])}" if "low" in part else _say_setting(part)
        colour = "red" if part["share"] < 0 else "cyan"
        grid.add_row(Text(part["name"]), spell_part(part["share"]), Text(bar, colour), Text(beside))
    return grid


def _say_setting(part: Mapping[str, Any]) -> str:
    if "own" not in part or "equivalent" not in part:
        return ""
    return f"{spell_short(part['own'])} as if {spell_short(part['equivalent'])}"


def _tell_reasons(plain: Mapping[str, Any]) -> list[tuple[str, str]]:
    everything = [*plain["parts"], *plain["raw_parts"]]
    return [(part["name"], part["reason"]) for part in everything if part.get("reason")]


def _tell_interactions(plain: Mapping[str, Any]) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    for one in plain["interactions"]:
        names = " × ".join(one["names"])
        how = (
            "it takes co-scaling both to undo this much of the change"
            if one["share"] > 0
            else "co-scaling either undoes this much of the change"
        )
        told.append(("together", f"{names} {spell_part(abs(one['share']))}: {how}"))
    return told


def _say_floor(plain: Mapping[str, Any]) -> str:
    floor = read_number(plain["rounding_floor"])
    if floor is None:
        return ""
    if floor == 0:
        return "changed nothing where it was tried"
    return f"changes {plain['title']} by up to {spell_short(floor, 2)} in this training"


def _say_runs(runs: Mapping[str, int]) -> str:
    kept = f", {runs['kept']} taken from an interrupted attempt" if runs.get("kept") else ""
    return f"{runs['made']} for the parts, {runs['checks']} to check them, {runs['reused']} not needed{kept}"
