"""The course of the loss, with the steps that were clipped or left out."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from lossgauge.records.session import Session, Step
from lossgauge.reports.html.chart import (
    BLUE,
    INK,
    ORANGE,
    PALETTE,
    PINK,
    Chart,
    Spec,
    at,
    colours,
    layer,
    layered,
    measure_axis,
    steps_axis,
    tips,
)
from lossgauge.reports.html.thinning import buckets, finite

HEIGHT, STRIP = 240, 8
MOST_EVENTS = 40
EVENTS = {"non-finite": PINK, "plateau": ORANGE, "stop-delta": ORANGE}
"""The kinds of events that are marked, and their colours."""


def draw_course(session: Session) -> Chart | None:
    """Loss over steps.

    Args:
        session: The session.

    Returns:
        The chart; None where no step has a finite loss.
    """
    numbers = sorted({step.optimizer for step in session.steps if step.loss is not None})
    points = [point for number in numbers for point in _points(session, number)]
    if not points:
        return None
    axis, log = measure_axis([value for point in points for value in (point["low"], point["high"])], "loss")
    for point in points:
        for name in ("loss", "low", "high"):
            point[f"{name}_at"] = math.log10(point[name]) if log else point[name]
    along = steps_axis(max(step.number for step in session.steps))
    names = list(dict.fromkeys(point["name"] for point in points))
    hue = colours("name", names, PALETTE)
    if len(names) == 1:
        hue["legend"] = None
    told = tips(("step", "quantitative", "step"), ("loss", "quantitative", "mean loss"))
    layers = [
        layer(points, {"type": "area", "opacity": 0.2, "clip": True}, x=along, y=at(axis, "low_at"),
              y2={"field": "high_at"}, color=hue),
        layer(points, {"type": "line", "strokeWidth": 1.6, "clip": True}, x=along, y=at(axis, "loss_at"), color=hue,
              tooltip=told),
    ]  # fmt: skip
    strips, legend = _draw_strips(session, along)
    events = _draw_events(session, along)
    caption = "The mean of the losses of each step" + (", neighbours put together" if _thinned(session) else "") + "."
    caption += " The vertical lines are events: rest on them to read what happened." if events else ""
    return Chart("loss", "The loss", caption, layered([*layers, *strips, *events], HEIGHT), legend=legend)


def _thinned(session: Session) -> bool:
    return len(session.steps) > len(buckets(session.steps))


def _points(session: Session, number: int) -> list[dict[str, Any]]:
    steps = [step for step in session.steps if step.optimizer == number]
    known = number < len(session.optimizers)
    name = f"{session.optimizers[number].title} (optimizer {number})" if known else f"optimizer {number}"
    points: list[dict[str, Any]] = []
    for bucket in buckets(steps):
        losses = finite(step.loss for step in bucket)
        if losses:
            middle = bucket[len(bucket) // 2].number
            points.append({"step": middle, "loss": sum(losses) / len(losses), "low": min(losses), "high": max(losses),
                           "name": name})  # fmt: skip
    return points


def _draw_strips(session: Session, along: Spec) -> tuple[list[Spec], list[tuple[str, str]]]:
    """Strips at the foot of the chart: how often steps were clipped, left out, or had no finite loss."""
    marks = [
        (BLUE, "clipped steps", lambda step: step.clip is not None and _exceeds(step)),
        (ORANGE, "steps the scaler left out", lambda step: step.skipped),
        (PINK, "steps whose loss was not finite", lambda step: step.loss is not None and not math.isfinite(step.loss)),
    ]
    layers: list[Spec] = []
    legend: list[tuple[str, str]] = []
    for colour, title, holds in marks:
        values = _share_out(session.steps, holds)
        if values:
            foot = HEIGHT - STRIP * len(layers)
            strength = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0.25, 1]},
                        "legend": None}  # fmt: skip
            layers.append(
                layer(values, {"type": "rect", "color": colour, "clip": True}, x=at(along, "low"), x2={"field": "high"},
                      y={"value": foot - STRIP + 1}, y2={"value": foot}, opacity=strength,
                      tooltip=tips(("from", "quantitative", "from step"), ("to", "quantitative", "to step"),
                                   ("share", "quantitative", title)))
            )  # fmt: skip
            legend.append((colour, title))
    return layers, legend


def _share_out(steps: Sequence[Step], holds: Callable[[Step], bool]) -> list[dict[str, Any]]:
    """How many of the steps it holds for, bucket by bucket; neighbours with the same share become one."""
    shares = ((sum(map(holds, bucket)) / len(bucket), bucket) for bucket in buckets(steps))
    values: list[dict[str, Any]] = []
    for share, group in groupby(shares, key=lambda pair: pair[0]):
        together = [bucket for _, bucket in group]
        first, last = together[0][0].number, together[-1][-1].number
        if share:
            values.append({"low": first - 0.5, "high": last + 0.5, "from": first, "to": last, "share": share})
    return values


def _exceeds(step: Step) -> bool:
    clip = step.clip
    return clip is not None and clip.norm is not None and clip.norm > clip.threshold


def _draw_events(session: Session, along: Spec) -> list[Spec]:
    found = [event for event in session.events if event.kind in EVENTS]
    rows = [{"step": event.number, "text": event.text, "colour": EVENTS[event.kind]} for event in found[:MOST_EVENTS]]
    if not rows:
        return []
    hue = {"field": "colour", "type": "nominal", "scale": None}
    tip = tips(("step", "quantitative", "step"), ("text", "nominal", "event"))
    return [layer(rows, {"type": "rule", "strokeWidth": 2, "strokeDash": [2, 3], "stroke": INK}, x=along, color=hue,
                  tooltip=tip)]  # fmt: skip
