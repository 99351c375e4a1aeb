"""The safe window of α."""

from dataclasses import replace

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.window import find_windows
from lossgauge.records.loss_reading import LossReading
from lossgauge.records.session import Clip, Session
from tests.diagnosis.sessions import FELL, multiplied, seen, train

ORDER = ("underflow", "epsilon", "clip", "overflow")


def plain(eps=1e-8, norm=0.25, threshold=1.0, **rest):
    clip = Clip("max_norm", threshold, norm)
    look = (seen(1e-2, 1e-2), seen(1e-4, 1e-4, tensor=1))
    return train(FELL, look, settings={"eps": eps}, clips=lambda step: clip, **rest)


def limits(session, name="all"):
    window = next(window for window in find_windows(Case(session)) if window.name == name)
    return {limit.name: limit for limit in window.limits}


def shifts(before, after):
    assert set(before) == set(after)
    return {name: (after[name].log2 - before[name].log2, after[name].from_log2 - before[name].from_log2)
            for name in before}  # fmt: skip


def test_nothing_sampled_no_window():
    assert find_windows(Case(Session())) == ()


def test_everything_together_comes_first_then_each_tensor():
    names = [window.name for window in find_windows(Case(plain()))]
    assert names == ["all", "layer0.weight", "layer1.weight"]


@pytest.mark.parametrize("name", ["all", "layer0.weight", "layer1.weight"])
def test_the_limits_lie_in_their_order_around_today(name):
    found = limits(plain(), name)
    assert tuple(found) == ORDER
    edges = [found[limit].log2 for limit in ORDER]
    assert edges == sorted(edges)
    assert found["epsilon"].from_log2 < 0 < found["clip"].from_log2


def test_a_norm_at_its_threshold_is_at_the_edge_today():
    assert limits(plain(norm=1.0))["clip"].log2 == 0
    assert limits(plain(norm=0.25))["clip"].log2 == 2
    assert limits(plain(norm=8.0))["clip"].log2 == -3


def test_a_root_at_epsilon_is_at_the_edge_today():
    session = train(FELL, (seen(1e-2, [1e-2] * 4),), settings={"eps": 1e-2})
    assert limits(session)["epsilon"].log2 == pytest.approx(0, abs=1)


@pytest.mark.parametrize("power", [-20, -1, 6])
def test_a_new_epsilon_moves_its_edge_and_no_other(power):
    moved = shifts(limits(plain()), limits(plain(eps=1e-8 * 2.0**power)))
    assert moved.pop("epsilon") == pytest.approx((power, power))
    assert set(moved.values()) == {(0, 0)}


def test_an_epsilon_of_dimension_two_moves_its_edge_half_as_far():
    def inside(eps):
        session = plain(eps)
        law = session.optimizers[0].law
        assert law is not None
        session.optimizers[0] = replace(session.optimizers[0], law=replace(law, exponents={**law.exponents, "eps": 2}))
        return session

    assert shifts(limits(inside(1e-8)), limits(inside(1e-8 * 2.0**10)))["epsilon"] == pytest.approx((5, 5))


@pytest.mark.parametrize("power", [-7, 3])
def test_a_loss_that_was_multiplied_already_has_that_much_less_room(power):
    moved = shifts(limits(plain()), limits(multiplied(plain(), power, co_scaled=False)))
    assert all(shift == pytest.approx((-power, -power)) for shift in moved.values())


@pytest.mark.parametrize("power", [-7, 3])
def test_in_other_units_only_the_limits_of_the_format_move(power):
    moved = shifts(limits(plain()), limits(multiplied(plain(), power)))
    assert moved["epsilon"] == pytest.approx((0, 0), abs=1e-9)
    assert moved["clip"] == pytest.approx((0, 0), abs=1e-9)
    assert moved["underflow"] == pytest.approx((-power, -power))
    assert moved["overflow"] == pytest.approx((-power, -power))


def test_limits_that_cannot_be_met_are_absent():
    assert set(limits(train(FELL, optimizer="sgd"))) == {"underflow", "overflow"}
    assert set(limits(plain(eps=0.0))) == {"underflow", "clip", "overflow"}
    assert limits(train(FELL, (seen([0.0] * 4),), optimizer="sgd")) == {}


def test_squares_halve_the_room_in_the_exponent():
    with_moment, without = limits(train(FELL, (seen(1.0, 1.0),))), limits(train(FELL, (seen(1.0),)))
    assert with_moment["overflow"].log2 == pytest.approx(64, abs=1)
    assert without["overflow"].log2 == pytest.approx(128, abs=1)
    assert with_moment["underflow"].log2 == pytest.approx(-74.5, abs=1)


def half(scale=None, share=0.0):
    reading = LossReading(1, formats={"float16": 3}, flushed={"0": share})
    return train(FELL, (seen(1.0),), optimizer="sgd", readings=[reading], scale=scale)


def test_a_backward_in_float16_has_float16_s_limits():
    found = limits(half())
    assert found["underflow"].log2 == pytest.approx(-24, abs=1)
    assert found["overflow"].log2 == pytest.approx(16, abs=1)


def test_mixed_precision_s_scale_is_room_won_below_and_lost_above():
    moved = shifts(limits(half()), limits(half(scale=2.0**10)))
    assert list(moved.values()) == [pytest.approx((-10, -10))] * 2


def test_what_was_flushed_already_lies_beyond_the_edge():
    assert limits(half(share=0.7))["underflow"].log2 > 0
    assert limits(half(share=0.3))["underflow"].from_log2 >= 0


def test_where_all_was_flushed_room_is_missing():
    session = half(share=1.0)
    for number, sample in enumerate(session.samples):
        session.samples[number] = replace(sample, tensors=(seen([0.0] * 4),))
    assert limits(session)["underflow"].log2 > 0
