import math

import pytest

from lossgauge.records.diagnosis import Limit
from lossgauge.reports.numbers import LOG2_OF_TEN
from lossgauge.reports.windows import choose_span, edges, read_windows, share_beyond, tell_far_limits, zones_at
from tests.reports.sessions import eps_dominated


def limit(name: str, low: float, middle: float, high: float) -> Limit:
    """A limit by decades of α."""
    return Limit(name, middle * LOG2_OF_TEN, high * LOG2_OF_TEN, low * LOG2_OF_TEN)


EPSILON, CLIP = limit("epsilon", 1, 2, 4), limit("clip", 6, 7, 8)
UNDERFLOW, OVERFLOW = limit("underflow", -30, -28, -26), limit("overflow", 40, 41, 42)


@pytest.mark.parametrize(
    ("decades", "share"), [(0, 1), (1, 1), (1.5, 0.745), (2, 0.5), (3, 0.255), (4, 0), (9, 0), (-9, 1)]
)
def test_the_soft_edge_of_a_lower_limit(decades: float, share: float):
    assert share_beyond(EPSILON, decades) == pytest.approx(share)


@pytest.mark.parametrize(("decades", "share"), [(0, 0), (6.5, 0.255), (7, 0.5), (7.5, 0.745), (8, 1), (9, 1)])
def test_the_soft_edge_of_an_upper_limit(decades: float, share: float):
    assert share_beyond(CLIP, decades) == pytest.approx(share)


def test_a_hard_edge_is_no_division_by_zero():
    hard = limit("clip", 3, 3, 3)
    assert [share_beyond(hard, place) for place in (2.9, 3.1)] == [0, 1]


def test_zones_from_left_to_right():
    limits = [EPSILON, CLIP, UNDERFLOW, OVERFLOW]
    assert [zones_at(limits, place) for place in (-40, 0, 5, 7.2, 50)] == [
        ["underflow"], ["epsilon"], [], ["clip"], ["overflow"],
    ]  # fmt: skip


def test_limits_that_cross_are_both_named():
    assert zones_at([limit("epsilon", 5, 6, 7), limit("clip", -2, -1, 0)], 1) == ["epsilon", "clip"]


def test_the_span_holds_what_matters():
    span = choose_span([[EPSILON, CLIP, UNDERFLOW, OVERFLOW]], [5.0])
    assert span.low <= -3
    assert span.high >= 9
    assert span.low > -26, "limits of formats far away would squeeze the rest"
    assert choose_span([[]]).low < 0 < choose_span([[]]).high
    assert choose_span([[]], [12.0]).high >= 12


def test_what_is_not_drawn_is_told():
    span = choose_span([[EPSILON, CLIP, UNDERFLOW, OVERFLOW]])
    told = tell_far_limits([EPSILON, CLIP, UNDERFLOW, OVERFLOW], span)
    assert told == ["underflow only below 1e-28", "overflow only above 1e41"]
    assert tell_far_limits([limit("overflow", -44, -43, -42)], span) == ["overflow already above 1e-43"]


def test_windows_are_read_from_plain_data():
    plain = eps_dominated()[1].to_dict()
    windows = read_windows(plain)
    assert [name for name, _ in windows][:2] == ["all", "layers.0.weight"]
    low, middle, high = edges(windows[0][1][1])
    assert low < middle < high
    assert read_windows({"windows": [{"name": "x"}]}) == [("x", [])]
    bad = {"name": "clip", "log2": "inf", "from_log2": 1.0, "to_log2": 2.0}
    assert read_windows({"windows": [{"name": "x", "limits": [bad, {**bad, "log2": math.nan}]}]}) == [("x", [])]
