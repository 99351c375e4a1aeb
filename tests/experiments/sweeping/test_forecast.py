import pytest

from lossgauge.experiments.sweeping.forecast import estimate_seconds
from tests.experiments.sweeping import descent
from tests.experiments.sweeping.sweeps import sgd_plan

ENGINE = f"{descent.__name__}:paced"


def test_the_estimate_grows_with_the_work_and_shrinks_with_the_workers():
    plan = sgd_plan(seeds=20)
    numbers = range(len(plan.settings))
    few, many = estimate_seconds(plan, numbers[:50], 1, ENGINE), estimate_seconds(plan, numbers, 1, ENGINE)
    assert 0 < few < many
    assert estimate_seconds(plan, numbers, 1000, ENGINE) < many
    # `paced` takes a millisecond for a step and never less, so that the estimate has a floor and no ceiling.
    assert many > len(plan.settings) * plan.workload.steps * 1e-3 * 0.5


def test_nothing_takes_no_time():
    assert estimate_seconds(sgd_plan(), [], 2, ENGINE) == pytest.approx(0.0)
