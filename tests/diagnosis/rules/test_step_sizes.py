"""Rules of the step's size: coupled decay, learning rates, sums where means were meant."""

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.step_sizes import (
    AccumulationNotDivided,
    L2Dominates,
    LearningRateTooHigh,
    LearningRateTooLarge,
    LearningRateTooSmall,
)
from lossgauge.records.loss_reading import LossReading, Term
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import BROKEN, DIVERGED, FELL, FLAT, SLOW, seen, train


def decayed(losses=FLAT, decay=0.1, optimizer="adam"):
    return train(losses, (seen(1e-4, 1e-4),), optimizer=optimizer, settings={"weight_decay": decay})


def frozen(losses=FLAT, relative=1e-7, optimizer="sgd"):
    return train(losses, (seen(1e-2, None if optimizer == "sgd" else 1e-2, relative=relative),), optimizer=optimizer)


def thrown(losses=DIVERGED, optimizer="sgd", relative=10.0, kind="other"):
    readings = [LossReading(step, terms=(Term(0, kind=kind),)) for step in (1, 30)]
    return train(losses, (seen(1e-2, relative=relative),), optimizer=optimizer, readings=readings)


def summed(losses=DIVERGED, factor=1.0, optimizer="sgd", backwards=8):
    readings = [LossReading(step, terms=(Term(0, reduction="mean", factor=factor),)) for step in (1, 30)]
    return train(losses, optimizer=optimizer, readings=readings, backwards=backwards)


EXHIBITS = [
    Exhibit(L2Dominates(), decayed, lambda: decayed(FELL), lambda: decayed(decay=1e-7)),
    Exhibit(LearningRateTooSmall(), frozen, lambda: frozen(FELL), lambda: frozen(relative=1e-2)),
    Exhibit(LearningRateTooLarge(), thrown, lambda: thrown(FELL), lambda: thrown(FLAT, relative=1e-4)),
    Exhibit(
        LearningRateTooHigh(),
        lambda: thrown(optimizer="adam"),
        lambda: thrown(FELL, "adam"),
        lambda: thrown(FLAT, "adam", 1e-4),
    ),
    Exhibit(AccumulationNotDivided(), summed, lambda: summed(FELL), lambda: summed(factor=1 / 8)),
]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_leaps_of_the_loss_say_what_smaller_updates_do_not(optimizer):
    def seek(losses, then=5e-3, early=0.3):
        rule = LearningRateTooHigh() if optimizer == "adam" else LearningRateTooLarge()
        look = lambda step: (seen(1e-2, relative=early if step < 5 else then),)  # noqa: E731
        return rule.check(Case(train(losses, look, optimizer=optimizer)))

    leaping = [1.0] * 10 + [0.4, 0.3, 4.0, 0.2, 0.3] * 10
    found = seek(leaping)
    assert found is not None
    assert found.severity == "warning"  # a trial has to show the rest
    assert seek([min(loss, 1.5) for loss in leaping]) is None
    assert seek(leaping, then=1e-3) is None
    assert seek(leaping, early=2e-2) is None


def test_decay_that_is_not_added_to_the_gradient_cannot_dominate_it():
    session = decayed()
    assert L2Dominates().check(Case(session)) is not None
    assert L2Dominates().check(Case(decayed(optimizer="adamw"))) is None


def test_the_new_decay_is_far_below_the_gradient():
    finding = EXHIBITS[0].find(decayed())
    factor = finding.treatments[0].factor
    assert factor is not None
    assert finding.evidence["decay_to_gradient"] * factor < 0.1


def test_a_slow_training_is_offered_larger_learning_rates():
    finding = EXHIBITS[1].find(frozen(SLOW))
    assert finding.severity == "fault"
    assert all(t.factor is not None and t.factor > 1e2 for t in finding.treatments)


def test_small_steps_of_an_adaptive_optimizer_are_not_the_loss_s():
    assert LearningRateTooSmall().check(Case(frozen(optimizer="adam"))) is None


@pytest.mark.parametrize("losses", [DIVERGED, BROKEN], ids=["diverged", "broken"])
def test_violent_steps_belong_to_one_rule_only(losses):
    sgd, adam = Case(thrown(losses)), Case(thrown(losses, "adam"))
    assert LearningRateTooLarge().check(sgd) is not None
    assert LearningRateTooHigh().check(sgd) is None
    assert LearningRateTooLarge().check(adam) is None
    assert LearningRateTooHigh().check(adam) is not None


def test_the_loss_of_a_policy_grows_with_its_episodes():
    lively = [Case(thrown(DIVERGED, "adam", relative, kind)) for relative, kind in ((0.02, "policy"), (0.02, "other"))]
    assert [LearningRateTooHigh().check(case) is None for case in lively] == [True, False]
    assert LearningRateTooHigh().check(Case(thrown(DIVERGED, "adam", 10.0, "policy"))) is not None
    assert LearningRateTooHigh().check(Case(thrown(BROKEN, "adam", 10.0, "policy"))) is not None


def test_all_offered_learning_rates_are_smaller():
    treatments = EXHIBITS[2].find(thrown()).treatments
    assert treatments
    assert all(t.name == "lr" and t.factor is not None and t.factor < 1 for t in treatments)


def test_under_adam_a_sum_of_micro_batches_is_no_matter():
    assert AccumulationNotDivided().check(Case(summed(optimizer="adam"))) is None


def test_the_loss_is_divided_by_the_number_of_micro_batches():
    finding = EXHIBITS[4].find(summed())
    assert [t.factor for t in finding.treatments] == [1 / 8]
    assert "(loss / 8).backward()" in finding.remedy.text


def test_one_backward_per_step_accumulates_nothing():
    assert AccumulationNotDivided().check(Case(summed(backwards=1))) is None
