"""What one sampled step says of all tensors together."""

import math
from fractions import Fraction

import pytest

from lossgauge.diagnosis.instruments import Instruments
from lossgauge.records.session import Sample, Session, TensorSample
from tests.diagnosis.sessions import FELL, around, seen, sizes, train

PAIR = (
    seen(3.0, 1e-3, weight=3.0, relative=0.1, eps=1e-2, elasticity=1.0),
    seen(4.0, 1.0, weight=4.0, relative=0.1, eps=1e-2, elasticity=0.0, tensor=1),
)


def instruments(look=PAIR, **rest):
    session = train(FELL, look, **rest)
    return Instruments(session, 0), session.samples[0]


def test_no_optimizer():
    nothing = Instruments(Session(), 0)
    assert (nothing.optimizer, nothing.law, nothing.setting("lr"), nothing.exponent("lr")) == (None, None, None, None)
    assert nothing.title == "the optimizer"


def test_a_sample_s_setting_comes_before_the_first_one():
    mine, sample = instruments()
    moved = Sample(9, 0, 9, ({"lr": 7.0},), sample.tensors)
    assert mine.setting("lr", moved) == 7.0
    assert mine.setting("lr") == 1e-3
    assert mine.setting("eps", moved) is None
    assert mine.setting("lr", Sample(9, 0, 9)) == 1e-3


def test_exponents_come_from_the_law():
    mine, _ = instruments()
    assert mine.exponent("eps") == Fraction(1)
    assert mine.exponent("unheard of") is None


def test_norms_add_up_as_the_hypotenuse():
    mine, sample = instruments()
    assert mine.relative_update(sample) == pytest.approx(0.1)
    assert mine.gradient_norm(sample) == pytest.approx(5 * math.hypot(*around(1.0)))


def test_a_share_weighs_tensors_by_their_elements():
    mine, sample = instruments()
    assert mine.dominated(sample) == pytest.approx(0.5)
    session = mine.session
    session.tensors[0] = type(session.tensors[0])("big", (12,), "float32", 0, 0, 12, 12)
    assert mine.dominated(sample) == pytest.approx(0.75)
    assert mine.share(sample, lambda tensor: None) is None


def test_elasticity_is_weighted_with_the_square_of_the_update():
    mine, sample = instruments()
    assert mine.elasticity(sample) == pytest.approx(0.3**2 / 0.5**2)
    assert mine.elasticity(Sample(1, 0, 1)) is None
    still = Sample(1, 0, 1, (), (seen(relative=0.0, elasticity=1.0),))
    assert mine.elasticity(still) is None


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_decay_against_the_gradient(optimizer):
    mine, sample = instruments((seen(1.0, weight=10.0),), optimizer=optimizer, settings={"weight_decay": 0.5})
    assert mine.decay_ratio(sample) == pytest.approx(5.0 / math.hypot(*around(1.0)))


def test_decay_that_is_off_or_not_coupled_has_no_ratio():
    for mine, sample in (instruments(), instruments(optimizer="adamw")):
        assert mine.decay_ratio(sample) is None


def test_decay_against_no_gradient_at_all_is_infinite():
    mine, sample = instruments((seen([0.0] * 4),), settings={"weight_decay": 0.5})
    assert mine.decay_ratio(sample) == math.inf


def test_what_is_not_known_is_none():
    mine, _ = instruments()
    unknown = Sample(1, 0, 1, (), (TensorSample(0),))
    assert mine.relative_update(unknown) is None
    assert mine.gradient_norm(unknown) is None
    assert mine.gradients(unknown).elements == 0
    assert mine.denominators(unknown).elements == 0


def test_histograms_of_all_tensors_together():
    mine, sample = instruments()
    assert mine.gradients(sample) == sizes([*around(3.0), *around(4.0)])
    assert mine.denominators(sample) == sizes([*around(1e-3), *around(1.0)])
