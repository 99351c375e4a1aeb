"""Sizes of gradients, second moments and updates over time: heatmaps by power of two, for all tensors and each."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from lossgauge.records.histogram import Histogram, add_up
from lossgauge.records.session import Session, TensorSample
from lossgauge.reports.html.chart import BLUE, INK, ORANGE, Chart, Spec, at, layered, powers_axis, steps_axis, tips
from lossgauge.reports.html.floors import Floor, find_floors
from lossgauge.reports.html.stacking import last_until
from lossgauge.reports.html.thinning import MOST_TENSORS, name_apart, spread_evenly

ALL = "all tensors together"
MOST_SAMPLES = 60
MOST_CELLS = 250_000
"""Numbers in the page, each about three bytes."""
WHOLE = 1000
"""Shares are written in thousandths."""
REACH = 7.0
"""Decades beyond what occurs within which ε and the limits of the format are still shown."""
KINDS: dict[str, tuple[str, Callable[[TensorSample], Histogram | None]]] = {
    "gradient": ("|g|", lambda tensor: tensor.gradient),
    "denominator": ("√v̂", lambda tensor: tensor.denominator),
    "update": ("|Δw|", lambda tensor: tensor.update),
}
LOG10_OF_TWO = math.log10(2.0)

Column = list[Any]
"""Step, last step, exponent of the first bin, shares of the bins, share of zeros, log10 of the median or None."""


def draw_histograms(session: Session) -> list[Chart]:
    """The heatmaps.

    Args:
        session: The session.

    Returns:
        A chart for each of |g|, √v̂ and |Δw| that was seen, with one choice for each tensor.
    """
    last = max((step.number for step in session.steps), default=0)
    chosen = _choose_tensors(session)
    most = MOST_SAMPLES
    while True:
        drawn = {kind: _columns(session, kind, chosen, most, last) for kind in KINDS}
        cells = sum(len(c[3]) for columns in drawn.values() for found in columns.values() for c in found)
        if cells <= MOST_CELLS or most <= 8:
            break
        most = max(int(most * 0.9 * MOST_CELLS / cells), 8)
    titles = dict(zip(chosen, name_apart((session.tensors[index].name for index in chosen), 60), strict=True))
    charts = (_draw(session, kind, drawn[kind], titles, last) for kind in KINDS)
    return [chart for chart in charts if chart is not None]


def _choose_tensors(session: Session) -> list[int]:
    largest = sorted(range(len(session.tensors)), key=lambda index: -session.tensors[index].elements)
    return sorted(largest[:MOST_TENSORS])


def _columns(
    session: Session, kind: str, chosen: Sequence[int], most: int, last: int
) -> dict[int | None, list[Column]]:
    """The columns of all tensors together (None) and of each chosen one."""
    take = KINDS[kind][1]
    found: dict[int | None, list[tuple[int, Histogram]]] = {None: [], **{index: [] for index in chosen}}
    for sample in session.samples:
        seen = [(tensor.tensor, histogram) for tensor in sample.tensors if (histogram := take(tensor)) is not None]
        if seen:
            found[None].append((sample.number, add_up(histogram for _, histogram in seen)))
        for index, histogram in seen:
            if index in found:
                found[index].append((sample.number, histogram))
    return {index: _lay_out(spread_evenly(course, most), last) for index, course in found.items() if course}


def _lay_out(course: Sequence[tuple[int, Histogram]], last: int) -> list[Column]:
    columns: list[Column] = []
    ends = last_until([step for step, _ in course], last)
    for (step, histogram), end in zip(course, ends, strict=True):
        total = max(histogram.elements, 1)
        shares = [round(WHOLE * count / total) for count in histogram.counts]
        filled = [index for index, share in enumerate(shares) if share]
        first, stop = (filled[0], filled[-1] + 1) if filled else (0, 0)
        middle = histogram.quantile(0.5)
        median = round(math.log10(middle), 2) if middle else None
        zero = round(WHOLE * histogram.zero / total)
        columns.append([step, end, histogram.low + first, shares[first:stop], zero, median])
    return columns


def _draw(
    session: Session, kind: str, columns: dict[int | None, list[Column]], titles: dict[int, str], last: int
) -> Chart | None:
    if not columns:
        return None
    symbol = KINDS[kind][0]
    floors = {index: find_floors(session, kind, index) for index in columns}
    low, high = _reach(columns, floors)
    sampled = [column[0] for column in columns[None]]
    choices = {
        ALL if index is None else titles[index]: {
            "columns": found,
            "lines": [[round(floor.decades, 3), floor.text] for floor in floors[index] if low < floor.decades < high],
        }
        for index, found in columns.items()
    }
    return Chart(f"sizes-{kind}", symbol, "", _specify(symbol, low, high, steps_axis(last, sampled)), choices)


def _reach(columns: dict[int | None, list[Column]], floors: dict[int | None, list[Floor]]) -> tuple[float, float]:
    """The powers of ten shown: everything that occurs in any tensor, with the limits that are near."""
    filled = [column for found in columns.values() for column in found if column[3]]
    low = min((column[2] for column in filled), default=-1) * LOG10_OF_TWO
    high = max((column[2] + len(column[3]) for column in filled), default=1) * LOG10_OF_TWO
    near = [f.decades for found in floors.values() for f in found if low - REACH < f.decades < high + REACH]
    return min([low, *near]) - 1.5, max([high, *near]) + 0.5


def _specify(symbol: str, low: float, high: float, along: Spec) -> Spec:
    """The specification; the page's script fills `cells`, `middles` and `lines`."""
    y = powers_axis("low", symbol, low, high)
    shade = {"field": "strength", "type": "quantitative", "legend": None,
             "scale": {"domain": [0, 1], "range": [0.03, 1]}}  # fmt: skip
    told = tips(("step", "quantitative", "step"), ("size", "nominal", symbol), ("share", "quantitative", "share"))
    cells = {"data": {"name": "cells"}, "mark": {"type": "rect", "clip": True, "strokeWidth": 0},
             "encoding": {"x": along, "x2": {"field": "end"}, "y": y, "y2": {"field": "high"}, "opacity": shade,
                          "color": {"condition": {"test": "datum.zero", "value": ORANGE}, "value": BLUE},
                          "tooltip": told}}  # fmt: skip
    path = {"type": "line", "color": INK, "strokeWidth": 1.5, "clip": True, "interpolate": "step-after"}
    middles = {"data": {"name": "middles"}, "mark": path, "encoding": {"x": along, "y": at(y, "at")}}
    rules = {"data": {"name": "lines"}, "mark": {"type": "rule", "color": ORANGE, "strokeDash": [5, 3],
                                                "strokeWidth": 1.5},
             "encoding": {"y": at(y, "at")}}  # fmt: skip
    words = {"data": {"name": "lines"}, "mark": {"type": "text", "align": "left", "baseline": "bottom", "dx": 4,
                                                "dy": -3, "color": INK, "fontSize": 11},
             "encoding": {"x": {"value": 0}, "y": at(y, "at"), "text": {"field": "text"}}}  # fmt: skip
    return layered([cells, middles, rules, words], 190)
