"""The window of α: where on the axis of loss multipliers which limit is met, ready to be drawn as text or picture."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossgauge.records.diagnosis import Limit
from lossgauge.reports.numbers import LOG2_OF_TEN, read_number, spell_factor

LOWER, UPPER = ("underflow", "epsilon"), ("clip", "overflow")
"""Limits met with too small and with too large a loss, the outer one drawn on top in each pair."""
TITLES = {
    "underflow": "underflow",
    "epsilon": "ε-dominated",
    "safe": "safe",
    "clip": "clipped",
    "overflow": "overflow",
}
NEAR = 15.0
"""Decades from today within which a limit of the number format is drawn; beyond, words say where it is."""
FARTHEST = 40.0
_MARGIN, _LEAST = 1.0, 3.0


@dataclass(frozen=True)
class Span:
    """A stretch of the axis of α, in decades: today is 0.

    Args:
        low: Its left end.
        high: Its right end.
    """

    low: float
    high: float

    @property
    def width(self) -> float:
        """How many decades it covers."""
        return self.high - self.low


def read_windows(plain: Mapping[str, Any]) -> list[tuple[str, list[Limit]]]:
    """The windows of a diagnosis.

    Args:
        plain: `Diagnosis.to_dict()`.

    Returns:
        Name and limits of each, the one for everything first; limits without a finite place are left out.
    """
    return [(str(window["name"]), list(_read_limits(window.get("limits", ())))) for window in plain.get("windows", ())]


def edges(limit: Limit) -> tuple[float, float, float]:
    """Where a limit lies, in decades of α.

    Args:
        limit: The limit.

    Returns:
        The left end of its soft edge, its middle, and the right end.
    """
    places = sorted((limit.from_log2, limit.to_log2))
    return places[0] / LOG2_OF_TEN, limit.log2 / LOG2_OF_TEN, places[1] / LOG2_OF_TEN


def share_beyond(limit: Limit, decades: float) -> float:
    """How much of the tensor is beyond a limit with the loss multiplied.

    Args:
        limit: The limit.
        decades: log10 of α.

    Returns:
        Between 0 and 1; in straight lines through the 1, 50 and 99 per cent points of the limit.
    """
    low, middle, high = edges(limit)
    if decades <= low or decades >= high:
        return float((decades >= high) if limit.name in UPPER else (decades <= low))
    left, right = (0.01, 0.99) if limit.name in UPPER else (0.99, 0.01)
    if decades < middle:
        return left + (0.5 - left) * (decades - low) / (middle - low)
    return 0.5 + (right - 0.5) * (decades - middle) / (high - middle) if high > middle else 0.5


def zones_at(limits: Iterable[Limit], decades: float) -> list[str]:
    """The limits that more than half of the tensor is beyond.

    Args:
        limits: The limits.
        decades: log10 of α.

    Returns:
        Their names, at most one of the lower and one of the upper ones, the outer one where both are met.
    """
    met = [limit.name for limit in limits if share_beyond(limit, decades) >= 0.5]
    pairs = (LOWER, tuple(reversed(UPPER)))
    return [next(name for name in pair if name in met) for pair in pairs if any(name in met for name in pair)]


def choose_span(windows: Iterable[Sequence[Limit]], marks: Iterable[float] = ()) -> Span:
    """The part of the axis that is worth drawing.

    Args:
        windows: The limits of every window that will be drawn on it.
        marks: Other places that have to be on it, in decades.

    Returns:
        Whole decades that hold today, every mark, every limit of ε and of clipping, and the limits of number formats
        that are near.
    """
    places = [0.0, *(mark for mark in marks if abs(mark) <= FARTHEST)]
    for limit in (limit for limits in windows for limit in limits):
        reach = FARTHEST if limit.name in ("epsilon", "clip") else NEAR
        places += [place for place in edges(limit) if abs(place) <= reach]
    low, high = min(places) - _MARGIN, max(places) + _MARGIN
    return Span(float(math.floor(min(low, -_LEAST))), float(math.ceil(max(high, _LEAST))))


def tell_far_limits(limits: Iterable[Limit], span: Span) -> list[str]:
    """The limits that are not on the drawn part of the axis.

    Args:
        limits: The limits.
        span: What is drawn.

    Returns:
        Texts such as `overflow only above 1e44`.
    """
    told: list[str] = []
    for limit in limits:
        low, middle, high = edges(limit)
        if high < span.low or low > span.high:
            where = "below" if limit.name in LOWER else "above"
            only = "only " if (middle < 0) == (limit.name in LOWER) else "already "
            told.append(f"{TITLES[limit.name]} {only}{where} {spell_factor(limit.log2)}")
    return told


def _read_limits(plain: Iterable[Mapping[str, Any]]) -> Iterable[Limit]:
    for limit in plain:
        places = [read_number(limit.get(name)) for name in ("log2", "from_log2", "to_log2")]
        if limit.get("name") in TITLES and all(place is not None and math.isfinite(place) for place in places):
            yield Limit(str(limit["name"]), *(float(place) for place in places if place is not None))
