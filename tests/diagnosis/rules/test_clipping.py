"""Rules of clipping."""

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.clipping import ClipBeforeUnscale, ClipHiddenConstant, ClipSaturated, ClipThenEps
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Clip
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import FELL, FLAT, multiplied, seen, train

SCALE = 65536.0


def saturated(losses=FLAT, norm=100.0):
    return train(losses, optimizer="sgd", clips=lambda step: Clip("max_norm", 1.0, norm))


def by_hand(losses=FLAT, relative=1e-4, wobble=0.0):
    return train(losses, lambda step: (seen(1.0 + wobble * step, relative=relative),), optimizer="sgd")


def scaled(losses=FLAT, norm=0.1 * SCALE, stage="scaled"):
    return train(losses, optimizer="sgd", clips=lambda step: Clip("max_norm", 1.0, norm, stage), scale=SCALE)


def tiny(losses=FLAT, norm=1e-8):
    return train(losses, optimizer="sgd", clips=lambda step: Clip("max_norm", norm, norm))


def pushed(losses=FLAT, norm=500.0, readings=()):
    look = (seen(1e-7, 1e-7, eps=1e-5),)
    clip = Clip("max_norm", 0.5, norm)
    return train(losses, look, settings={"eps": 1e-5}, clips=lambda step: clip, readings=readings)


EXHIBITS = [
    Exhibit(ClipSaturated(), saturated, lambda: saturated(FELL), lambda: saturated(norm=0.5)),
    Exhibit(ClipSaturated(), by_hand, lambda: by_hand(FELL), lambda: by_hand(wobble=0.1), label="by-hand"),
    Exhibit(ClipBeforeUnscale(), scaled, lambda: scaled(FELL), lambda: scaled(stage="unscaled")),
    Exhibit(ClipHiddenConstant(), tiny, lambda: tiny(FELL), lambda: tiny(norm=0.1), absolute=True),
    Exhibit(ClipThenEps(), lambda: pushed(norm=5e4), lambda: pushed(FELL, 5e4), lambda: pushed(norm=0.4)),
]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", [exhibit for exhibit in EXHIBITS if not exhibit.absolute], ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


def test_the_new_threshold_is_as_high_as_the_norms():
    factors = [t.factor for t in EXHIBITS[0].find(saturated()).treatments]
    assert factors[0] == 128.0  # the power of two above 100
    assert all(factor is not None and factor > 1 for factor in factors)


def test_steps_that_are_clipped_now_and_then_are_not_saturated():
    session = train(FLAT, optimizer="sgd", clips=lambda step: Clip("max_norm", 1.0, 100.0 if step % 3 else 0.5))
    assert ClipSaturated().check(Case(session)) is None


def test_clipping_by_hand_is_answered_with_the_learning_rate():
    finding = EXHIBITS[1].find(by_hand())
    assert {t.name for t in finding.treatments} == {"lr"}
    assert all(t.factor is not None and t.factor > 1 for t in finding.treatments)


def test_weights_that_stand_still_have_equal_gradients_without_any_clipping():
    assert ClipSaturated().check(Case(by_hand(relative=1e-6))) is None
    luck = [1.0 + 0.1 * (step % 2) for step in range(60)]  # losses of different batches
    assert ClipSaturated().check(Case(by_hand(luck, relative=1e-6))) is not None


def test_the_effective_threshold_is_divided_by_the_scale():
    finding = EXHIBITS[2].find(scaled())
    assert finding.treatments[0].kind == "unscaled-clip"
    assert "1.53e-5, not 1" in finding.message  # 1/65536


def test_a_scaled_clip_that_never_binds_does_no_harm():
    assert ClipBeforeUnscale().check(Case(scaled(norm=0.5))) is None


def test_the_hidden_constant_has_a_unit_that_does_not_go_along():
    session = tiny()
    assert ClipHiddenConstant().check(Case(session)) is not None
    assert ClipHiddenConstant().check(Case(multiplied(session, 30))) is None


def test_the_hidden_constant_matters_only_beside_a_threshold_of_its_size():
    session = train(FLAT, optimizer="sgd", clips=lambda step: Clip("max_norm", 1.0, 1e-8))
    assert ClipHiddenConstant().check(Case(session)) is None


def test_clipping_is_not_blamed_for_roots_below_epsilon_anyway():
    assert ClipThenEps().check(Case(pushed(norm=3.0))) is None
    assert ClipThenEps().check(Case(pushed(norm=10.0))) is None


def test_a_policy_is_no_trial_for_its_loss():
    policy = [LossReading(1, terms=(Term(0, kind="policy"), Term(1, kind="regression")))]
    finding = EXHIBITS[4].find(pushed(FELL, 5e4, policy))
    assert finding.severity == "fault"
    assert not finding.treatments
    assert "max_norm" in finding.remedy.text
