"""Trying remedies: which, in which order, and when one is said to have helped."""

import math
from dataclasses import replace

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.checkup import check
from lossgauge.diagnosis.confirm import confirm, is_better, judge
from lossgauge.records.session import Ending, Session
from tests.diagnosis.rules.test_clipping import tiny
from tests.diagnosis.rules.test_denominators import ruled
from tests.diagnosis.rules.test_lookalikes import unlabelled
from tests.diagnosis.rules.test_step_sizes import thrown
from tests.diagnosis.rules.test_terms import two_terms
from tests.diagnosis.rules.test_thresholds import bent, stopped
from tests.diagnosis.sessions import BROKEN, FELL, FLAT, SLOW, falling, seen, train
from tests.diagnosis.test_checkup import sickly


class Laboratory:
    """Stands in for the room that runs treated trainings: it notes what is asked and answers by the treatment."""

    def __init__(self, answer=lambda treatment: train(FLAT), control=None):
        self.answer, self.control = answer, control
        self.rounds = []
        self.steps = []

    def __call__(self, treatments, steps):
        unchanged = [] if treatments[-1] else [self.control]
        treatments = treatments[: len(treatments) - len(unchanged)]
        assert all(len(together) == 1 for together in treatments), "one change at a time"
        self.rounds.append([together[0] for together in treatments])
        self.steps.append(steps)
        return [self.answer(together[0]) for together in treatments] + unchanged


def cured_by(kind, name=""):
    return Laboratory(lambda t: train(FELL if t.kind == kind and name in ("", t.name) else FLAT))


def first(session):
    """The first finding that there is something to try for."""
    case = Case(session)
    finding = min((f for f in check(case) if f.treatments), key=lambda finding: finding.rank)
    return finding, finding.treatments[0], case


def verdict(session, outcome):
    finding, treatment, case = first(session)
    return judge(finding, treatment, case, outcome)


def test_a_healthy_training_is_not_run_again():
    laboratory = Laboratory()
    assert confirm(train(FELL), laboratory).trials == []
    assert laboratory.rounds == []


def test_every_finding_s_best_treatment_is_tried_first_and_side_by_side():
    session, laboratory = sickly(), Laboratory()
    expected = [f.treatments[0] for f in sorted(check(Case(session)), key=lambda f: f.rank) if f.treatments]
    confirm(session, laboratory)
    assert laboratory.rounds[0] == expected
    assert len(expected) > 2


def test_only_what_nothing_helped_yet_gets_a_second_round():
    session, laboratory = sickly(), cured_by("setting", "eps")
    confirm(session, laboratory)
    assert [t.name for t in laboratory.rounds[0]].count("eps") == 1
    assert "eps" not in [t.name for t in laboratory.rounds[1]]
    assert "weight_decay" in [t.name for t in laboratory.rounds[1]]
    assert {trial.code for trial in session.trials if trial.helped} == {"LG001"}


def test_no_treatment_is_tried_twice():
    laboratory = Laboratory()
    confirm(sickly(), laboratory, most=100)
    asked = [(t.kind, t.name, t.factor) for together in laboratory.rounds for t in together]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("most", [0, 1, 2, 4])
def test_no_more_trials_than_allowed(most):
    session, laboratory = sickly(), Laboratory()
    assert len(confirm(session, laboratory, most=most).trials) == most
    assert sum(map(len, laboratory.rounds)) == most


def test_the_most_specific_come_first_where_not_all_are_allowed():
    session, laboratory = sickly(), Laboratory()
    best = min((f for f in check(Case(session)) if f.treatments), key=lambda f: f.rank)
    confirm(session, laboratory, most=1)
    assert laboratory.rounds == [[best.treatments[0]]]


def test_trials_are_as_long_as_the_run_and_no_longer_than_allowed():
    laboratory = Laboratory()
    confirm(sickly(), laboratory)
    confirm(sickly(), laboratory, most=1, steps=7)
    assert set(laboratory.steps[:-1]) == {60}
    assert laboratory.steps[-1] == 7


