"""Trials that say nothing: what could not be carried out, and what luck may have done."""

import math

import pytest

from lossgauge.diagnosis.checkup import diagnose_session
from lossgauge.diagnosis.confirm import confirm, judge
from lossgauge.records.session import Ending
from tests.diagnosis.rules.test_denominators import ruled
from tests.diagnosis.sessions import FELL, FLAT, falling, seen, train
from tests.diagnosis.test_checkup import finding_of, sickly
from tests.diagnosis.test_confirm import Laboratory, first, verdict
from tests.diagnosis.test_several_optimizers import with_another


def verdict_beside(session, outcome, control):
    """A trial, judged with another run of the unchanged training beside it."""
    finding, treatment, case = first(session)
    return judge(finding, treatment, case, outcome, control)


def test_the_unchanged_training_is_run_once_more_with_the_first_round_alone():
    class Counting(Laboratory):
        def __call__(self, treatments, steps):
            counts.append([len(together) for together in treatments].count(0))
            return super().__call__(treatments, steps)

    counts: list[int] = []
    confirm(sickly(), Counting())
    assert counts[0] == 1
    assert len(counts) > 1
    assert not any(counts[1:])


@pytest.mark.parametrize(("luck", "helped", "conclusive"), [(0.9, True, True), (FELL[-1], False, False)])
def test_what_the_unchanged_training_does_by_itself_is_no_cure(luck, helped, conclusive):
    session = ruled()
    confirm(session, Laboratory(lambda treatment: train(FELL), control=train(falling(1.0, luck))))
    trial = session.trials[0]
    assert (trial.helped, trial.conclusive) == (helped, conclusive)
    finding = finding_of(session, "eps-dominates")
    assert (finding.severity, finding.remedy.verified) == ("fault", helped or None)
    assert helped or "another run of the unchanged training came to" in finding.remedy.text


def test_a_trial_that_could_not_be_carried_out_says_nothing_against_the_finding():
    session = ruled()
    confirm(session, Laboratory(lambda treatment: None))
    finding = finding_of(session, "eps-dominates")
    assert (finding.severity, finding.remedy.verified) == ("fault", None)
    assert "could not be tried: it could not be carried out" in finding.remedy.text
    assert not any("--confirm" in note for note in diagnose_session(session).notes)


@pytest.mark.parametrize(("reason", "losses", "conclusive"), [
    ("failed", FLAT[:10], False), ("killed", FLAT[:10], False), ("failed", [1.0] * 9 + [math.nan], True),
])  # fmt: skip
def test_a_trial_that_broke_off_tells_only_if_its_numbers_broke(reason, losses, conclusive):
    outcome = train(losses)
    outcome.ending = Ending(reason, "port 80 is in use", len(losses))
    trial = verdict(ruled(), outcome)
    assert (trial.helped, trial.conclusive) == (False, conclusive)
    assert conclusive or "it ended after 10 steps: port 80 is in use" in trial.note


def test_trials_that_were_asked_to_be_short_are_compared_where_they_end():
    outcome = train(falling(1.0, 0.01, 10))
    outcome.ending = Ending("stopped", "after 10 steps, as asked", 10)
    trial = verdict(ruled(), outcome)
    assert (trial.helped, trial.steps) == (True, 10)


def test_the_second_optimizer_s_findings_are_tried_as_well():
    sgd = train(FLAT, (seen(1e-2, relative=3e-3),), optimizer="sgd")
    session = with_another(sgd, ruled())
    confirm(session, Laboratory(lambda treatment: train(FELL)))
    trial = next(trial for trial in session.trials if trial.code == "LG001")
    assert trial.treatment["optimizer"] == 1
    assert trial.helped


def test_bad_luck_is_no_failure_either():
    trial = verdict_beside(ruled(), train(falling(1.0, 0.95)), train(falling(1.0, 2.0)))
    assert (trial.helped, trial.conclusive) == (False, False)


def test_a_control_that_broke_off_says_nothing():
    trial = verdict_beside(ruled(), train(FELL), train(falling(1.0, 1e-4, 10)))
    assert (trial.helped, trial.conclusive) == (True, True)


def test_a_run_that_made_no_step_says_why():
    outcome = train([])
    outcome.ending = Ending("killed", "it was still running after 26 s", 0)
    trial = verdict(ruled(), outcome)
    assert (trial.conclusive, trial.note) == (False, "it could not be carried out: it was still running after 26 s")


def test_a_training_that_cannot_be_run_again_is_tried_in_one_round_only():
    rounds = []

    def trial(plans, steps):
        rounds.append(plans)
        return [None] * (len(plans) - 1) + [train([])]

    confirm(sickly(), trial)
    assert len(rounds) == 1
