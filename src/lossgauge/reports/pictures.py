"""Pictures of the seed thread: Vega-Lite specifications as dicts, and their conversion to SVG and PNG.

Every picture is made from statements alone, so a saved session can be drawn on a machine without torch.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.records.statement import Statement, find_statement

Spec = dict[str, Any]

BLUE, ORANGE, GREEN, SKY, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#56B4E9", "#CC79A7", "#5A5A5A"
"""Colours that remain apart under every common colour blindness (Okabe and Ito 2008)."""
SINGLE = 2.0**-24
"""Half a unit in the last place of a float32 number at 1."""
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
WIDE, WIDE_TITLE = (-6, 9), "size of the gradient in units of ε:  |g| / ε"
ALPHAS = {"10": "loss × 10", "100000": "loss × 100 000"}


def draw_thread(statements: list[Statement]) -> dict[str, Spec]:
    """All pictures these statements have the numbers for.

    Args:
        statements: Tested statements.

    Returns:
        File name without ending → Vega-Lite specification.
    """
    nadam, asker = find_statement(statements, 4), find_statement(statements, 9)
    pictures: dict[str, Spec] = {}
    if nadam is not None and nadam.evidence:
        pictures["nadam-and-epsilon"] = draw_epsilon(nadam, asker)
    if asker is not None and asker.evidence:
        pictures["askers-training"] = draw_courses(asker)
        pictures["askers-layers"] = draw_layers(asker)
    return pictures


def draw_epsilon(nadam: Statement, asker: Statement | None = None) -> Spec:
    """How much a factor changes NAdam's steps, over the size of the gradient in units of ε.

    Args:
        nadam: Statement 4.
        asker: Statement 9, whose layers are marked; None leaves the mark out.

    Returns:
        A Vega-Lite specification with both axes logarithmic.
    """
    values = [
        {"ratio": row["ratio"], "change": row["change"][key], "name": title}
        for row in nadam.evidence["decades"]
        for key, title in ALPHAS.items()
        if row["change"][key]
    ]
    layers = [layer["untouched"] for layer in asker.evidence["layers"]] if asker else []
    marks = _asker_band(min(layers), max(layers)) if layers else []
    same = nadam.evidence["decades_identical"]
    exact = f"With ε co-scaled (ε·α) the change is {'exactly 0, at every size' if same else 'not 0 either'}."
    curve = {
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 3, "clip": True},
        "encoding": {
            "x": _log("ratio", WIDE_TITLE, WIDE, every=2),
            "y": _log("change", "relative change of the way NAdam takes the weights", (-9, 6), every=2),
            "color": _colours(list(ALPHAS.values()), [BLUE, ORANGE]),
        },
    }
    floor = _words(30, SINGLE, "below: lost in the rounding of float32", GREY, "left", dy=13)
    return _page(
        "Nadam and a multiplied loss, over the size of the gradient"
        if nadam.holds
        else "Nadam ignores a loss multiplier only where gradients are far above ε",
        ["ε untouched; 30 steps on random gradients. " + exact],
        [*marks, _rule("y", SINGLE, GREY), floor, curve],
    )


def draw_courses(asker: Statement) -> Spec:
    """The error over the steps, for everything the asker tried and the cure that is equivalent.

    Args:
        asker: Statement 9.

    Returns:
        A Vega-Lite specification with both axes logarithmic.
    """
    # The wide line of the multiplied loss shows on both sides of the dashed one that is drawn on top of it.
    styles = {
        "ε / 1e5": ("ε / 100 000", BLUE, [5, 5], 2.5),
        "loss × 1e5": ("loss × 100 000", ORANGE, [1, 0], 6),
        "as it was": ("as it was", "#000000", [2, 3], 3),
        "lr × 10": ("learning rate × 10", GREEN, [1, 0], 1.5),
        "lr × 100": ("learning rate × 100", SKY, [1, 0], 1.5),
        "lr × 1000": ("learning rate × 1000", PINK, [1, 0], 1.5),
    }
    runs = {key: asker.evidence["runs"][key] for key in styles if key in asker.evidence["runs"]}
    names, colours = [styles[key][0] for key in runs], [styles[key][1] for key in runs]
    courses = [
        {
            "data": {"values": _points(run["curve"], styles[key][0])},
            "mark": {"type": "line", "strokeWidth": styles[key][3], "strokeDash": styles[key][2], "clip": True},
            "encoding": {
                "x": _log("step", "step", (0, 3))
                | {"scale": {"type": "log", "domain": [1, _steps(run)], "nice": False}},
                "y": _log("error", "mean squared error, in units of the targets’ variance", (-3, 3)),
                "color": _colours(names, colours),
            },
        }
        for key, run in reversed(runs.items())
    ]
    steps = max(_steps(run) for run in runs.values())
    told = _words(steps, 1, "1: nothing learned", GREY, "right", dy=14, dx=-4)
    return _page(
        "The asker’s case: dividing ε does what multiplying the loss does"
        if asker.holds
        else "The asker’s case, repeated",
        [
            "NAdam at a learning rate of 0.002, sigmoid network 8-32×6-1, quadratic loss near 1e-6, full batch.",
            f"With 2**17 in the place of 1e5, the multiplied loss and the divided ε "
            f"{'agree in every bit' if asker.evidence['bits'] else 'do not agree by bits'}.",
        ],
        [_rule("y", 1.0, GREY), told, *courses],
    )


def draw_layers(asker: Statement) -> Spec:
    """√v̂/ε for each layer, with the loss as it was and multiplied.

    Args:
        asker: Statement 9.

    Returns:
        A Vega-Lite specification with a logarithmic vertical axis.
    """
    titles = {"multiplied": "loss × 100 000", "untouched": "as it was"}
    layers, title, span = asker.evidence["layers"], "typical gradient in units of ε:  √v̂ / ε", (-6, 7)
    values = [
        {"layer": layer["layer"], "ratio": layer[key], "name": title}
        for key, title in titles.items()
        for layer in layers
    ]
    dots = {
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 110, "filled": True, "opacity": 1}},
        "encoding": {
            "x": {
                "field": "layer",
                "type": "ordinal",
                "axis": {"labelAngle": 0},
                "title": f"layer, from the input (1) to the output ({len(layers)})",
            },
            "y": _log("ratio", title, span),
            "color": _colours(list(titles.values()), [ORANGE, "#000000"]),
        },
    }
    low = 10.0 ** span[0]
    below = {
        "data": {"values": [{"low": low, "high": 1.0}]},
        "mark": {"type": "rect", "color": SKY, "opacity": 0.18},
        "encoding": {"y": _log("low", title, span), "y2": {"field": "high"}},
    }
    words = _words(1, 1.0, "below 1: ε decides, and the layer hardly moves", GREY, "left", "ordinal", dy=14, dx=-30)
    return _page(
        "It is the early layers that ε holds back" if layers[0]["untouched"] < 1 else "What ε is to each layer",
        ["The asker suspected vanishing gradients in the early layers: small is what they are in units of ε.",
         "Median over the weights of each layer after 100 steps."],
        [below, _rule("y", 1.0, GREY), dots, words],
    )  # fmt: skip


def save_pictures(pictures: Mapping[str, Spec], folder: Path) -> list[Path]:
    """Convert specifications to SVG and PNG.

    Args:
        pictures: File name without ending → specification.
        folder: Where to write; made if missing.

    Returns:
        The files written, two for each picture.

    Raises:
        InputError: When the extra `pictures` is not installed, or the folder cannot be written to.
    """
    try:
        converter = importlib.import_module("vl_convert")
    except ImportError:
        raise InputError(
            "pictures need vl-convert, which is missing; install it: pip install 'lossgauge[pictures]'"
        ) from None
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, spec in pictures.items():
            vector, raster = folder / f"{name}.svg", folder / f"{name}.png"
            drawn = converter.vegalite_to_svg(spec)
            vector.write_text(drawn, encoding="utf-8")
            raster.write_bytes(converter.svg_to_png(drawn, scale=2))
            written += [vector, raster]
    except OSError as error:
        raise InputError(
            f"cannot write pictures to {str(folder)!r} ({error.strerror}); give a folder you own"
        ) from None
    return written


def _asker_band(low: float, high: float) -> list[Spec]:
    band = {
        "data": {"values": [{"low": low, "high": high}]},
        "mark": {"type": "rect", "color": SKY, "opacity": 0.22},
        "encoding": {"x": _log("low", WIDE_TITLE, WIDE, every=2), "x2": {"field": "high"}},
    }
    return [
        band,
        _words((low * high) ** 0.5, 1e-5, "the asker’s network", BLUE, "center", fontWeight="bold"),
        _words(low, 6e-9, "first layer", BLUE, "left", dx=4),
        _words(high, 6e-9, "last layer", BLUE, "right", dx=-4),
    ]


def _words(x: float, y: float, text: str, colour: str, align: str, kind: str = "quantitative", **style: Any) -> Spec:
    across = {"field": "x", "type": kind} | ({"scale": {"type": "log"}} if kind == "quantitative" else {})
    return {
        "data": {"values": [{"x": x, "y": y, "text": text}]},
        "mark": {"type": "text", "align": align, "color": colour, "fontSize": 12, **style},
        "encoding": {
            "x": across,
            "y": {"field": "y", "type": "quantitative", "scale": {"type": "log"}},
            "text": {"field": "text"},
        },
    }


def _rule(channel: str, value: float, colour: str) -> Spec:
    return {
        "data": {"values": [{"at": value}]},
        "mark": {"type": "rule", "color": colour, "strokeDash": [4, 4]},
        "encoding": {channel: {"field": "at", "type": "quantitative", "scale": {"type": "log"}}},
    }


def _log(field: str, title: str, decades: tuple[int, int], every: int = 1) -> Spec:
    """A logarithmic channel that runs over these decades, labelled with powers of ten."""
    low, high = decades
    labels = [_power(power) for power in range(low, high + 1)]
    axis = {"values": [10.0**power for power in range(low, high + 1, every)],
            "labelExpr": f"{labels}[round(log(datum.value) / LN10) - {low}]", "grid": True}  # fmt: skip
    scale = {"type": "log", "domain": [10.0**low, 10.0**high], "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def _power(power: int) -> str:
    return f"{10.0**power:g}" if -2 <= power <= 3 else "10" + str(power).translate(SUPERSCRIPTS)


def _colours(names: list[str], colours: list[str]) -> Spec:
    legend = {"orient": "right", "symbolStrokeWidth": 3, "symbolType": "stroke", "labelLimit": 260}
    scale = {"domain": names, "range": colours}
    return {"field": "name", "type": "nominal", "title": None, "scale": scale, "legend": legend}


def _steps(run: Mapping[str, Any]) -> int:
    return run["curve"][-1][0]


def _points(curve: Sequence[Sequence[float | None]], name: str) -> list[Spec]:
    """The points of a curve; one that is not finite any more simply ends."""
    return [{"step": step, "error": error, "name": name} for step, error in curve if error]


def _page(title: str, subtitle: list[str], layers: list[Spec]) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 620,
        "height": 380,
        "padding": 16,
        "background": "#FFFFFF",
        "title": {"text": title, "subtitle": subtitle, "anchor": "start", "fontSize": 17, "subtitleFontSize": 13,
                  "subtitleColor": GREY, "offset": 14, "subtitlePadding": 6},
        "layer": layers,
        "config": {"font": "DejaVu Sans, Liberation Sans, sans-serif", "view": {"stroke": "#D0D0D0"},
                   "axis": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal", "titlePadding": 10,
                            "gridColor": "#EEEEEE", "domainColor": "#A0A0A0", "tickColor": "#A0A0A0"},
                   "legend": {"labelFontSize": 13}},
    }  # fmt: skip
