"""The session as a whole, with small trials in the place of trainings."""

import os

import pytest
import torch

from lossgauge.demonstration import beside
from lossgauge.demonstration.session import TRIALS, Trial, try_statements
from lossgauge.records.statement import Statement

LONG = "tests.demonstration.planted:measure_in_parts"


def judge(evidence) -> Statement:
    return Statement(1, "a test", "It is so.", "true", evidence["so"], "seen", evidence)


def measure(tick):
    tick()
    return {"so": True, "threads": torch.get_num_threads()}


def test_every_statement_has_a_trial():
    assert len(TRIALS) == 10


def test_progress_rises_to_its_end():
    seen: list[tuple[float, str]] = []
    trials = (Trial("short", measure, judge), Trial("long", LONG, judge, parts=3, effort=2.0))
    statements = try_statements(lambda done, title: seen.append((done, title)), trials)
    assert [statement.holds for statement in statements] == [True, True]
    shares = [done for done, _ in seen]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert {title for _, title in seen} == {"short", "long"}


def test_threads_are_restored():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (statement,) = try_statements(trials=(Trial("short", measure, judge),))
        assert statement.evidence["threads"] == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(beside.count_cores() < 2, reason="one core: there is no second process")
def test_a_long_measurement_runs_in_a_second_process():
    with beside.Beside(LONG) as second:
        evidence = second.measure(lambda: None)
    assert evidence["process"] != os.getpid()


def test_one_core_measures_here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(beside, "count_cores", lambda: 1)
    ticks: list[int] = []
    with beside.Beside(LONG) as second:
        evidence = second.measure(lambda: ticks.append(1))
    assert evidence["process"] == os.getpid()
    assert len(ticks) == 3


def test_a_second_process_that_fails_is_made_up_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(beside, "_PROGRAM", "print('tick'); raise SystemExit(1)")
    monkeypatch.setattr(beside, "count_cores", lambda: 2)
    ticks: list[int] = []
    with beside.Beside(LONG) as second:
        evidence = second.measure(lambda: ticks.append(1))
    assert evidence["so"] is True
    assert len(ticks) == 3, "a part that was reported already is not reported twice"


def test_leaving_early_ends_the_second_process():
    with beside.Beside("tests.demonstration.planted:sleep_for_ever") as second:
        pass
    assert second.process is None or second.process.returncode is not None
