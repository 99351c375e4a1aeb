"""Rules of what looks like a loss of the wrong size and is not."""

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.lookalikes import (
    DeadUnits,
    LabelsUnrelated,
    MissingZeroGrad,
    ParamsNotInOptimizer,
    VanishingGradient,
)
from lossgauge.diagnosis.rules.step_sizes import LearningRateTooHigh
from lossgauge.records.loss_reading import LossReading, Term
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import DIVERGED, FELL, FLAT, SLOW, seen, train

ZEROS = [0.0] * 4


def deep(losses=FLAT, shrink=1e-3, optimizer="sgd"):
    look = [seen(shrink ** (3 - layer), tensor=layer) for layer in range(4)]
    return train(losses, look, optimizer=optimizer)


def dead(losses=FLAT, silent=2, readings=()):
    look = [seen(ZEROS if layer < silent else 1e-2, tensor=layer) for layer in range(4)]
    return train(losses, look, readings=readings)


def unlabelled(losses=FLAT, relative=1e-3, guess: float | None = 1.0):
    """A classification; `guess` is what a guess by the frequencies of the classes would lose."""
    terms = [Term(0, kind="classification", reduction="mean", value=value, guess=guess) for value in losses]
    readings = [LossReading(step, terms=(term,)) for step, term in enumerate(terms, 1)]
    return train(losses, (seen(1e-2, 1e-2, relative=relative, signal=0.2),), readings=readings)


def elsewhere(losses=FLAT, strangers=400, held=0):
    look = [seen(1e-2 if layer < held else None, tensor=layer) for layer in range(4)]
    readings = [LossReading(step, strangers={"parameter 20×20": strangers} if strangers else {}) for step in (1, 2, 30)]
    return train(losses, look, readings=readings)


EXHIBITS = [
    Exhibit(VanishingGradient(), deep, lambda: deep(FELL), lambda: deep(shrink=0.5)),
    Exhibit(DeadUnits(), dead, lambda: dead(FELL), lambda: dead(silent=0)),
    Exhibit(
        MissingZeroGrad(),
        lambda: train(FLAT, stale=True),
        lambda: train(FELL, stale=None),
        lambda: train(FLAT, stale=False),
    ),
    Exhibit(LabelsUnrelated(), unlabelled, lambda: unlabelled(FELL), lambda: unlabelled(relative=1e-8)),
    Exhibit(ParamsNotInOptimizer(), elsewhere, lambda: elsewhere(FELL, held=4), lambda: elsewhere(strangers=0)),
]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


def test_the_first_layers_are_named():
    assert EXHIBITS[0].find(deep()).where == "layer0.weight, layer1.weight and layer2.weight"


def test_under_adam_every_layer_has_a_scale_of_its_own():
    assert VanishingGradient().check(Case(deep(optimizer="adam"))) is None


def test_gradients_of_exactly_zero_are_death_and_not_depth():
    assert VanishingGradient().check(Case(train(FLAT, dead().samples[0].tensors, optimizer="sgd"))) is None


def test_zeros_that_a_larger_loss_would_lift_are_no_dead_units():
    underflow = [LossReading(1, formats={"float16": 1}, flushed={"0": 0.9}, flushed_at=24)]
    assert DeadUnits().check(Case(dead(readings=underflow))) is None


def test_tensors_that_are_silent_only_now_and_then_live():
    session = train(FLAT, lambda step: [seen(ZEROS if step % 2 and not layer else 1e-2, tensor=layer)
                                        for layer in range(4)])  # fmt: skip
    assert DeadUnits().check(Case(session)) is None


def test_gradients_never_zeroed_are_worth_a_warning_even_where_the_loss_comes_down():
    finding = EXHIBITS[2].find(train(FELL, stale=True))
    assert finding.severity == "warning"
    assert finding.treatments[0].kind == "zero-grad"


def test_unrelated_labels_offer_nothing_to_try():
    assert not EXHIBITS[3].find(unlabelled()).treatments


def test_a_short_run_says_nothing_about_labels():
    assert LabelsUnrelated().check(Case(train(FLAT[:10], (seen(1e-2, 1e-2),)))) is None


def test_parameters_outside_matter_although_the_loss_falls_where_the_optimizer_s_own_get_nothing():
    assert EXHIBITS[4].find(elsewhere(FELL)).severity == "fault"


def test_strangers_of_the_first_step_alone_may_be_lazy_modules():
    session = elsewhere()
    session.readings = session.readings[:1]
    assert ParamsNotInOptimizer().check(Case(session)) is None


@pytest.mark.parametrize(
    ("guess", "severity"), [(1.0, "fault"), (None, "warning"), (1.05, "warning"), (1.5, None), (0.5, "warning")]
)
def test_only_a_loss_that_guessing_would_reach_says_that_nothing_was_learned(guess, severity):
    finding = LabelsUnrelated().check(Case(unlabelled(guess=guess)))
    assert (finding and finding.severity) == severity


def test_units_that_died_when_the_weights_blew_up_are_a_consequence():
    assert DeadUnits().check(Case(dead(DIVERGED))) is None


def test_parts_left_out_may_have_been_left_out_on_purpose_where_the_rest_learns():
    finding = EXHIBITS[4].find(elsewhere(SLOW, held=4))
    assert (finding.severity, finding.most) == ("warning", "warning")
    assert "on purpose" in finding.remedy.text
    assert EXHIBITS[4].find(elsewhere(FLAT, held=4)).most == "fault"


@pytest.mark.parametrize(("first", "alive"), [(0.5, True), (1e-3, True), (0.5, False)])
def test_units_that_violent_steps_killed_are_no_cause(first, alive):
    def look(step):
        size = first if step == 1 else 1e-4
        return [seen(1e-2 if layer == 3 or (alive and step == 1) else ZEROS, tensor=layer, relative=size)
                for layer in range(4)]  # fmt: skip

    case, violent = Case(train(FLAT, look)), first > 0.3 and alive
    assert (DeadUnits().check(case) is None) is violent
    assert (LearningRateTooHigh().check(case) is not None) is violent
