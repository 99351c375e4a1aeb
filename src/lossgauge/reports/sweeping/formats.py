"""Where each number format ends: settings that are co-scaled with α, so that only rounding and range can matter."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lossgauge.laws.spelling import spell_list
from lossgauge.records.sweep import PRECISIONS
from lossgauge.reports.html.chart import BLUE, GREEN, ORANGE, PINK, at, layer
from lossgauge.reports.sweeping import quantities, slices
from lossgauge.reports.sweeping.axes import binary, frame, loss_axis, power_axis, spell_log2
from lossgauge.reports.sweeping.row import LawOf, Row, finite

Spec = dict[str, Any]

FEWEST = 5
"""How many α a format needs."""
NEAR = 1.25
"""By what factor the final loss of a format may differ from its usual one before the format is said to have ended."""
COLOURS = {"float64": BLUE, "float32": GREEN, "bfloat16": PINK, "float16": ORANGE}
WIDTH, HEIGHT, BAR = 700, 300, 26


@dataclass(frozen=True)
class Window:
    """The α for which a format trains as usual.

    Args:
        precision: The format.
        low: The first such α, log₂.
        high: The last such α, log₂.
        open_below: Whether all smaller α of the sweep (there are none) are as good.
        open_above: The same of larger α.
    """

    precision: str
    low: float
    high: float
    open_below: bool
    open_above: bool

    @property
    def ends(self) -> bool:
        """Whether the format ended anywhere in the sweep."""
        return not (self.open_below and self.open_above)

    def say(self, twos: bool) -> str:
        """The window in words.

        Args:
            twos: Whether α is written as a power of two.

        Returns:
            Text such as `from 2⁻¹² to 2¹⁶`.
        """
        low, high = spell_log2(self.low, twos), spell_log2(self.high, twos)
        if not self.ends:
            return "everywhere"
        if self.open_below:
            return f"up to {high}"
        return f"from {low} on" if self.open_above else f"from {low} to {high}"


def say_windows(windows: Sequence[Window], twos: bool) -> str:
    """All windows in words, formats with the same one named together.

    Args:
        windows: The windows.
        twos: Whether α is written as a power of two.

    Returns:
        Text such as `float64 everywhere, float16 from 2⁻¹² to 2¹⁶`.
    """
    said: dict[str, list[str]] = {}
    for window in windows:
        said.setdefault(window.say(twos), []).append(window.precision)
    return ", ".join(f"{spell_list(names)} {text}" for text, names in said.items())


def draw_formats(rows: Sequence[Row], law_of: LawOf) -> Spec | None:
    """The final loss over α for each number format, with everything co-scaled; the windows below it.

    Args:
        rows: The rows of a sweep.
        law_of: Where laws come from.

    Returns:
        A Vega-Lite specification, or None where no co-scaled settings were run in several formats.
    """
    cut = _co_scaled(rows, law_of)
    if not cut:
        return None
    formats = [name for name in PRECISIONS if any(row.setting.precision == name for row in cut)]
    windows = [window for name in formats if (window := find_window(_of(cut, name))) is not None]
    span = slices.span_of_losses(cut)
    twos = binary([quantities.log2_alpha(row) for row in cut])
    across = power_axis("alpha", "α, the loss multiplier", [quantities.log2_alpha(row) for row in cut], 1.0)
    up = loss_axis("loss", *span)
    title = slices.name_cuts([cut], slices.MAGNITUDES)[0]
    law = law_of(cut[0].setting)
    moving = [quantities.letter(name) for name in quantities.carriers(cut[0].setting, law)]
    return frame(
        f"{title} trains the same at every α only as far as the number format reaches: " + say_windows(windows, twos),
        [
            f"{spell_list(moving)} {'move' if len(moving) > 1 else 'moves'} with α so that every dimensionless group "
            "stays: in exact arithmetic all points of this picture would lie on one horizontal line.",
            "Upper edge: that much or more; crosses: diverged. bfloat16 and float16 are autocast without a scaler.",
        ],
        WIDTH,
        vconcat=[_curves(cut, formats, across, up), _bars(windows, formats, across)],
        spacing=6,
    )


def find_window(rows: Sequence[Row]) -> Window | None:
    """The α around the middle of a sweep for which one format trains as it usually does.

    Args:
        rows: Rows of one format that differ in α and what moves with it.

    Returns:
        The window; None where the format trains nowhere.
    """
    ordered = sorted(rows, key=quantities.log2_alpha)
    finals = [row.outcome.final_loss for row in ordered if finite(row)]
    if not finals:
        return None
    usual = min(median(finals), NEAR * min(finals))
    good = [finite(row) and row.outcome.final_loss <= NEAR * usual for row in ordered]
    best: tuple[int, int] = (0, 0)
    begin = 0
    for end in range(len(good) + 1):
        if end == len(good) or not good[end]:
            best = max(best, (begin, end), key=lambda pair: pair[1] - pair[0])
            begin = end + 1
    first, last = best[0], best[1] - 1
    low, high = quantities.log2_alpha(ordered[first]), quantities.log2_alpha(ordered[last])
    return Window(ordered[0].setting.precision, low, high, first == 0, last == len(ordered) - 1)


def _co_scaled(rows: Sequence[Row], law_of: LawOf) -> list[Row]:
    """The fullest cut in which α varies, every group is constant, and there are several formats."""
    lawful = [row for row in rows if quantities.carriers(row.setting, law_of(row.setting))]

    def key(row: Row) -> object:
        return slices.rest(row, law_of(row.setting), (), held=True, any_precision=True)

    cuts = [cut for cut in slices.separate(lawful, key).values() if _tells(cut)]
    return max(cuts, key=len, default=[])


def _tells(cut: Sequence[Row]) -> bool:
    alphas = slices.separate(cut, lambda row: row.setting.precision).values()
    return len(alphas) > 1 and max(map(len, alphas)) >= FEWEST and any(map(finite, cut))


def _of(cut: Sequence[Row], precision: str) -> list[Row]:
    return [row for row in cut if row.setting.precision == precision]


def _curves(cut: Sequence[Row], formats: Sequence[str], across: Spec, up: Spec) -> Spec:
    top = up["scale"]["domain"][1]
    points = [
        {"alpha": quantities.log2_alpha(row), "format": row.setting.precision, "gone": not finite(row),
         "loss": min(math.log10(row.outcome.final_loss), top) if finite(row) else top}
        for row in sorted(cut, key=quantities.log2_alpha)
    ]  # fmt: skip
    colour = _colours(formats) | {"legend": {"title": None, "symbolType": "circle", "symbolSize": 90}}
    bare = at(across, "alpha") | {"axis": {**across["axis"], "labels": False, "title": None, "ticks": False}}
    curves = [layer([point for point in points if point["format"] == name],
                    {"type": "line", "strokeWidth": width, "point": False, "clip": True}, x=bare, y=up, color=colour)
              for name, width in zip(formats, (7, 4.5, 2.5, 1.5), strict=False)]  # fmt: skip
    crosses = layer([point for point in points if point["gone"]],
                    {"type": "point", "shape": "cross", "angle": 45, "filled": True, "size": 50, "opacity": 1},
                    x=bare, y=up, color=colour)  # fmt: skip
    return {"width": WIDTH, "height": HEIGHT, "layer": [*curves, crosses]}


def _bars(windows: Sequence[Window], formats: Sequence[str], across: Spec) -> Spec:
    bars = [{"format": window.precision, "low": window.low, "high": window.high} for window in windows]
    order = {"field": "format", "type": "nominal", "sort": list(formats), "title": None,
             "axis": {"ticks": False, "domain": False, "labelPadding": 8}}  # fmt: skip
    return {
        "width": WIDTH,
        "height": BAR * len(formats),
        "layer": [layer(bars, {"type": "bar", "height": BAR // 2, "cornerRadius": 3}, x=at(across, "low"),
                        x2={"field": "high"}, y=order, color=_colours(formats) | {"legend": None})],
    }  # fmt: skip


def _colours(formats: Sequence[str]) -> Spec:
    return {"field": "format", "type": "nominal",
            "scale": {"domain": list(formats), "range": [COLOURS[name] for name in formats]}}  # fmt: skip