def test_a_run_that_stopped_too_early_is_allowed_more_steps():
    laboratory = Laboratory()
    confirm(stopped(), laboratory)
    assert laboratory.steps[0] > 60


def test_each_round_is_announced():
    said: list[str] = []
    laboratory = Laboratory()
    confirm(ruled(), laboratory, notify=said.append)
    assert len(said) == len(laboratory.rounds)
    assert said[0].startswith("trying set eps of Adam from 0.001 to")


def test_infos_are_tried_only_where_training_suffers_and_nothing_else_was_found():
    laboratory = Laboratory()
    confirm(sickly(FELL), laboratory)
    assert laboratory.rounds == []


def test_what_no_number_cures_is_not_tried():
    laboratory = Laboratory()
    confirm(unlabelled(), laboratory)
    assert laboratory.rounds == []


def test_a_cure():
    trial = verdict(ruled(), train(FELL))
    assert trial.helped
    assert (trial.code, trial.measure, trial.steps, trial.note) == ("LG001", "loss", 60, "")
    assert trial.before == trial.start == 1.0
    assert trial.after is not None
    assert trial.after < 0.01
    assert trial.treatment["name"] == "eps"
    assert trial.curve[0] == (1, 1.0, FELL[0])
    assert trial.curve[-1] == (60, 1.0, FELL[-1])


def test_no_cure():
    assert not verdict(ruled(), train(FLAT)).helped
    assert not verdict(ruled(), train([0.9] * 60)).helped


@pytest.mark.parametrize("outcome", [None, Session()])
def test_a_trial_that_could_not_be_carried_out(outcome):
    trial = verdict(ruled(), outcome)
    assert not trial.helped
    assert trial.note == "it could not be carried out"


@pytest.mark.parametrize("losses", [BROKEN, [math.nan] * 60, [*FELL[:55], *[math.inf] * 5]])
@pytest.mark.parametrize("make", [ruled, lambda: thrown(BROKEN)])
def test_a_broken_run_never_helps(make, losses):
    trial = verdict(make(), train(losses))
    assert not trial.helped
    assert trial.note == "it did not stay finite"


def test_a_run_that_broke_off_never_helps_however_well_it_began():
    session = train(FELL[:20])
    session.ending = Ending("failed", "RuntimeError", 20)
    assert not verdict(ruled(), session).helped
    assert verdict(ruled(), train(FELL[:50])).helped


def test_a_finite_end_helps_a_run_that_broke():
    assert verdict(thrown(BROKEN), train(FELL)).helped
    assert not verdict(thrown(BROKEN), train([5.0] * 60)).helped


def test_both_are_judged_at_the_same_step():
    longer = [*FLAT, *falling(1.0, 1e-6, 600)]
    trial = verdict(ruled(), train(longer))
    assert not trial.helped
    assert trial.steps == 60
    shorter = verdict(ruled(SLOW), train(falling(1.0, 0.55, 40)))
    assert shorter.steps == 40
    assert shorter.before == pytest.approx(SLOW[39], rel=0.1)  # not the end at 60


def test_a_run_that_stopped_too_early_is_judged_by_where_it_ends():
    finding, treatment, case = first(stopped())
    assert treatment.kind == "stop-delta"
    outcome = train([*SLOW, *falling(0.5, 1e-6, 600)])
    assert judge(finding, treatment, case, outcome).helped
    assert not judge(finding, treatment, case, train(SLOW)).helped


def test_a_term_is_judged_by_its_own_value():
    better, same = verdict(two_terms(), two_terms(FELL)), verdict(two_terms(), two_terms(FLAT))
    assert (better.measure, better.helped) == ("term 2", True)
    assert better.before == pytest.approx(1.0)
    assert (same.measure, same.helped) == ("term 2", False)


def test_a_knee_is_judged_by_its_residuals():
    def outcome(size):
        session = bent()
        for number, reading in enumerate(session.readings):
            spread = reading.terms[0].residual
            assert spread is not None
            term = replace(reading.terms[0], residual=replace(spread, median=spread.median * size))
            session.readings[number] = replace(reading, terms=(term,))
        return session

    assert verdict(bent(), outcome(0.01)).measure == "median residual"
    assert verdict(bent(), outcome(0.01)).helped
    assert not verdict(bent(), outcome(1.0)).helped


