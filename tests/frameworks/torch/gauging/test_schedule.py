"""When samples are taken, and what they may cost."""

from itertools import pairwise

import pytest

from lossgauge.frameworks.torch.gauging import schedule as module
from lossgauge.frameworks.torch.gauging.schedule import DENSE, LONGEST, Schedule


class Clock:
    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    own = Clock()
    monkeypatch.setattr(module, "time", own)
    return own


def sampled(schedule, clock, steps, step_seconds, cost):
    taken = []
    for step in range(1, steps + 1):
        if schedule.due(step):
            with schedule.charged():
                clock.now += cost
            schedule.settle()
            taken.append(step)
        clock.now += step_seconds
    return taken


def test_dense_then_logarithmic_then_regular(clock):
    taken = sampled(Schedule(), clock, 20_000, 0.01, 1e-5)
    assert taken[:DENSE] == list(range(1, DENSE + 1))
    gaps = [b - a for a, b in pairwise(taken)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == LONGEST


@pytest.mark.parametrize(("step_seconds", "cost"), [(0.001, 0.05), (0.01, 0.02), (1.0, 0.5)])
def test_the_share_is_kept_whatever_a_sample_costs(clock, step_seconds, cost):
    schedule = Schedule(share=0.01, entry=0.2)
    sampled(schedule, clock, 20_000, step_seconds, cost)
    assert schedule.spent <= 0.2 + 0.01 * schedule.elapsed + cost
    assert schedule.spent > 0


def test_a_sample_that_is_too_dear_stays_due(clock):
    schedule = Schedule(share=0.01, entry=0.0)
    assert schedule.due(1)  # what it costs is not known yet
    with schedule.charged():
        clock.now += 1.0
    schedule.settle()
    assert not schedule.due(2)
    clock.now += 300.0
    assert schedule.due(3)


def test_not_all_of_the_entry_is_spent_at_the_beginning(clock):
    """On a busy machine each sample may cost a tenth of a second; the second half of a short run must be seen too."""
    taken = sampled(Schedule(share=0.0, entry=1.5), clock, 120, 0.01, 0.1)
    assert len(taken) >= 12
    assert taken[3] <= DENSE
    assert taken[-1] > 30
    everything_at_once = Schedule(share=0.0, entry=1.5)
    everything_at_once.due = lambda step: Schedule.due(everything_at_once, step + 1000)
    assert sampled(everything_at_once, clock, 120, 0.01, 0.1)[-1] <= 30


def test_what_is_spent_once_is_not_expected_again(clock):
    schedule = Schedule(share=0.0, entry=2.0)
    assert schedule.due(1)
    with schedule.charged(once=True):
        clock.now += 0.5
    with schedule.charged():
        clock.now += 0.1
    assert schedule.settle() == pytest.approx(0.1)
    assert schedule.spent == pytest.approx(0.6)
    assert schedule.due(2)  # 0.6 and another 0.1 are less than what is open; 0.6 twice would not be


def noted(schedule, clock, steps, step_seconds, cost):
    """The steps that have a row."""
    rows = []
    for step in range(1, steps + 1):
        if schedule.affords_row():
            mark = schedule.account()
            clock.now += cost
            schedule.note(mark, complete=True)
            rows.append(step)
        clock.now += step_seconds
    return rows


@pytest.mark.parametrize(("step_seconds", "cost"), [(2e-4, 1e-4), (1e-3, 1e-4), (1e-3, 5e-3)])
def test_rows_keep_their_share_however_short_steps_are(clock, step_seconds, cost):
    schedule = Schedule()
    schedule.due(1)  # the clock of the training starts here
    rows = noted(schedule, clock, 60_000, step_seconds, cost)
    assert schedule.noted <= module.ENTRY_ROWS + module.ROWS * schedule.elapsed
    first = int(module.ENTRY_ROWS / cost)
    assert rows[: first - 1] == list(range(1, first))  # the beginning is complete
    gaps = [b - a for a, b in pairwise(rows[first + 1 :])]
    assert max(gaps) <= 1.2 * cost / (module.ROWS * step_seconds) + 1  # and the rest is spread evenly


def test_long_steps_all_have_a_row(clock):
    schedule = Schedule()
    schedule.due(1)
    assert noted(schedule, clock, 5000, 0.1, 1e-4) == list(range(1, 5001))


def test_what_is_spent_on_a_sample_is_no_cost_of_a_row(clock):
    schedule = Schedule()
    schedule.due(1)
    mark = schedule.account()
    clock.now += 0.01
    with schedule.charged():
        clock.now += 5.0
    schedule.settle()
    schedule.note(mark, complete=True)
    assert schedule.noted == pytest.approx(0.01)
    assert schedule.affords_row()


def test_it_rests_where_it_would_neither_note_nor_sample(clock):
    schedule, rests = Schedule(entry=0.01), False
    for step in range(1, 400):
        rests = schedule.rests(step)
        assert schedule.rests(step) == rests  # asking decides nothing
        noted, sampled = schedule.affords_row(), schedule.due(step)
        assert rests == (not noted and not sampled)
        mark = schedule.account()
        if sampled:
            with schedule.charged():
                clock.now += 0.02
            schedule.settle()
        clock.now += 0.002 * noted
        if noted:
            schedule.note(mark, True)
        clock.now += 0.001
    assert rests
    clock.now += 1e4
    assert not schedule.rests(400)


def test_no_more_is_spared_than_has_to_be_waited_for(clock):
    schedule = Schedule(entry=0.0, share=0.004)
    assert schedule.spare(0) == 0
    schedule.due(1)
    schedule.spent, schedule.noted = 0.1, 0.5
    clock.now += 10.0
    assert schedule.spare(1000) == 64  # a row in 40 s, a sample in 15 s, and a step takes 10 ms
    assert schedule.spare(10) == 14  # a step takes 1 s
    schedule.spent = 0.0
    assert schedule.spare(1000) == 0  # a sample is affordable now
    schedule.spent, schedule.noted, schedule._rows = 0.1, 0.424, 10**6
    assert schedule.spare(10) == 1  # a row in 2 s
    schedule.share = 0.0
    assert schedule.spare(10) == 1


def test_short_steps_are_spared_in_longer_rows(clock):
    schedule = Schedule(entry=0.0)
    schedule.due(1)
    schedule.spent, schedule.noted = 1.0, 0.5
    clock.now += 10.0
    assert schedule.spare(100_000) == 2000  # steps of 0.1 ms
    assert schedule.spare(20_000) == 400
    assert schedule.spare(5000) == 100
    assert schedule.spare(1000) == 64


@pytest.mark.parametrize(("step_seconds", "left"), [(3e-3, 1.0), (1e-3, 0.63), (7e-4, 0.3), (5e-4, 0.0)])
def test_what_passing_costs_is_saved_on_samples_and_rows(clock, step_seconds, left):
    schedule = Schedule(entry=0.01)
    schedule.due(1)
    schedule.settle()
    for step in range(2, 300_001):
        mark, row = schedule.account(), schedule.affords_row()
        if schedule.due(step):
            with schedule.charged():
                clock.now += 1e-2
            schedule.settle()
        if row:
            clock.now += 2e-4
            schedule.note(mark, complete=True)
        schedule.passed += not row
        clock.now += step_seconds
    passing = module.PASSED * schedule.passed / schedule.elapsed
    samples = (schedule.spent - 0.01) / schedule.elapsed
    rows = (schedule.noted - module.ENTRY_ROWS) / schedule.elapsed
    assert samples == pytest.approx(module.SHARE * left, abs=2e-4)
    assert rows == pytest.approx(module.ROWS * left, abs=2e-4)
    assert passing + samples + module.UNCLOCKED * rows <= max(0.01, 1.01 * passing)


def test_asking_whether_a_row_is_affordable_does_not_put_it_off(clock):
    schedule = Schedule(entry=0.0)
    schedule.due(1)
    schedule.spent = 1e9  # no samples
    schedule.noted, schedule._rows = module.ENTRY_ROWS, 2000
    made, rows = 10_000, 0
    clock.now += 10.0
    while made < 40_000:
        passing = schedule.spare(made)
        clock.now += 1e-3 * max(passing, 1)
        made += max(passing, 1)
        mark, row = schedule.account(), schedule.affords_row()
        clock.now += 2e-4 if row else 5e-5
        schedule.note(mark, complete=row)
        rows += row
    assert rows == pytest.approx(module.ROWS * 40.0 / 3e-4, rel=0.2)
    assert schedule.noted <= module.ENTRY_ROWS + module.ROWS * schedule.elapsed + 3e-4
