"""A chart: a Vega-Lite specification with its words, and the pieces that all charts are put together from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lossgauge.reports.numbers import spell_ten

Spec = dict[str, Any]

BLUE, ORANGE, GREEN, SKY, PINK, YELLOW, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#56B4E9",
    "#CC79A7",
    "#E69F00",
    "#808080",
)
"""Colours that remain apart under every common colour blindness (Okabe and Ito 2008), on white and on black."""
PALETTE = [BLUE, ORANGE, GREEN, PINK, SKY, YELLOW, GREY]
INK = "currentColor"
"""The colour of the text around the chart, whether the page is light or dark."""
STROKES = {"symbolType": "stroke", "symbolStrokeWidth": 3}
"""What the legend of lines shows."""
TINY = 1e-3
"""Numbers below this are written with a power of ten."""
FEW_DECADES = 1.3
EARLY = 8.0
"""By how many times the middle one of the sampled steps comes before the last step for a logarithmic axis."""
LABELS = 9
"""How many powers of ten an axis is labelled with, at most."""


@dataclass(frozen=True)
class Chart:
    """A chart with its words.

    Args:
        name: Its identifier in the page.
        title: What it shows.
        caption: How to read it.
        spec: A Vega-Lite specification without width, data inline.
        choices: What a reader can choose from, in order: title → what the page's script puts in place of the data.
        legend: Colour and meaning of marks that the specification has no legend for.
    """

    name: str
    title: str
    caption: str
    spec: Spec
    choices: Mapping[str, Any] = field(default_factory=dict[str, Any])
    legend: Sequence[tuple[str, str]] = ()


def layered(layers: Sequence[Spec], height: int = 240, **rest: Any) -> Spec:
    """Layers of one chart, as wide as the page.

    Args:
        layers: Vega-Lite layers.
        height: In pixels.
        rest: Further entries of the specification.

    Returns:
        The specification.
    """
    return {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}, **rest,
            "layer": list(layers)}  # fmt: skip


def layer(values: Sequence[Mapping[str, Any]], mark: "str | Spec", **encoding: Any) -> Spec:
    """One layer with its own data.

    Args:
        values: Rows; every number in them is finite.
        mark: The Vega-Lite mark.
        encoding: Channel → definition.

    Returns:
        The layer.
    """
    return {"data": {"values": list(values)}, "mark": mark, "encoding": encoding}


def steps_axis(last: int, sampled: Sequence[int] = ()) -> Spec:
    """The axis of optimizer steps.

    Args:
        last: The last step.
        sampled: The steps there is something to draw for, where these are not all; when most of them are early, the
            axis is logarithmic.

    Returns:
        A channel for the column `step`.
    """
    early = bool(sampled) and EARLY * median(sampled) < last
    scale = {"type": "log", "domain": [1, last]} if early else {"domain": [0, max(last, 1)], "zero": True}
    axis = {"format": "~s", "tickCount": 6} if early else {"tickMinStep": 1, "tickCount": 8}
    return {"field": "step", "type": "quantitative", "title": "step", "scale": {**scale, "nice": False},
            "axis": {**axis, "grid": False}}  # fmt: skip


def powers_axis(field_name: str, title: str | None, low: float, high: float, **axis: Any) -> Spec:
    """An axis of numbers that are powers of ten already: 3 is labelled 1000.

    Args:
        field_name: Where the power stands in the data.
        title: Its title.
        low: The first power shown.
        high: The last power shown.
        axis: Further entries of the axis.

    Returns:
        A channel.
    """
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    every = max(math.ceil((last - first) / LABELS), 1)
    shown = [power for power in range(first, last + 1) if power % every == 0]
    labels = [spell_ten(power) for power in range(first, last + 1)]
    axis = {"values": shown, "labelExpr": f"{labels}[round(datum.value) - {first}]", "grid": True, **axis}
    scale = {"domain": [low, high], "nice": False, "zero": False}
    return {"field": field_name, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def measure_axis(values: Sequence[float], title: str) -> tuple[Spec, bool]:
    """The axis of a measured quantity: powers of ten where it covers several, else plain numbers.

    Args:
        values: Everything that will be drawn.
        title: Its title.

    Returns:
        A channel without a field, and whether the data must be put in as log10.
    """
    positive = [value for value in values if value > 0]
    if positive and len(positive) == len(values):
        low, high = math.log10(min(positive)), math.log10(max(positive))
        if high - low >= FEW_DECADES:
            return powers_axis("", title, low - 0.08 * (high - low), high + 0.08 * (high - low)), True
    scale = {"zero": False, "nice": True}
    tiny = max((abs(value) for value in values), default=1.0) < TINY
    axis = {"format": ".3~e" if tiny else ".4~g", "labelExpr": "datum.value ? datum.label : '0'"}
    return {"field": "", "type": "quantitative", "title": title, "scale": scale, "axis": axis}, False


def at(channel: Spec, field_name: str) -> Spec:
    """An axis for another column.

    Args:
        channel: The channel.
        field_name: The column.

    Returns:
        The channel with that field.
    """
    return {**channel, "field": field_name}


def colours(field_name: str, domain: Sequence[str], scheme: Sequence[str], **legend: Any) -> Spec:
    """Colours for a few names.

    Args:
        field_name: Where the name stands in the data.
        domain: The names.
        scheme: A colour for each.
        legend: Further entries of the legend.

    Returns:
        A channel.
    """
    scale = {"domain": list(domain), "range": list(scheme)[: len(domain)]}
    return {"field": field_name, "type": "nominal", "title": None, "scale": scale,
            "legend": {"orient": "top", "symbolType": "square", "labelLimit": 300, **legend}}  # fmt: skip


def tips(*fields: tuple[str, str, str]) -> list[Spec]:
    """What is shown when the pointer rests on a mark.

    Args:
        fields: Column, type (`nominal`, `quantitative`) and title.

    Returns:
        A tooltip channel.
    """
    return [
        {"field": name, "type": kind, "title": title, **({"format": ".3~g"} if kind == "quantitative" else {})}
        for name, kind, title in fields
    ]


def line_at(value: float, channel: str, scale: Spec, dash: bool = True, colour: str = GREY) -> Spec:
    """A straight line across the chart.

    Args:
        value: Where.
        channel: `x` or `y`.
        scale: The axis it stands on.
        dash: Whether it is dashed.
        colour: Its colour.

    Returns:
        A layer.
    """
    mark = {"type": "rule", "color": colour, **({"strokeDash": [4, 4]} if dash else {})}
    return layer([{"at": value}], mark, **{channel: {**at(scale, "at")}})