def test_a_blow_up_is_judged_by_the_highest_loss_and_not_by_where_it_happened_to_end():
    def blowing(peak):
        losses = [*falling(1.0, 1e-4, 30), *[peak if step % 10 < 5 else 1e-4 for step in range(30)]]
        look = lambda step: (seen(0.1, 0.1 if step < 10 else 1e-3),)  # noqa: E731
        return train(losses, look, settings={"eps": 1e-12})

    finding, treatment, case = first(blowing(0.5))
    assert (finding.name, finding.measure) == ("eps-too-small-late-blowup", "highest")
    better, same = (judge(finding, treatment, case, outcome) for outcome in (blowing(1e-3), blowing(0.3)))
    assert (better.measure, better.helped) == ("highest loss of a fifth of the run", True)
    assert (better.before, better.after) == (0.5, 1e-3)
    assert not same.helped


def test_a_run_that_was_hardly_looked_at_is_compared_by_its_double():
    finding, treatment, case = first(two_terms())
    case.session.readings = case.session.readings[:2]
    trial = judge(finding, treatment, Case(case.session), two_terms(FELL), two_terms())
    assert (trial.measure, trial.helped, trial.before) == ("term 2", True, pytest.approx(1.0))
    assert not judge(finding, treatment, Case(case.session), two_terms(FELL)).conclusive


def test_a_cure_that_breaks_the_run_is_none_whatever_was_to_be_compared():
    trial = verdict(two_terms(), train(BROKEN))
    assert (trial.measure, trial.conclusive, trial.helped, trial.after) == ("term 2", True, False, math.inf)


def test_where_the_measure_is_not_known_nothing_is_concluded():
    for session, outcome, measure in [(two_terms(), train(FELL), "term 2"), (bent(), train(FELL), "median residual")]:
        trial = verdict(session, outcome)
        assert (trial.measure, trial.conclusive, trial.helped, trial.after) == (measure, False, False, None)
        assert "too few" in trial.note


def test_a_treated_run_without_some_of_the_optimizers_is_read_by_its_main_one():
    finding, treatment, _ = first(ruled())
    session = ruled()
    session.optimizers.append(session.optimizers[0])
    session.steps = [replace(step, optimizer=1) for step in session.steps]
    assert judge(finding, treatment, Case(session), train(FELL)).helped


@pytest.mark.parametrize("power", [-30, 30])
@pytest.mark.parametrize(("before", "after"), [(1.0, 0.1), (1.0, 0.79), (1.0, 0.81), (1e-3, 1e-9), (-1.0, -2.0)])
def test_the_unit_of_the_loss_does_not_decide(before, after, power):
    unit = 2.0**power
    assert is_better(before * unit, after * unit, unit) == is_better(before, after, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "start", "better"),
    [
        (1.0, 0.7, 1.0, True),
        (1.0, 0.9, 1.0, False),
        (1e-6, 1e-9, 1.0, False),  # both have arrived
        (math.inf, 0.5, 1.0, True),
        (math.inf, 0.95, 1.0, False),
        (math.nan, 0.5, 1.0, True),
        (None, 0.5, None, True),
        (1.0, math.inf, 1.0, False),
        (1.0, math.nan, 1.0, False),
        (1.0, None, 1.0, False),
        (1.0, -1.0, 1.0, True),
        (-1.0, -1.1, 0.0, False),
        (-1.0, -2.0, 0.0, True),
        (-1.0, 1.0, 0.0, False),
    ],
)
def test_clearly_better(before, after, start, better):
    assert is_better(before, after, start) is better


def test_the_hidden_constant_has_a_second_remedy():
    laboratory = Laboratory(lambda t: train(FELL if t.kind == "threshold" else FLAT))
    session = confirm(tiny(), laboratory)
    assert [t.kind for together in laboratory.rounds for t in together][:1] == ["exact-clip"]
    assert [trial.helped for trial in session.trials if trial.code == "LG014"] == [False, True]
