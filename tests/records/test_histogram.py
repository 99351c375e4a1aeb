"""Histograms over binary exponents: counting, shares, quantiles, sums."""

import math

import pytest

from lossgauge.records.histogram import Histogram, add_up

UNIFORM = Histogram(low=-2, counts=(4, 4, 4, 4))
"""Four elements in each of [1/4, 1/2), [1/2, 1), [1, 2), [2, 4)."""


def test_everything_is_counted_once():
    histogram = Histogram(0, (1, 2), zero=3, subnormal=1, infinite=4, nan=5)
    assert histogram.elements == 15
    assert histogram.finite == 3


@pytest.mark.parametrize(("size", "share"), [(0.25, 0.0), (0.5, 0.25), (1.0, 0.5), (math.sqrt(2), 0.625), (8.0, 1.0)])
def test_share_below_interpolates_by_logarithm(size, share):
    assert UNIFORM.share_below(size) == pytest.approx(share)


def test_zeros_lie_below_everything():
    assert Histogram(0, (1,), zero=3).share_below(1e-300) == pytest.approx(0.75)
    assert Histogram().share_below(1.0) == 0.0


def test_infinities_are_no_finite_elements():
    assert Histogram(0, (2,), infinite=100).share_below(4.0) == 1.0


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_quantile_and_share_below_are_inverse(share):
    size = UNIFORM.quantile(share)
    assert size is not None
    assert UNIFORM.share_below(size) == pytest.approx(share)


def test_no_quantile_of_nothing():
    assert Histogram(zero=5).quantile(0.5) is None


def test_a_shift_multiplies_by_a_power_of_two():
    before, after = UNIFORM.quantile(0.3), UNIFORM.shifted(10).quantile(0.3)
    assert before is not None
    assert after == pytest.approx(before * 2.0**10)


def test_sums_align_their_bins():
    total = add_up([Histogram(0, (1, 2)), Histogram(3, (5,), zero=1), Histogram(nan=2)])
    assert total == Histogram(0, (1, 2, 0, 5), zero=1, nan=2)
    assert add_up([]) == Histogram()
