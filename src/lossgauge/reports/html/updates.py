"""How far each step moves the weights, relative to their size, tensor by tensor."""

import math
from collections.abc import Iterable
from statistics import median
from typing import Any

from lossgauge.records.session import Session
from lossgauge.reports.gauges import HEALTHY
from lossgauge.reports.html.chart import GREEN, Chart, at, layer, layered, powers_axis, steps_axis, tips
from lossgauge.reports.html.thinning import MOST_TENSORS, choose_extremes, finite, name_apart, spread_evenly

MOST_SAMPLES = 120


def draw_updates(session: Session) -> Chart | None:
    """‖Δw‖/‖w‖ over steps, one line for each tensor.

    Args:
        session: The session.

    Returns:
        The chart; None where no tensor moved.
    """
    courses = {index: course for index, course in _courses(session).items() if course}
    if not courses:
        return None
    chosen = choose_extremes(courses, lambda index: median(value for _, value in courses[index]))
    names = name_apart(session.tensors[index].name for index in chosen)
    rows: list[dict[str, Any]] = [
        {"step": step, "at": math.log10(value), "value": value, "tensor": name}
        for index, name in zip(chosen, names, strict=True)
        for step, value in spread_evenly(courses[index], MOST_SAMPLES)
    ]
    heights = [row["at"] for row in rows] + [math.log10(edge) for edge in HEALTHY]
    sampled = [row["step"] for row in rows]
    along = steps_axis(max([step.number for step in session.steps] + sampled), sampled)
    y = powers_axis("at", "‖Δw‖ / ‖w‖ per step", min(heights) - 0.5, max(heights) + 0.5)
    legend = {"orient": "right", "symbolType": "stroke", "labelLimit": 240, "labelFontSize": 10, "rowPadding": 0,
              "symbolLimit": MOST_TENSORS}  # fmt: skip
    scale = {"domain": names, "range": sample_colours(len(names))}
    hue = {"field": "tensor", "type": "nominal", "title": None, "scale": scale, "legend": legend}
    bounds = [{"at": math.log10(HEALTHY[0]), "high": math.log10(HEALTHY[1])}]
    band = layer(bounds, {"type": "rect", "color": GREEN, "opacity": 0.15}, y=at(y, "at"), y2={"field": "high"})
    tip = tips(("tensor", "nominal", "tensor"), ("step", "quantitative", "step"), ("value", "quantitative", "‖Δw‖/‖w‖"))
    line = layer(rows, {"type": "line", "strokeWidth": 1.6, "clip": True, "point": {"size": 8}},
                 x=along, y=y, color=hue, tooltip=tip)  # fmt: skip
    line["params"] = [{"name": "chosen", "select": {"type": "point", "fields": ["tensor"]}, "bind": "legend"}]
    line["encoding"]["opacity"] = {"condition": {"param": "chosen", "value": 1}, "value": 0.08}
    left = len(courses) - len(chosen)
    caption = (
        "Shaded: 1e-4 to 1e-2, where most trainings make progress. Colours run from the first tensor (dark) to the "
        "last (light); choose names in the legend to see them alone."
        + (f" {len(chosen)} of {len(courses)} tensors, from the slowest to the fastest." if left else "")
    )
    return Chart("updates", "How far a step moves the weights", caption, layered([band, line], 300))


def sample_colours(count: int) -> list[str]:
    """Colours from dark to light that stay in order in shades of grey too, none too near to black or to white.

    Args:
        count: How many are wanted.

    Returns:
        Their codes.
    """
    anchors = [(104, 84, 178), (56, 112, 158), (33, 145, 140), (53, 183, 121), (160, 200, 50), (225, 190, 30)]
    places = [index * (len(anchors) - 1) / max(count - 1, 1) for index in range(count)]
    return [_between(anchors, place) for place in places]


def _between(anchors: list[tuple[int, int, int]], place: float) -> str:
    left = min(int(place), len(anchors) - 2)
    mixed = (a + (b - a) * (place - left) for a, b in zip(anchors[left], anchors[left + 1], strict=True))
    return "#" + "".join(f"{round(value):02X}" for value in mixed)


def _courses(session: Session) -> dict[int, list[tuple[int, float]]]:
    courses: dict[int, list[tuple[int, float]]] = {index: [] for index in range(len(session.tensors))}
    for sample in session.samples:
        for tensor in sample.tensors:
            for value in _positive(tensor.relative_update):
                courses.setdefault(tensor.tensor, []).append((sample.number, value))
    return {index: course for index, course in courses.items() if index < len(session.tensors)}


def _positive(value: float | None) -> Iterable[float]:
    return [number for number in finite([value]) if number > 0]
