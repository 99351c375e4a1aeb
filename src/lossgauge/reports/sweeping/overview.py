"""Who feels a loss multiplier: the final loss over α with everything else untouched, one curve for each optimizer."""

import math
from collections.abc import Sequence
from typing import Any

from lossgauge.laws.spelling import spell_list
from lossgauge.reports.html.chart import PALETTE, layer
from lossgauge.reports.sweeping import quantities, slices
from lossgauge.reports.sweeping.axes import binary, frame, loss_axis, power_axis, spell_log2
from lossgauge.reports.sweeping.row import DECAY, Row, finite

Spec = dict[str, Any]

FEWEST = 3
"""How many α a curve needs."""
UNCHANGED = 1.01
"""By what factor the final loss may change before an optimizer is said to feel α."""
WIDTH, HEIGHT = 430, 340
LEAST_CALM = 0.25
"""Over what part of the range nothing must change for saying where an optimizer does not feel α."""
STAGGER = 0.025
"""How far the crosses of one optimizer are below those of another, in heights of the panel."""
THIN, THICKER = 2.0, 0.9
"""The width of the last line, and by how much each one before is wider, in pixels."""


def draw_overview(rows: Sequence[Row]) -> Spec | None:
    """The final loss over α, one curve for each optimizer, without weight decay and with it.

    Args:
        rows: The rows of a sweep.

    Returns:
        A Vega-Lite specification, or None where fewer than two optimizers were run with several α.
    """
    panels = untouched(rows)
    if sum(map(len, panels.values())) < 2:
        return None
    if all(len(curves) == 1 for curves in panels.values()):
        panels = {"": _join(panels)}
    shown = [row for curves in panels.values() for cut in curves.values() for row in cut]
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    up = loss_axis("loss", *slices.span_of_losses(shown))
    across = power_axis("alpha", "α, the loss multiplier", [quantities.log2_alpha(row) for row in shown], 0.5)
    scheme = [PALETTE[index % len(PALETTE)] for index in range(len(names))]
    colour = {"field": "name", "type": "nominal", "scale": {"domain": names, "range": scheme},
              "legend": {"title": None, "symbolType": "stroke", "symbolStrokeWidth": 3}}  # fmt: skip
    first, *others = panels.items()
    return frame(
        say_who_feels(first[1], apart=False),
        [
            (f"That is {first[0]}. " if first[0] else "")
            + "Only α varies along a curve; crosses at the upper edge: diverged.",
            "Each optimizer has the settings that occur most in the sweep; of several, those that are best at α = 1.",
            *(f"{title.capitalize()}: {say_who_feels(curves, apart=True)}." for title, curves in others),
        ],
        WIDTH * len(panels),
        hconcat=[_panel(title, curves, across, up, colour) for title, curves in panels.items()],
        spacing=24,
    )


def _join(panels: dict[str, dict[str, list[Row]]]) -> dict[str, list[Row]]:
    """All curves of all panels, named for one."""
    cuts = [cut for curves in panels.values() for cut in curves.values()]
    magnitudes = [name for name in slices.MAGNITUDES if name != DECAY]
    return dict(zip(slices.name_cuts(cuts, magnitudes), cuts, strict=True))


def untouched(rows: Sequence[Row]) -> dict[str, dict[str, list[Row]]]:
    """Cuts in which only α varies, one for each optimizer, apart for weight decay or none.

    Args:
        rows: The rows of a sweep.

    Returns:
        Title → name of the optimizer → its rows, α ascending.
    """
    panels: dict[str, dict[str, list[Row]]] = {}
    for title, decays in (("without weight decay", False), ("with weight decay", True)):
        some = [row for row in rows if bool(row.setting.hyperparameters.get(DECAY)) == decays]
        cuts = [
            sorted(slices.fullest(alike, lambda row: slices.rest(row, None, ())), key=quantities.log2_alpha)
            for alike in slices.separate(some, slices.variety).values()
        ]
        telling = [cut for cut in cuts if len(cut) >= FEWEST and any(map(finite, cut))]
        if telling:
            panels[title] = dict(zip(slices.name_cuts(telling, slices.MAGNITUDES), telling, strict=True))
    return panels


