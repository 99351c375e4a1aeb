"""The course of a loss in one word."""

import math
from random import Random

import pytest

from lossgauge.diagnosis.progress import STATES, SUFFERING, Progress, thinned
from tests.diagnosis.sessions import BROKEN, CLIMBED, DIVERGED, FELL, FLAT, SLOW, falling

COURSES = {
    "fell": FELL,
    "stalled": FLAT,
    "slow": SLOW,
    "diverged": DIVERGED,
    "climbed": CLIMBED,
    "broken": BROKEN,
    "unknown": FELL[:3],
}


def course(values, contested=False):
    return Progress(tuple((float(step), value) for step, value in enumerate(values, 1)), contested)


def test_every_state_is_shown_here():
    assert set(COURSES) == set(STATES)
    assert set(SUFFERING) < set(STATES)


@pytest.mark.parametrize("state", COURSES)
def test_states(state):
    assert course(COURSES[state]).state == state
    assert course(COURSES[state]).suffers == (state in SUFFERING)


@pytest.mark.parametrize("power", [-100, 40])
@pytest.mark.parametrize("state", COURSES)
def test_the_unit_of_the_loss_changes_no_state(state, power):
    plain, other = course(COURSES[state]), course([value * 2.0**power for value in COURSES[state]])
    assert (other.state, other.left, other.late, other.noise) == (plain.state, plain.left, plain.late, plain.noise)
    assert other.poor == plain.poor


def test_leaps_are_counted_in_the_last_half():
    assert course([1.0] * 30 + [3.0, 0.5, 0.5] * 10).erratic == pytest.approx(1 / 3, abs=0.02)
    assert course([1.0] * 30 + [math.nan, 0.5, 0.5] * 10).erratic == pytest.approx(1 / 3, abs=0.02)
    assert course([1.0, *[9.0] * 10] + [1.9, 0.5] * 20).erratic == 0
    assert course([-1.0, 5.0, 5.0]).erratic == course([]).erratic == 0


def test_the_highest_of_the_last_fifth():
    values = [5.0, 1.0, 2.0, 9.0, *[1.0] * 16, 0.5]  # 21 points, a fifth of the way is four steps
    assert course(values).highest().values == [5, 5, 5, 9, 9, 9, 9, 9, *[1.0] * 13]
    assert course([1.0, math.nan, 1.0]).highest().points[1][1] == math.inf
    assert course([]).highest().points == ()


def test_nothing_known():
    empty = course([])
    assert (empty.state, empty.start, empty.end, empty.best, empty.left) == ("unknown", None, None, None, None)
    assert not empty.suffers
    assert not empty.poor


def test_never_finite():
    lost = course([math.nan] * 8)
    assert lost.state == "broken"
    assert lost.start is None
    assert lost.poor


def noisy(level: float, size: float, steps: int = 600, seed: int = 0) -> list[float]:
    """Losses of batches drawn around a level."""
    draw = Random(seed)
    return [level * math.exp(draw.gauss(0.0, size)) for _ in range(steps)]


@pytest.mark.parametrize("seed", range(20))
def test_the_luck_of_the_first_batches_is_no_progress(seed):
    assert course([1.25] * 10 + noisy(1.0, 0.3, seed=seed)).state == "stalled"


@pytest.mark.parametrize("seed", range(20))
def test_what_came_down_by_more_than_luck_did(seed):
    assert course([1.2] * 10 + noisy(1.0, 0.05, seed=seed)).state == "fell"
    assert course([2.0] * 10 + noisy(1.0, 0.2, seed=seed)).state == "fell"


def test_one_bad_batch_at_the_start_does_not_count():
    assert course([1e6, *FLAT]).state == "stalled"


def test_one_bad_batch_at_the_end_does_not_count():
    assert course([*falling(steps=59), math.nan, *falling(1e-3, 9e-4, 60)]).state == "fell"


def test_a_floor_of_noise_is_poor_and_does_not_suffer():
    floor = course([1.0, 0.9, 0.8, 0.7, 0.6, *[0.5] * 55])
    assert floor.state == "fell"
    assert floor.poor
    assert not floor.suffers
    assert floor.left is not None
    assert 0.5 <= floor.left < 0.85


def test_in_a_game_only_falling_and_breaking_say_something():
    states = {state: course(values, contested=True).state for state, values in COURSES.items()}
    assert states.pop("fell") == "fell"
    assert states.pop("broken") == "broken"
    assert set(states.values()) == {"unknown"}


def test_a_loss_that_may_be_negative_is_measured_by_its_own_range():
    assert course([-value for value in falling(1.0, 100.0)]).state == "fell"
    wobble = [(-1.0) ** step for step in range(60)]
    assert course([*wobble]).state in ("stalled", "fell", "unknown", "slow")
    assert course([-1.0] * 60).state == "stalled"


def test_end_and_value_at_a_step():
    values = course(falling(1.0, 1e-2, 60))
    assert values.end == pytest.approx(1e-2, rel=0.2)
    assert values.at(30) == pytest.approx(0.1, rel=0.2)
    assert values.at(0) is None
    assert values.at(math.inf) == values.end
    broken = course(BROKEN)
    assert broken.end == math.inf
    assert broken.at(3) is not None
    assert math.isfinite(broken.at(3) or math.inf)


def test_noise_is_the_jitter_between_neighbours():
    assert course(FLAT).noise == 0
    assert course([1.0, 1.5] * 30).noise == pytest.approx(0.5 / 1.25, rel=0.3)


def test_late_progress_is_that_of_the_last_half():
    assert course(FLAT).late == 0
    assert course(SLOW).late > 0.1
    assert course([*falling(steps=30), *[1e-3] * 30]).late == 0


def test_thinned_points_keep_both_ends():
    points = [(float(step), 0.0) for step in range(1000)]
    few = thinned(points, 7)
    assert len(few) == 7
    assert (few[0], few[-1]) == (points[0], points[-1])
    assert thinned(points[:5], 7) == points[:5]
