"""The questions rules ask of a session."""

import math
from dataclasses import replace

import pytest

from lossgauge.diagnosis.case import Case, main_optimizer
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Clip, Event, Session, Step
from tests.diagnosis.sessions import FELL, FLAT, SLOW, seen, spread, train


def two_players():
    session = train([value for value in FLAT for _ in range(2)])
    session.optimizers.append(replace(session.optimizers[0], elements=1))
    session.steps = [Step(step.number, step.number % 2, step.losses) for step in session.steps]
    return session


def test_an_empty_session_answers_every_question():
    case = Case(Session())
    assert case.optimizer is None
    assert (case.steps, case.samples, case.later, case.first, case.clips, case.readings) == ([], [], [], [], [], [])
    assert (case.epsilon, case.rate, case.law, case.accumulated) == (None, None, None, 0)
    assert not case.covariant
    assert case.progress.state == "unknown"


def test_the_main_optimizer_makes_the_most_steps():
    session = two_players()
    assert main_optimizer(session) == 0  # of equals the one with the most weights
    session.steps.append(Step(121, 1))
    assert main_optimizer(session) == 1
    assert main_optimizer(Session()) == 0


def test_only_the_steps_of_the_optimizer_count():
    assert len(Case(two_players(), 1).steps) == 60
    assert not Case(two_players(), 1).samples


def test_two_optimizers_with_losses_of_their_own_play_a_game():
    assert Case(two_players()).progress.contested
    assert not Case(train()).progress.contested


def test_the_first_fifth_of_the_run_is_not_later():
    case = Case(train(FELL))
    assert [sample.number for sample in case.later] == list(range(13, 61))
    assert [sample.number for sample in case.first] == list(range(1, 9))
    assert len(Case(train(FELL[:1])).later) == 1


@pytest.mark.parametrize(("optimizer", "covariant"), [("sgd", True), ("adam", False), ("adamw", False)])
def test_whether_the_step_grows_with_the_loss_is_the_law_s_to_say(optimizer, covariant):
    assert Case(train(optimizer=optimizer)).covariant is covariant


@pytest.mark.parametrize(("elasticity", "covariant"), [(1.0, True), (0.0, False), (None, False)])
def test_without_a_law_the_elasticity_says_it(elasticity, covariant):
    session = train(FELL, (seen(elasticity=elasticity),), optimizer="radam")
    assert Case(session).covariant is covariant


def test_epsilon_is_the_one_that_is_switched_on():
    assert Case(train()).epsilon == "eps"
    assert Case(train(settings={"eps": 0.0})).epsilon is None
    assert Case(train(optimizer="sgd")).epsilon is None


def test_typical_is_the_median_of_what_is_known():
    case = Case(train(FELL, lambda step: (seen(signal=float(step) if step % 2 else None),)))
    assert case.typical(lambda sample: sample.tensors[0].signal) == 36.0  # of 13, 15, … 59
    assert case.typical(lambda sample: math.nan) is None
    assert case.typical(lambda sample: 1.0, []) is None


def test_excess_is_norm_by_threshold():
    norms = {1: 3.0, 2: None}
    case = Case(train(FELL[:3], clips=lambda step: Clip("max_norm", 2.0 if step < 3 else 0.0, norms.get(step, 1.0))))
    assert case.excess() == [1.5]
    assert case.excess(case.clips[1:]) == []


def test_backwards_per_step():
    assert Case(train(backwards=4)).accumulated == 4
    assert Case(train(backwards=0)).accumulated == 0


def test_events_by_kind():
    case = Case(train(events=[Event("plateau", 1, ""), Event("limit", 2, ""), Event("plateau", 3, "")]))
    assert [event.number for event in case.events("plateau")] == [1, 3]


def test_a_line_search_shows_its_progress_within_a_step():
    session = train(FLAT[:2], optimizer="lbfgs")
    session.steps = [Step(1, 0, (1.0, 0.5, 0.25, 0.125)), Step(2, 0, (0.1, 0.05))]
    progress = Case(session).progress
    assert [value for _, value in progress.points] == [1.0, 0.5, 0.25, 0.125, 0.1, 0.05]
    assert [step for step, _ in progress.points] == sorted(step for step, _ in progress.points)
    session.optimizers[0] = train(optimizer="sgd").optimizers[0]
    assert len(Case(session).progress.points) == 2


def test_the_course_of_a_term_and_of_the_residuals():
    readings = [
        LossReading(step, terms=(Term(0), Term(1, value=value, residual=spread(value))))
        for step, value in enumerate(SLOW, 1)
    ]
    case = Case(train(SLOW, readings=readings))
    assert [value for _, value in case.term_progress(1).points] == SLOW
    assert not case.term_progress(0).points
    assert len(case.terms(0)) == len(SLOW)
    assert case.residual_progress().points[0] == (1.0, spread(1.0).median)


def test_the_onset_ends_with_the_step_that_threw_the_weights():
    thrown = Case(train(SLOW, lambda step: (seen(relative=0.5 if step == 3 else 1e-3),)))
    assert [sample.own for sample in thrown.onset] == [1, 2, 3]
    assert [sample.own for sample in Case(train(SLOW)).onset] == list(range(1, 9))
    broken = Case(train(SLOW, lambda step: (seen(relative=math.nan),)))
    assert len(broken.onset) == 1


def test_the_bound_counts_both_terms_as_if_divided_by_the_batch_alone():
    terms = (
        Term(0, kind="regression", items=640, batch=10, value=0.5),
        Term(1, kind="divergence", items=10, batch=10, value=3.0),
    )
    readings = [LossReading(step, terms=terms) for step in range(1, 5)]
    assert Case(train(SLOW, readings=readings)).bound_progress().values == [35.0] * 4
    assert not Case(train(SLOW, readings=[LossReading(1, terms=terms[:1])])).bound_progress().points