def calm(cut: Sequence[Row], factor: float = UNCHANGED) -> tuple[float, float]:
    """The range of α around 1 over which the final loss is what it is at 1.

    Args:
        cut: Rows in which only α varies, ascending.
        factor: How much it may change.

    Returns:
        (first, last) as log₂ α.
    """
    middle = cut.index(slices.at_one(cut))
    usual = cut[middle].outcome.final_loss

    def same(row: Row) -> bool:
        return finite(row) and usual / factor <= row.outcome.final_loss <= usual * factor

    first = last = middle
    while first > 0 and same(cut[first - 1]):
        first -= 1
    while last < len(cut) - 1 and same(cut[last + 1]):
        last += 1
    return quantities.log2_alpha(cut[first]), quantities.log2_alpha(cut[last])


def say_who_feels(curves: dict[str, list[Row]], apart: bool) -> str:
    """Who feels α and who does not, in a sentence.

    Args:
        curves: Name of the optimizer → its rows, α ascending.
        apart: Whether to give each its own range of α, and not the one that all have in common.

    Returns:
        The sentence, without a full stop; where nobody feels it, apart, only who does not.
    """
    alphas = sorted({quantities.log2_alpha(row) for cut in curves.values() for row in cut})
    ranges = {name: calm(cut) for name, cut in curves.items()}
    least = LEAST_CALM * (alphas[-1] - alphas[0])
    calmer = {name: (low, high) for name, (low, high) in ranges.items() if high - low >= least}
    common = (
        (max(low for low, _ in calmer.values()), min(high for _, high in calmer.values())) if calmer else (0.0, 0.0)
    )
    others: dict[str, list[str]] = {}
    for name, own in calmer.items():
        others.setdefault(say_range(*(own if apart else common), alphas), []).append(name)
    feeling = [name for name in curves if name not in calmer]
    parts = [f"{spell_list(feeling)} {'feel' if len(feeling) > 1 else 'feels'} the loss multiplier"] if feeling else []
    parts += [f"{spell_list(names)} {'do' if len(names) > 1 else 'does'} not{where}" for where, names in others.items()]
    return "; ".join(parts) if feeling or apart else f"Who feels the loss multiplier? {'; '.join(parts)}"


def say_range(low: float, high: float, alphas: Sequence[float]) -> str:
    """A range of α in words that stand after a statement.

    Args:
        low: The first, log₂.
        high: The last, log₂.
        alphas: All α there are, ascending.

    Returns:
        Text such as ` from α = 2⁻¹⁵ on`, not to be broken around the sign; empty for all there are.
    """
    twos = binary(alphas)
    first, last = spell_log2(low, twos), spell_log2(high, twos)
    if low == alphas[0]:
        return "" if high == alphas[-1] else f" up to α\u00a0=\u00a0{last}"
    return f" from α\u00a0=\u00a0{first}" + (" on" if high == alphas[-1] else f" to {last}")


def _panel(title: str, curves: dict[str, list[Row]], across: Spec, up: Spec, colour: Spec) -> Spec:
    low, top = up["scale"]["domain"]
    places = {name: rank * STAGGER * (top - low) for rank, name in enumerate(curves)}
    points = [
        {"alpha": quantities.log2_alpha(row), "name": name, "gone": not finite(row),
         "loss": math.log10(row.outcome.final_loss) if finite(row) else top - places[name]}
        for name, cut in curves.items() for row in cut
    ]  # fmt: skip
    # Curves that are one lie on each other: they get thinner, so that all colours show.
    lines = [
        layer([point for point in points if point["name"] == name and not point["gone"]],
              {"type": "line", "strokeWidth": THIN + rank * THICKER, "clip": True, "opacity": 1},
              x=across, y=up, color=colour)
        for rank, name in zip(range(len(curves) - 1, -1, -1), curves, strict=True)
    ]  # fmt: skip
    gone = [point for point in points if point["gone"]]
    crosses = layer(gone, {"type": "point", "shape": "cross", "angle": 45, "filled": True, "size": 40, "opacity": 1},
                    x=across, y=up, color=colour)  # fmt: skip
    heading = {"text": title, "fontSize": 13, "fontWeight": "normal", "anchor": "start", "offset": 6}
    return {"width": WIDTH, "height": HEIGHT, "title": heading, "layer": [*lines, *([crosses] if gone else [])]}
