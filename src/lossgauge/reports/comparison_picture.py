"""A picture of a comparison: the factor and what it explains, over both trainings. A Vega-Lite specification."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.reports.numbers import read_number
from lossgauge.reports.pictures import BLUE, GREY, ORANGE, Spec

WIDTH, HEIGHT = 560, 210


def draw_comparison(plain: Mapping[str, Any]) -> Spec:
    """α_eff and cos² over the steps of both trainings, with the range over batches.

    Args:
        plain: The record as `Comparison.to_dict` gives it.

    Returns:
        A Vega-Lite specification of two panels, one above the other.

    Raises:
        InputError: When nothing was trained, so that there is nothing to draw.
    """
    names = {"a": f"trained with A, {plain['loss_a']}", "b": f"trained with B, {plain['loss_b']}"}
    values = [
        # Step 0 has no place on a logarithmic axis.
        {**{key: read_number(value) for key, value in point.items()}, "name": names[along], "at": point["step"] + 1}
        for along, points in plain["over_training"].items()
        for point in points
        if point["alpha_eff"] is not None and point["cos2"] is not None
    ]
    if not values:
        raise InputError("nothing was trained, so there is no course to draw; give --steps of at least 1")
    colour = _colour(list(names.values()))
    factor = _panel("alpha_eff", "α_eff: B’s gradient over A’s", colour, {"zero": False})
    share = _panel("cos2", "share of it that α_eff explains", colour, {"domain": [0, 1]}, ".0%")
    panels = ([_band(colour), factor], [share])
    title = f"{plain['loss_a']} → {plain['loss_b']}: {plain['verdict_text']}"
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "padding": 16,
        "background": "#FFFFFF",
        "data": {"values": values},
        "title": {"text": title, "subtitle": "Band: from the smallest to the largest α_eff of a batch.",
                  "anchor": "start", "fontSize": 17, "subtitleFontSize": 13, "subtitleColor": GREY, "offset": 14},
        "vconcat": [{"width": WIDTH, "height": HEIGHT, "layer": layers} for layers in panels],
        "config": {"font": "DejaVu Sans, Liberation Sans, sans-serif", "legend": {"labelFontSize": 13},
                   "axis": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal",
                            "gridColor": "#EEEEEE"}},
    }  # fmt: skip


def save_picture(picture: Spec, path: str | Path) -> None:
    """Convert a specification to one file.

    Args:
        picture: The specification.
        path: The file, ending in `.svg` or `.png`.

    Raises:
        InputError: When the extra `pictures` is missing, the ending is another one, or the file cannot be written.
    """
    path = Path(path)
    try:
        converter = importlib.import_module("vl_convert")
    except ImportError:
        raise InputError(
            "pictures need vl-convert, which is missing; install it: pip install 'lossgauge[pictures]'"
        ) from None
    try:
        if path.suffix.lower() == ".svg":
            path.write_text(converter.vegalite_to_svg(picture), encoding="utf-8")
        elif path.suffix.lower() == ".png":
            path.write_bytes(converter.vegalite_to_png(picture, scale=2))
        else:
            raise InputError(f"the picture is {str(path)!r}, expected a file that ends in .svg or .png")
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r} ({error.strerror}); give a file in a folder you own") from None


def _colour(names: list[str]) -> Spec:
    legend = {"orient": "top", "direction": "vertical", "labelLimit": WIDTH, "symbolType": "stroke",
              "symbolOpacity": 1, "symbolStrokeWidth": 3}  # fmt: skip
    scale = {"domain": names, "range": [BLUE, ORANGE]}
    return {"field": "name", "type": "nominal", "title": None, "scale": scale, "legend": legend}


def _band(colour: Spec) -> Spec:
    low, high = {"field": "alpha_low", "type": "quantitative"}, {"field": "alpha_high"}
    return {
        "mark": {"type": "area", "opacity": 0.18},
        "encoding": {"x": _steps(), "y": low, "y2": high, "color": colour},
    }


def _panel(field: str, title: str, colour: Spec, scale: Spec, form: str = "") -> Spec:
    axis = {"format": form} if form else {}
    return {
        "mark": {"type": "line", "strokeWidth": 3, "point": {"size": 50, "filled": True, "opacity": 1}},
        "encoding": {
            "x": _steps(),
            "y": {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis},
            "color": colour,
        },
    }


def _steps() -> Spec:
    axis = {"labelExpr": "datum.value - 1", "values": [1, 2, 3, 6, 11, 21, 51, 101, 201, 501, 1001, 2001, 5001, 10001]}
    return {"field": "at", "type": "quantitative", "title": "step", "scale": {"type": "log", "nice": False},
            "axis": axis}  # fmt: skip
