"""The final loss over α and the learning rate, one panel for each optimizer."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lossgauge.laws.spelling import spell_list
from lossgauge.records.sweep import FAILED
from lossgauge.reports.html.chart import at, layer
from lossgauge.reports.sweeping import quantities, slices
from lossgauge.reports.sweeping.axes import BLACK, GREY, LIGHT, frame, loss_ticks, pick, power_axis, spell_loss
from lossgauge.reports.sweeping.best import Course, follow_best
from lossgauge.reports.sweeping.row import LawOf, Row, finite

Spec = dict[str, Any]
Edges = dict[float, tuple[float, float]]

FEWEST = 3
"""How many α and how many learning rates a map needs."""
MOST_PANELS = 12
WIDTH, HEIGHT, IN_A_ROW = 290, 220, 3
OVERLAP = 0.02
WHERE = ("x", "x2", "y", "y2")


def draw_heat_map(rows: Sequence[Row], law_of: LawOf) -> Spec | None:
    """The final loss over α × learning rate: the best learning rate at each α, and where training diverges.

    Args:
        rows: The rows of a sweep.
        law_of: Where laws come from.

    Returns:
        A Vega-Lite specification, or None where no optimizer was run with several α and several learning rates.
    """
    cuts = [cut for name in slices.STEP_SIZES for cut in _maps(rows, name)][:MOST_PANELS]
    if not cuts:
        return None
    span = slices.span_of_losses([row for cut in cuts for row in cut])
    names = slices.name_cuts(cuts, slices.STEP_SIZES)
    courses = [follow_best(cut, slices.step_size_of(cut[0]), law_of(cut[0].setting)) for cut in cuts]
    panels = [
        _panel(cut, f"{name}: {course.say()}", course, span)
        for cut, name, course in zip(cuts, names, courses, strict=True)
    ]
    return frame(
        _title(names, courses),
        [
            "Dots: the best learning rate at each α, where it is not at the edge of the grid. Dashed: where the "
            "dimensionless group of the learning rate is constant. Hatched: diverged."
        ],
        WIDTH * min(IN_A_ROW, len(panels)),
        concat=panels,
        columns=IN_A_ROW,
    )


def _maps(rows: Sequence[Row], name: str) -> list[list[Row]]:
    """For each optimizer (with its flags) the fullest map."""
    having = [row for row in rows if slices.step_size_of(row) == name]
    maps: list[list[Row]] = []
    for alike in slices.separate(having, slices.variety).values():
        columns = slices.separate(
            slices.fullest(alike, lambda row: slices.rest(row, None, [name])), lambda row: row.setting.alpha
        ).values()
        height = max(map(len, columns))
        whole = [column for column in columns if len(column) == height]
        cut = [row for column in whole for row in column]
        if min(height, len(whole)) >= FEWEST and any(map(finite, cut)):
            maps.append(cut)
    return maps


def _title(names: Sequence[str], courses: Sequence[Course]) -> str:
    """What the best learning rate does, the optimizers of which the same is true named together."""
    said: dict[str, list[str]] = {}
    for name, course in zip(names, courses, strict=True):
        said.setdefault(course.gist(), []).append(name)
    return "The best learning rate " + "; ".join(f"{gist} for {spell_list(named)}" for gist, named in said.items())


def _panel(cut: Sequence[Row], title: str, course: Course, span: tuple[float, float]) -> Spec:
    name = slices.step_size_of(cut[0])
    alphas, rates = {quantities.log2_alpha(row) for row in cut}, {quantities.log2_value(row, name) for row in cut}
    wide, high = edges(alphas), edges(rates)
    across = power_axis("x", "α, the loss multiplier", [*alphas], wide[min(alphas)][1] - min(alphas), grid=False)
    up = power_axis("y", "learning rate", [*rates], high[min(rates)][1] - min(rates), grid=False)
    cells = [
        _covering(*wide[quantities.log2_alpha(row)], *high[quantities.log2_value(row, name)])
        | {"loss": math.log10(min(max(row.outcome.final_loss, span[0]), span[1])) if finite(row) else None}
        for row in cut
        if row.outcome.status != FAILED
    ]
    trained = [cell for cell in cells if cell["loss"] is not None]
    gone = [{key: cell[key] for key in WHERE} for cell in cells if cell["loss"] is None]
    lines = course.lines(min(alphas), max(alphas))
    box = {"x": at(across, "x"), "x2": {"field": "x2"}, "y": at(up, "y"), "y2": {"field": "y2"}}
    layers = [
        layer(trained, {"type": "rect", "clip": True}, **box, color=_colour(span)),
        layer(gone, {"type": "rect", "color": LIGHT, "clip": True}, **box),
        layer(_hatch(gone), {"type": "rule", "color": GREY, "strokeWidth": 0.7, "clip": True}, **box),
        layer(
            [{"x": x, "y": y, "line": i} for i, line in enumerate(lines) for x, y in line],
            {"type": "line", "color": BLACK, "strokeDash": [4, 4], "strokeWidth": 1, "opacity": 0.6, "clip": True},
            x=across, y=up, detail={"field": "line"},
        ),
        layer(
            [{"x": x, "y": y} for x, y in course.best],
            {"type": "point", "filled": True, "color": BLACK, "size": 26, "opacity": 1},
            x=across, y=up,
        ),
    ]  # fmt: skip
    heading = {"text": title, "fontSize": 13, "fontWeight": "bold", "anchor": "start", "offset": 6}
    return {"width": WIDTH, "height": HEIGHT, "title": heading, "layer": layers}


def edges(values: "set[float]") -> Edges:
    """Where the cell of each value begins and ends: halfway to its neighbours.

    Args:
        values: At least two, log₂.

    Returns:
        Value → (lower edge, upper edge).
    """
    ordered = sorted(values)
    middles = [(one + other) / 2 for one, other in pairwise(ordered)]
    first, last = 2 * ordered[0] - middles[0], 2 * ordered[-1] - middles[-1]
    return dict(zip(ordered, pairwise([first, *middles, last]), strict=True))


def _covering(low: float, high: float, low2: float, high2: float) -> Spec:
    """A cell a little larger than it is, so that no light falls between cells."""
    across, up = OVERLAP * (high - low), OVERLAP * (high2 - low2)
    return dict(zip(WHERE, (low - across, high + across, low2 - up, high2 + up), strict=True))


def _colour(span: tuple[float, float]) -> Spec:
    ticks = loss_ticks(*span)
    places = [round(math.log10(tick), 6) for tick in ticks]
    legend = {"title": "final loss", "values": places, "labelExpr": pick([spell_loss(tick) for tick in ticks], places),
              "gradientLength": HEIGHT}  # fmt: skip
    scale = {"scheme": "viridis", "reverse": True, "domain": [math.log10(span[0]), math.log10(span[1])]}
    return {"field": "loss", "type": "quantitative", "scale": scale, "legend": legend}


def _hatch(cells: Sequence[Spec]) -> list[Spec]:
    """Three strokes in each cell, which go on in its neighbours."""
    strokes: list[Spec] = []
    for cell in cells:
        x, x2, y, y2 = (cell[key] for key in WHERE)
        middle, half = (x + x2) / 2, (y + y2) / 2
        for ends in ((x, x2, y, y2), (x, middle, half, y2), (middle, x2, y, half)):
            strokes.append(dict(zip(WHERE, ends, strict=True)))
    return strokes
