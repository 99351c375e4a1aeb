"""Rules of thresholds outside the optimizer: when to stop, where a loss bends, the units of targets."""

from dataclasses import replace

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.thresholds import AbsoluteStopThreshold, LossKneeUnit, TargetUnit
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Event
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import FELL, FLAT, SLOW, falling, multiplied, seen, spread, train


def searched(iterations=2, gradient=1e-9):
    data = {"iterations": iterations, "max_iter": 20, "gradient": gradient, "tolerance_grad": 1e-7,
            "tolerance_change": 1e-9}  # fmt: skip
    return train(FLAT, optimizer="lbfgs", events=[Event("line-search", 1, "", data)])


def plateaued(losses=FLAT, best=1e-5, mode="abs"):
    data = {"mode": mode, "threshold": 1e-4, "best": best, "before": [0.1], "after": [1e-5]}
    return train(losses, optimizer="sgd", events=[Event("plateau", 10, "", data)])


def stopped(losses=SLOW, delta=1.0):
    return train(losses, events=[Event("stop-delta", 0, "", {"value": delta, "where": "train.py:12"})])


def bent(losses=FLAT, knee=1e3, tail=40.0, mean=0.0, optimizer="adam", function="HuberLossBackward0"):
    term = Term(0, (function,), "regression", residual=spread(mean, tail=tail), knee=knee)
    readings = [LossReading(step, terms=(term,)) for step in (1, 20, 40, 60)]
    return train(losses, optimizer=optimizer, readings=readings)


def aimed(losses=FLAT, distance=1e3, optimizer="adam", relative=1e-3, functions=(), knee=None):
    readings = [
        LossReading(step, terms=(Term(0, functions, "regression", residual=spread(distance * left), output=spread(),
                                      knee=knee),))
        for step, left in enumerate(losses, 1)
    ]  # fmt: skip
    look = (seen(1e-2, None if optimizer == "sgd" else 1e-2, relative=relative),)
    return train(losses, look, optimizer=optimizer, readings=readings)


STOP = AbsoluteStopThreshold()
EXHIBITS = [
    Exhibit(STOP, searched, lambda: searched(gradient=0.0), lambda: searched(20), "warning", label="search"),
    Exhibit(STOP, plateaued, lambda: plateaued(FELL), lambda: plateaued(mode="rel"), label="plateau"),
    Exhibit(STOP, stopped, lambda: stopped(falling(1.0, 0.1), 0.095), lambda: stopped(delta=1e-9), label="early"),
    Exhibit(LossKneeUnit(), bent, lambda: bent(tail=2.0), lambda: bent(knee=1.0), label="far-above"),
    Exhibit(LossKneeUnit(), lambda: bent(knee=1e-3, mean=1.0), lambda: bent(FELL, 1e-3, mean=1.0),
            lambda: bent(knee=1.0, mean=1.0), "warning", label="far-below"),
    Exhibit(TargetUnit(), aimed, lambda: aimed(FELL), lambda: aimed(distance=0.1)),
]  # fmt: skip


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


def test_the_tolerance_that_stopped_the_search_is_named():
    by_gradient, by_change = EXHIBITS[0].find(searched()), EXHIBITS[0].find(searched(gradient=1e-3))
    assert by_gradient.where == "tolerance_grad"
    assert by_change.where == "tolerance_change"
    assert by_gradient.treatments[0].name == "tolerance_grad"


def test_only_the_last_step_s_iterations_count():
    session = searched(22)
    session.events.insert(0, Event("line-search", 1, "", {**session.events[0].data, "iterations": 20}))
    assert EXHIBITS[0].find(session).evidence["iterations_made"] == 2


def test_an_absolute_threshold_far_below_the_loss_is_fine():
    assert STOP.check(Case(plateaued(best=1.0))) is None
    assert STOP.check(Case(multiplied(plateaued(), 20, co_scaled=False))) is None


