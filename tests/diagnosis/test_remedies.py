"""Treatments in words, with the user's own numbers."""

import math

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.remedies import say_treatment
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Clip, Event, Session
from lossgauge.records.treatment import KINDS, Treatment
from tests.diagnosis.sessions import FELL, train

SAID = {
    "setting": (Treatment("setting", "eps", 0, 1e-5), "from 1e-8 to 1e-13", {"eps": [1e-8, 1e-13]}),
    "loss": (Treatment("loss", factor=1e-3), "divide the loss by 1000", {"loss_factor": [1.0, 1e-3]}),
    "term": (Treatment("term", index=1, factor=100.0), "multiply term 2 of the loss by 100", {"term 2": [1.0, 100.0]}),
    "threshold": (Treatment("threshold", "max_norm", factor=8.0), "from 0.5 to 4", {"max_norm": [0.5, 4.0]}),
    "exact-clip": (Treatment("exact-clip", "max_norm"), "without torch's 1e-6", {"clip": ["torch", "exact"]}),
    "unscaled-clip": (Treatment("unscaled-clip"), "scaler.unscale_(optimizer)", {"clip_before_unscale": [True, False]}),
    "added-clip": (Treatment("added-clip", value=0.3), "clip_grad_norm_(parameters, 0.3)", {"max_norm": [None, 0.3]}),
    "scaler": (Treatment("scaler", factor=65536.0), "init_scale=65536", {"init_scale": [None, 65536.0]}),
    "master-weights": (Treatment("master-weights", choice="float32"), "in float32, and compute in bfloat16",
                       {"weights": ["bfloat16", "float32"]}),
    "zero-grad": (Treatment("zero-grad"), "optimizer.zero_grad()", {"zero_grad": [False, True]}),
    "grad-output": (Treatment("grad-output"), "by grad_output", {"backward": ["ignores grad_output", "uses it"]}),
    "held-parameters": (Treatment("held-parameters"), "the tensors that are trained",
                        {"parameters": ["held", "trained"]}),
    "plateau-mode": (Treatment("plateau-mode", choice="rel"), "threshold_mode='rel'",
                     {"threshold_mode": ["abs", "rel"]}),
    "stop-delta": (Treatment("stop-delta", factor=1e-3), "from 0.01 to 1e-5", {"min_delta": [1e-2, 1e-5]}),
    "knee": (Treatment("knee", "delta", factor=0.1), "from 20 to 2", {"delta": [20.0, 2.0]}),
}  # fmt: skip


def case():
    return Case(
        train(
            FELL,
            form="bfloat16",
            clips=lambda step: Clip("max_norm", 0.5, 1.0),
            events=[Event("stop-delta", 0, "", {"value": 0.01})],
            readings=[LossReading(1, terms=(Term(0, knee=20.0),))],
        )
    )


PROBES = {"summation"}
"""What is done to a training to measure something; nobody is advised to do it."""


def test_every_kind_is_said_here():
    assert set(SAID) == set(KINDS) - PROBES


@pytest.mark.parametrize("kind", SAID)
def test_what_is_and_what_it_becomes(kind):
    treatment, part, change = SAID[kind]
    text, data = say_treatment(treatment, case())
    assert part in text
    assert data == {name: pytest.approx(pair) if isinstance(pair[1], float) and pair[0] is not None else pair
                    for name, pair in change.items()}  # fmt: skip
    assert not text.endswith(".")


@pytest.mark.parametrize("kind", SAID)
def test_nothing_known_of_the_training_is_no_error(kind):
    text, _ = say_treatment(SAID[kind][0], Case(Session()))
    assert text


def test_a_setting_that_is_not_known_is_only_set():
    text, change = say_treatment(Treatment("setting", "gamma", value=0.5), case())
    assert text == "set gamma to 0.5"
    assert change == {"gamma": [None, 0.5]}


def test_no_clipping_at_all():
    text, change = say_treatment(Treatment("threshold", "max_norm", factor=math.inf), case())
    assert "do not clip" in text
    assert change == {"max_norm": [0.5, None]}


def test_a_factor_above_one_multiplies():
    assert say_treatment(Treatment("loss", factor=1e6), case())[0].startswith("multiply the loss by")


def test_products_have_no_dust():
    _, change = say_treatment(Treatment("setting", "lr", 0, 3.0), Case(train(settings={"lr": 0.1})))
    assert change == {"lr": [0.1, 0.3]}
