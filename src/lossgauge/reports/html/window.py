"""The window of α as a picture: for everything and tensor by tensor, which limit is met when the loss is multiplied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lossgauge.records.diagnosis import Limit
from lossgauge.records.session import Session
from lossgauge.reports.html.chart import BLUE, GREEN, INK, ORANGE, PINK, Chart, Spec, at, layer, layered, powers_axis
from lossgauge.reports.html.thinning import MOST_TENSORS, name_apart
from lossgauge.reports.html.trials import read_trial_move, say_trial_result
from lossgauge.reports.moves import Move
from lossgauge.reports.numbers import spell_factor
from lossgauge.reports.windows import LOWER, TITLES, UPPER, Span, choose_span, edges, tell_far_limits, zones_at

COLOURS = {"underflow": "#6E6E6E", "epsilon": ORANGE, "safe": GREEN, "clip": BLUE, "overflow": PINK}
OVERALL = "everything"
ROW_HEIGHT = 21
"""In pixels."""
NARROWEST = 0.13
"""The share of the axis a zone needs for its name to be written into it."""
_SAFE_OPACITY = 0.28


@dataclass(frozen=True)
class Row:
    """One row of the picture.

    Args:
        label: What stands beside it.
        limits: Its limits.
        title: Its full name.
    """

    label: str
    limits: Sequence[Limit]
    title: str


def draw_window(session: Session, windows: Sequence[tuple[str, Sequence[Limit]]]) -> Chart | None:
    """The picture.

    Args:
        session: Its trials say where remedies take the training.
        windows: Name and limits: the one for everything, then the tensors'.

    Returns:
        The chart; None where there is no limit.
    """
    if not any(limits for _, limits in windows):
        return None
    rows = _choose_rows(windows)
    moves = _tried_moves(session)
    span = choose_span([row.limits for row in rows], [move.decades for _, move, _ in moves])
    labels = [label for label, _, _ in moves] + [row.label for row in rows]
    up = {"field": "row", "type": "nominal", "title": None, "sort": None, "scale": {"domain": labels, "padding": 0.12},
          "axis": {"labelLimit": 280, "ticks": False, "domain": False}}  # fmt: skip
    along = powers_axis("low", "the loss multiplied by α, everything else untouched", span.low, span.high)
    layers = [*_draw_bands(rows, span, along, up), *_name_zones(rows, span, along, up)]
    layers += [*_draw_moves(moves, along, up), *_draw_today(along, bool(moves))]
    far = tell_far_limits(rows[0].limits, span)
    left = len(windows) - 1 - MOST_TENSORS
    caption = (
        "Today is 1. Every row says what happens to that tensor when the loss is multiplied: a band fades where only "
        "part of its elements is beyond the limit."
        + (f" Of {len(windows) - 1} tensors, the {MOST_TENSORS} that are nearest to a limit." if left > 0 else "")
        + (f" Off the picture for everything together: {', '.join(far)}." if far else "")
    )
    legend = [(COLOURS[name], title) for name, title in TITLES.items() if name == "safe" or _shows(rows, name, span)]
    spec = layered(layers, ROW_HEIGHT * len(labels))
    return Chart("window", "How far the loss may be multiplied", caption, spec, legend=legend)


def _shows(rows: Iterable[Row], name: str, span: Span) -> bool:
    """Whether any part of a zone is on the drawn part of the axis."""
    found = [edges(limit) for row in rows for limit in row.limits if limit.name == name]
    return any(high > span.low if name in LOWER else low < span.high for low, _, high in found)


def _choose_rows(windows: Sequence[tuple[str, Sequence[Limit]]]) -> list[Row]:
    """The row of everything, the tensors nearest to a limit in their own order, and one row for the rest."""
    overall, tensors = windows[0], list(windows[1:])
    nearest = sorted(range(len(tensors)), key=lambda index: _margin(tensors[index][1]))[:MOST_TENSORS]
    shown = [tensors[index] for index in sorted(nearest)]
    rest = [limits for index, (_, limits) in enumerate(tensors) if index not in set(nearest)]
    names = name_apart(name for name, _ in shown)
    rows = [Row(OVERALL, overall[1], "everything together")]
    rows += [Row(label, limits, name) for label, (name, limits) in zip(names, shown, strict=True)]
    title = f"the other {len(rest)} tensors"
    return [*rows, Row(title, _summarise(rest), title)] if rest else rows


def _margin(limits: Sequence[Limit]) -> float:
    """By how many powers of two the nearest limit is on the safe side; negative where today is beyond it."""
    return min((-limit.log2 if limit.name in LOWER else limit.log2 for limit in limits), default=1e9)


def _summarise(tensors: Sequence[Sequence[Limit]]) -> list[Limit]:
    summary: list[Limit] = []
    for name in (*LOWER, *UPPER):
        found = [limit for limits in tensors for limit in limits if limit.name == name]
        if found:
            ends = [place for limit in found for place in (limit.from_log2, limit.to_log2)]
            summary.append(Limit(name, median(limit.log2 for limit in found), min(ends), max(ends)))
    return summary


def _draw_bands(rows: Sequence[Row], span: Span, along: Spec, up: Spec) -> Iterable[Spec]:
    def band(values: list[dict[str, Any]], colour: Any) -> Spec:
        mark = {"type": "rect", "color": colour, "clip": True}
        return layer(values, mark, x=along, x2={"field": "high"}, y=up)

    whole = [{"row": row.label, "low": span.low, "high": span.high} for row in rows]
    yield band(whole, _rgba(COLOURS["safe"], _SAFE_OPACITY))
    for name in ("epsilon", "underflow", "clip", "overflow"):
        side = "below" if name in LOWER else "above"
        strength = (0.95, 0.5, 0.0) if name in LOWER else (0.0, 0.5, 0.95)
        pieces: list[list[dict[str, Any]]] = [[], [], []]
        for row in rows:
            for limit in (limit for limit in row.limits if limit.name == name):
                low, middle, high = (min(max(place, span.low), span.high) for place in edges(limit))
                solid = (span.low, low) if name in LOWER else (high, span.high)
                for piece, (left, right) in zip(pieces, (solid, (low, middle), (middle, high)), strict=True):
                    tip = f"{row.title}: {TITLES[name]} {side} α = {spell_factor(limit.log2)}"
                    piece += [{"row": row.label, "low": left, "high": right, "tip": tip}] if right > left else []
        fills = [_rgba(COLOURS[name], 0.95), _fade(name, *strength[:2]), _fade(name, *strength[1:])]
        for values, fill in zip(pieces, fills, strict=True):
            if values:
                drawn = band(values, fill)
                drawn["encoding"]["tooltip"] = {"field": "tip"}
                yield drawn


def _name_zones(rows: Sequence[Row], span: Span, along: Spec, up: Spec) -> Iterable[Spec]:
    """The names of the zones, written into the first row where they are wide enough."""
    columns = 200
    centres = [span.low + (index + 0.5) / columns * span.width for index in range(columns)]
    found: dict[str, list[float]] = {}
    for centre in centres:
        for name in zones_at(rows[0].limits, centre) or ["safe"]:
            found.setdefault(name, []).append(centre)
    wide = {name: places for name, places in found.items() if len(places) >= NARROWEST * columns}
    values = [{"row": rows[0].label, "low": _beside_today(median(places), places), "text": TITLES[name],
               "ink": INK if name == "safe" else "#FFFFFF"} for name, places in wide.items()]  # fmt: skip
    if values:
        ink = {"field": "ink", "type": "nominal", "scale": None}
        mark = {"type": "text", "fontWeight": "bold", "fontSize": 11}
        yield layer(values, mark, x=along, y=up, text={"field": "text"}, color=ink)


def _beside_today(place: float, places: Sequence[float]) -> float:
    """The middle of a zone, moved off the line of today."""
    if abs(place) > 0.08 * (places[-1] - places[0]):
        return place
    return (max(places[0], 0.0) + places[-1]) / 2 if places[-1] > -places[0] else (places[0] + min(places[-1], 0)) / 2


def _tried_moves(session: Session) -> list[tuple[str, Move, str]]:
    """Label, move and result of every tried treatment that is a move on this axis; the same move counts once."""
    moves: dict[str, tuple[str, Move, str]] = {}
    for trial in session.trials:
        move = read_trial_move(session, trial)
        if move is not None:
            label = f"{'✓' if trial.helped else '✗'} {move.title}"
            moves.setdefault(label, (label, move, say_trial_result(trial)))
    return list(moves.values())


def _draw_moves(moves: Sequence[tuple[str, Move, str]], along: Spec, up: Spec) -> Iterable[Spec]:
    if not moves:
        return
    arrows = [{"row": label, "low": 0.0, "high": move.decades, "text": result, "helped": label.startswith("✓"),
               "side": "left" if move.decades >= 0 else "right", "turn": 90 if move.decades >= 0 else -90,
               "tip": f"{move.text}; {result}"} for label, move, result in moves]  # fmt: skip
    tip = {"field": "tip"}
    shaft = {"type": "rule", "strokeWidth": 2, "color": INK}
    head = {"type": "point", "shape": "triangle", "filled": True, "size": 90, "opacity": 1, "color": INK}
    turned = {"field": "turn", "type": "quantitative", "scale": None}
    yield layer(arrows, shaft, x=along, x2={"field": "high"}, y=up, tooltip=tip)
    yield layer(arrows, head, x=at(along, "high"), y=up, angle=turned, tooltip=tip)
    for side, shift in (("left", 10), ("right", -10)):
        chosen = [arrow for arrow in arrows if arrow["side"] == side]
        mark = {"type": "text", "align": side, "dx": shift, "color": INK, "fontSize": 11}
        if chosen:
            yield layer(chosen, mark, x=at(along, "high"), y=up, text={"field": "text"})
    helpful = [arrow for arrow in arrows if arrow["helped"]]
    if helpful:
        yield layer(helpful, {"type": "rule", "strokeDash": [3, 4], "color": INK, "opacity": 0.6}, x=at(along, "high"))


def _draw_today(along: Spec, moved: bool) -> Iterable[Spec]:
    today = [{"low": 0.0, "text": "you are here" if not moved else "you are here, and where remedies take you"}]
    yield layer(today, {"type": "rule", "strokeWidth": 2.5, "color": INK}, x=along)
    mark = {"type": "text", "dy": -9, "fontWeight": "bold", "color": INK, "align": "center", "baseline": "bottom"}
    yield layer(today, mark, x=along, y={"value": 6}, text={"field": "text"})


def _fade(name: str, left: float, right: float) -> Spec:
    stops = [{"offset": 0, "color": _rgba(COLOURS[name], left)}, {"offset": 1, "color": _rgba(COLOURS[name], right)}]
    return {"gradient": "linear", "x1": 0, "x2": 1, "y1": 0, "y2": 0, "stops": stops}


def _rgba(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
