import math

import pytest

from lossgauge.experiments.floors import find_floor
from lossgauge.experiments.measurements import Measured


def floor(untouched: float, like: list[float], multiplied: tuple[float, float], resolution: float = 0.0) -> float:
    def measured(value: float) -> Measured:
        return Measured(value, not math.isfinite(value))

    return find_floor(
        measured(untouched), [measured(x) for x in like], (measured(multiplied[0]), measured(multiplied[1])), resolution
    )


def test_it_is_twice_the_largest_change_that_rounding_made():
    assert floor(1.0, [1.125, 0.75], (3.0, 3.0)) == 0.5
    assert floor(1.0, [1.0], (3.0, 3.0), resolution=1e-3) == 2e-3
    assert floor(1.0, [math.nan, 1.25], (3.0, 3.0)) == 0.5
    assert floor(1.0, [1.0], (2.0, 2.0)) == 0.0


def test_a_rough_training_at_alpha_counts_by_its_factor():
    small = floor(1.0, [1.0], (1.0, 1.001))
    assert small == pytest.approx(2e-3, rel=1e-2)
    assert floor(1.0, [1.0], (1e33, 1.001e33)) == pytest.approx(small)
    assert floor(-1.0, [-1.0], (-2.0, -2.002)) == pytest.approx(small, rel=1e-2)
    assert floor(1.0, [1.0], (1.0, 0.5)) == pytest.approx(3.0)
    assert math.isfinite(floor(1.0, [1.0], (1e-300, 1e300)))


def test_where_signs_differ_there_is_no_factor():
    assert floor(1.0, [1.0], (-2.0, -2.5)) == 1.0


def test_a_distance_is_judged_by_the_untouched_training_alone():
    assert floor(0.0, [1e-6], (5e16, 1e16)) == 2e-6


def test_what_diverged_says_nothing():
    assert floor(1.0, [1.5], (math.inf, 2.0)) == 1.0
