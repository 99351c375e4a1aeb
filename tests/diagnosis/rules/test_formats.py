"""Rules of number formats."""

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.formats import Fp16GradientUnderflow, WeightUlpStagnation
from lossgauge.records.loss_reading import LossReading
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import FELL, FLAT, seen, train


def flushed(losses=FLAT, share=0.9):
    readings = [
        LossReading(step, formats={"float16": 4}, flushed={"0": share}, flushed_at=24) for step in (1, 20, 40, 60)
    ]
    return train(losses, readings=readings)


def rounded(losses=FLAT, lost=0.9):
    return train(losses, (seen(1e-2, 1e-2, lost=lost),), form="bfloat16")


EXHIBITS = [
    Exhibit(Fp16GradientUnderflow(), flushed, lambda: flushed(FELL), lambda: flushed(share=0.001)),
    Exhibit(WeightUlpStagnation(), rounded, lambda: rounded(FELL), lambda: rounded(lost=0.01)),
]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


def test_zeros_without_a_counterfactual_are_no_underflow():
    readings = [LossReading(1, formats={"float16": 4}, flushed=None)]
    session = train(FLAT, (seen([0.0, 0.0, 0.0, 1e-7]),), readings=readings)
    assert Fp16GradientUnderflow().check(Case(session)) is None


def test_underflow_names_its_tensors_and_asks_for_a_scaler():
    finding = EXHIBITS[0].find(flushed())
    assert finding.where == "layer0.weight"
    assert [t.kind for t in finding.treatments] == ["scaler", "scaler"]
    assert "2^24" in finding.message


@pytest.mark.parametrize(("form", "wide"), [("bfloat16", "float32"), ("float16", "float32"), ("float32", "float64")])
def test_master_weights_are_wider_than_the_weights(form, wide):
    session = train(FLAT, (seen(1e-2, 1e-2, lost=0.9),), form=form)
    finding = EXHIBITS[1].find(session)
    assert finding.treatments[0].choice == wide
    assert form in finding.message