def test_an_early_stop_names_its_line_and_lowers_its_delta():
    finding = EXHIBITS[2].find(stopped())
    assert finding.where == "train.py:12"
    factor = finding.treatments[0].factor
    assert factor is not None
    assert factor < 1e-3


def test_the_new_knee_is_nearer_to_the_residuals():
    finding = EXHIBITS[3].find(bent(knee=1e3))
    assert finding.measure == "residual"
    assert finding.treatments
    for treatment in finding.treatments:
        assert treatment.factor is not None
        assert 1e-2 < 1e3 * treatment.factor / 0.7 < 1e2  # 0.7 is the median residual


def test_a_knee_below_symmetric_residuals_is_an_absolute_error_on_purpose():
    assert LossKneeUnit().check(Case(bent(knee=1e-3))) is None


def test_targets_are_in_reach_of_an_optimizer_whose_step_grows_with_them():
    assert TargetUnit().check(Case(aimed(optimizer="sgd"))) is None


def test_frozen_weights_say_nothing_about_targets():
    assert TargetUnit().check(Case(aimed(relative=1e-8))) is None


def test_a_search_that_ended_where_the_format_ends_has_come_to_rest():
    resting, stopped_early = (searched(gradient=1e-3) for _ in range(2))
    stopped_early.steps = [replace(step, losses=tuple(1e-6 * loss for loss in step.losses)) for step in resting.steps]
    assert EXHIBITS[0].find(resting).severity == "info"  # 1e-9 beside a loss of 1
    assert EXHIBITS[0].find(stopped_early).severity == "warning"  # 1e-9 beside a loss of 1e-6


def test_an_improvement_larger_than_the_whole_loss_can_never_come():
    left = FELL[-1]
    assert EXHIBITS[2].find(stopped(FELL, delta=200 * left)).severity == "warning"
    assert STOP.check(Case(stopped(FELL, delta=left / 2))) is None


def test_targets_of_the_order_of_a_fresh_network_are_within_its_reach():
    assert TargetUnit().check(Case(aimed(distance=1.0))) is None
    assert EXHIBITS[5].find(aimed(distance=100.0))


def test_each_term_has_its_own_target():
    def reading(step):
        far = Term(0, kind="regression", residual=spread(1e3), output=spread())
        near = Term(1, kind="regression", residual=spread(0.1), output=spread())
        return LossReading(step, terms=(near, far) if step % 2 else (far, near))

    look = (seen(1e-2, 1e-2, relative=1e-3),)
    found = EXHIBITS[5].find(train(FLAT, look, readings=[reading(step) for step in (1, 20, 40, 60)]))
    assert found.where == "term 1"


def test_a_run_that_got_somewhere_towards_far_targets_is_warned():
    half = [*falling(1.0, 0.7, 10), *[0.7] * 50]
    assert EXHIBITS[5].find(aimed(half)).severity == "warning"


@pytest.mark.parametrize(("function", "treated"), [("HuberLossBackward0", 2), ("SmoothL1LossBackward0", 0)])
def test_a_gradient_that_is_cut_off_makes_sgd_crawl(function, treated):
    finding = EXHIBITS[3].find(bent(knee=1e-3, optimizer="sgd", function=function))
    assert (finding.severity, len(finding.treatments)) == ("fault", treated)
    assert LossKneeUnit().check(Case(bent(FELL, knee=1e-3, optimizer="sgd", function=function))) is None


@pytest.mark.parametrize(("functions", "knee", "bounded"), [
    (("L1LossBackward0",), None, True), (("MeanBackward0", "AbsBackward0"), None, True),
    (("HuberLossBackward0",), 1.0, True), (("HuberLossBackward0",), 1e3, False),
    (("MseLossBackward0",), None, False),
])  # fmt: skip
def test_targets_are_out_of_reach_of_sgd_where_the_gradient_does_not_grow_with_them(functions, knee, bounded):
    session = aimed(optimizer="sgd", functions=functions, knee=knee)
    assert (TargetUnit().check(Case(session)) is not None) is bounded
