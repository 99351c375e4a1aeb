"""Numbers at the end of their range, and records with holes: every rule is asked, and none may fail."""

import json
import math

import pytest

from lossgauge.cli.printing import _speakable
from lossgauge.diagnosis.checkup import diagnose_session
from lossgauge.diagnosis.confirm import confirm
from lossgauge.diagnosis.rulebook import RULES
from lossgauge.records.loss_reading import LossReading, Spread, Term
from lossgauge.records.session import Clip, Event, Session, Step, TensorSample
from tests.diagnosis.sessions import BROKEN, FLAT, seen, spread, train

ENDLESS = Spread(0.0, math.inf, math.inf, math.inf, math.inf, 8)


def reading_all(*terms, **rest):
    return [LossReading(step, terms=terms, **rest) for step in (1, 15, 30, 45, 60)]


def clipped(norm, threshold=1.0):
    return train(BROKEN, optimizer="sgd", clips=lambda step: Clip("max_norm", threshold, norm))


def summed(*norms):
    terms = [Term(i, kind="regression", value=1.0, gradient_norm=norm) for i, norm in enumerate(norms)]
    return train(FLAT, readings=reading_all(*terms))


def bent(residual, knee=1.0):
    return train(FLAT, readings=reading_all(Term(0, kind="regression", residual=residual, knee=knee)))


def critic(residual):
    return train(FLAT, readings=reading_all(Term(0, kind="policy"), Term(1, kind="regression", residual=residual)))


def huge(gradient=1e200, optimizer="sgd", **rest):
    """A double-precision training that flew away: squares of its numbers are beyond the range."""
    look = (seen(gradient, relative=1e200, elasticity=1.0, carriers={"lr": 1.0}),)
    return train(BROKEN, look, optimizer=optimizer, form="float64", **rest)


def lost():
    """Gradients that are not numbers in front of infinite second moments."""
    samples = (TensorSample(0, 1.0, math.nan, 0.0, seen(1.0).gradient, seen(1.0, [math.inf] * 4).denominator),)
    return train(FLAT, samples)


def unsampled():
    session = train(FLAT)
    session.samples.clear()
    return session


EXTREMES = {
    "nothing": Session,
    "a step and nothing else": lambda: Session(steps=[Step(1)]),
    "steps without samples": unsampled,
    "samples without tensors": lambda: train(FLAT, ()),
    "tensors without numbers": lambda: train(FLAT, (TensorSample(0),)),
    "weights of zero": lambda: train(FLAT, (seen(weight=0.0),)),
    "gradients of zero": lambda: train(FLAT, (seen([0.0] * 4, [0.0] * 4, relative=0.0, eps=1e-8),)),
    "nothing but NaN": lambda: train(
        [math.nan] * 60, (seen([math.nan] * 4, [math.nan] * 4, weight=math.nan, elasticity=math.nan),)
    ),
    "nothing but infinities": lambda: train(
        [math.inf] * 60, (seen([math.inf] * 4, [math.inf] * 4, weight=math.inf, dominated=0.0, lost=1.0),)
    ),
    "losses of zero": lambda: train([0.0] * 60),
    "one step": lambda: train([1.0]),
    "settings of zero": lambda: train(FLAT, settings=dict.fromkeys(("lr", "eps", "weight_decay"), 0.0)),
    "infinite norm at the clip": lambda: clipped(math.inf),
    "no number at the clip": lambda: clipped(math.nan),
    "threshold of zero": lambda: clipped(1.0, 0.0),
    "infinite threshold": lambda: clipped(1.0, math.inf),
    "infinite gradient of a term": lambda: summed(1.0, math.inf),
    "no gradient of a term": lambda: summed(1.0, 0.0),
    "infinite residuals": lambda: bent(ENDLESS),
    "residuals of zero": lambda: bent(Spread(0.0, 0.0, 0.0, 0.0, 0.0, 8)),
    "a critic that could not be recomputed": lambda: critic(None),
    "a critic without output": lambda: critic(spread(1e3)),
    "NaN under infinite second moments": lost,
    "beyond the range of squares": huge,
    "residuals beyond the range of squares": lambda: train(
        FLAT, readings=reading_all(Term(0, kind="regression", residual=spread(1e200)))
    ),
    "the same under an optimizer without a law for its rate": lambda: huge(
        events=[Event("non-finite", 3, "NaN")], optimizer="radam"
    ),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_a_sensible_sentence_and_a_document_instead_of_an_error(name):
    diagnosis = diagnose_session(EXTREMES[name]())
    assert diagnosis.answer.endswith(".")
    assert json.dumps(_speakable(diagnosis.to_dict()), allow_nan=False)
    assert all(finding.severity in ("fault", "warning", "info") for finding in diagnosis.findings)


@pytest.mark.parametrize("name", EXTREMES)
def test_trials_that_cannot_be_carried_out_are_no_error_either(name):
    session = confirm(EXTREMES[name](), lambda treatments, steps: [None for _ in treatments])
    assert not any(trial.helped for trial in session.trials)
    assert {trial.code for trial in session.trials} <= {rule.code for rule in RULES}
    assert diagnose_session(session).answer
