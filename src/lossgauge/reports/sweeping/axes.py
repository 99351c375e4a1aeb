"""The axes, colours and frame that the pictures of a sweep share: all quantities are drawn by their logarithm."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from lossgauge.laws.spelling import spell_value
from lossgauge.reports.numbers import LOG2_OF_TEN, SUPERSCRIPTS, spell_short, spell_ten

Spec = dict[str, Any]

GREY, LIGHT, BLACK = "#5A5A5A", "#E4E4E4", "#1A1A1A"
LABELS = 9
"""How many numbers an axis is labelled with, at most."""
STEPS = (1, 2, 4, 5, 8, 10, 16, 20, 32, 40, 64, 100, 128, 200)
"""By how many powers two labels of an axis may differ."""
LETTER_OF_TITLE, LETTER_OF_SUBTITLE = 9.4, 6.7
"""How wide a letter is in a heading, and in what follows it, in pixels."""
MARGIN = 150
"""What axes and legend take beside the panels, in pixels."""


def spell_two(power: float) -> str:
    """A power of two.

    Args:
        power: The exponent.

    Returns:
        `1`, `2⁻²⁰`; a plain number where the power is not whole.
    """
    whole = round(power)
    if abs(power - whole) > 1e-6:
        return spell_short(2.0**power, 2) if abs(power) < 1000 else f"2^{power:.1f}"
    return {0: "1", 1: "2"}.get(whole, "2" + str(whole).translate(SUPERSCRIPTS))


def binary(values: Sequence[float]) -> bool:
    """Whether numbers given by their logarithm are all powers of two.

    Args:
        values: log₂ of each.

    Returns:
        True where all of them are whole.
    """
    return all(abs(value - round(value)) < 1e-6 for value in values)


def spell_log2(value: float, twos: bool) -> str:
    """A number given by its logarithm.

    Args:
        value: log₂ of it.
        twos: Whether to write it as a power of two.

    Returns:
        `2⁻²⁷` or `1e-8`.
    """
    return spell_two(value) if twos or abs(value) > 1000 else spell_value(float(f"{2.0**value:.3g}"))


def power_axis(field: str, title: str, values: Sequence[float], room: float = 0.0, **axis: Any) -> Spec:
    """A logarithmic axis for numbers given by log₂, labelled with powers of two or of ten, as they were chosen.

    Args:
        field: Where log₂ stands in the data.
        title: The title of the axis.
        values: All values on it, log₂.
        room: How far it goes on beyond the first and the last one, log₂.
        axis: Further entries of the axis.

    Returns:
        A channel.
    """
    low, high = min(values) - room, max(values) + room
    high = high if high > low else low + 1.0
    unit = 1.0 if binary(values) else LOG2_OF_TEN
    first, last = math.ceil(low / unit - 1e-9), math.floor(high / unit + 1e-9)
    every = next((step for step in STEPS if (last - first) / step < LABELS), last - first or 1)
    shown = [power for power in range(first, last + 1) if power % every == 0] or [first]
    names = [spell_two(power) if unit == 1.0 else spell_ten(power) for power in range(min(shown), max(shown) + 1)]
    label = f"{names}[round(datum.value / {unit}) - ({min(shown)})]"
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [low, high], "nice": False, "zero": False},
        "axis": {"values": [power * unit for power in shown], "labelExpr": label, "grid": True, **axis},
    }


def loss_axis(field: str, low: float, high: float, title: str = "final loss, per unit of loss") -> Spec:
    """The axis of the final loss.

    Args:
        field: Where log₁₀ of the loss stands in the data.
        low: The smallest loss shown.
        high: The largest loss shown.
        title: The title of the axis.

    Returns:
        A channel that runs over the logarithm, labelled with round numbers.
    """
    bottom, top = math.log10(low), math.log10(high)
    room = 0.04 * (top - bottom) or 0.1
    ticks = loss_ticks(low, high)
    names = [spell_loss(tick) for tick in ticks]
    places = [round(math.log10(tick), 6) for tick in ticks]
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [bottom - room, top + room], "nice": False, "zero": False},
        "axis": {"values": places, "labelExpr": pick(names, places), "grid": True},
    }


def spell_loss(tick: float) -> str:
    """A round number at an axis.

    Args:
        tick: 1, 2 or 5 times a power of ten.

    Returns:
        `0.05`, `10⁻⁷`, `2·10⁻⁷`.
    """
    if 1e-3 <= tick < 1e4:
        return spell_short(tick, 2)
    power = math.floor(math.log10(tick) + 1e-9)
    digit = round(tick / 10.0**power)
    return spell_ten(power) if digit == 1 else f"{digit}·{spell_ten(power)}"


def pick(names: Sequence[str], places: Sequence[float]) -> str:
    """The expression that labels a tick with the name of the nearest place.

    Args:
        names: The labels.
        places: Where they belong.

    Returns:
        A Vega expression.
    """
    cases = [f"abs(datum.value - ({place})) < 1e-4 ? '{name}' : " for name, place in zip(names, places, strict=True)]
    return "".join(cases) + "''"


def loss_ticks(low: float, high: float) -> list[float]:
    """Round numbers for an axis of losses.

    Args:
        low: The smallest loss.
        high: The largest loss.

    Returns:
        Powers of ten where the axis covers several, else also 2 and 5 times these.
    """
    bottom, top = math.log10(low), math.log10(high)
    digits = (1, 2, 5) if top - bottom < 2.5 else (1,)
    every = max(math.ceil((top - bottom) / LABELS), 1)
    powers = range(math.floor(bottom), math.ceil(top) + 1)
    return [
        digit * 10.0**power
        for power in powers
        for digit in digits
        if power % every == 0 and bottom - 0.05 <= math.log10(digit * 10.0**power) <= top + 0.05
    ]


def frame(title: str, subtitle: Sequence[str], width: float, **body: Any) -> Spec:
    """A picture around its panels.

    Args:
        title: The finding, in a sentence.
        subtitle: How to read it, line by line.
        width: How wide the panels are together, in pixels.
        body: `layer`, `hconcat` or `concat`, and what belongs to them.

    Returns:
        A Vega-Lite specification.
    """
    first, then = (int((width + MARGIN) / letter) for letter in (LETTER_OF_TITLE, LETTER_OF_SUBTITLE))
    lines = [line for text in subtitle for line in textwrap.wrap(text, then)]
    heading = {"text": textwrap.wrap(title, first), "subtitle": lines, "anchor": "start", "fontSize": 17,
               "subtitleFontSize": 13, "subtitleColor": GREY, "offset": 16, "subtitlePadding": 6}  # fmt: skip
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "padding": 16,
        "background": "#FFFFFF",
        "title": heading,
        **body,
        "config": {
            "font": "DejaVu Sans, Liberation Sans, sans-serif",
            "view": {"stroke": "#D0D0D0"},
            "concat": {"spacing": 24},
            "axis": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal", "titlePadding": 8,
                     "gridColor": "#EEEEEE", "domainColor": "#A0A0A0", "tickColor": "#A0A0A0"},
            "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 260},
        },
    }  # fmt: skip
