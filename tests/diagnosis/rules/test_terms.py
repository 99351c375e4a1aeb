"""Rules of the summands of a loss."""

from dataclasses import replace

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rules.terms import ElboReductionMismatch, RewardScale, TermImbalance
from lossgauge.records.loss_reading import LossReading, Term
from tests.diagnosis.exhibits import Exhibit, change_units, show
from tests.diagnosis.sessions import FELL, FLAT, spread, train


def two_terms(course=FLAT, weak=1e-5, kind="regression", factor=1.0):
    readings = [
        LossReading(
            step,
            terms=(
                Term(0, ("MseLossBackward0",), "regression", value=1e6 * loss, gradient_norm=1.0),
                Term(1, ("SmoothL1LossBackward0",), kind, factor, value=own, gradient_norm=weak),
            ),
        )
        for step, (loss, own) in enumerate(zip(FELL, course, strict=True), 1)
    ]
    return train([1e6 * loss + own for loss, own in zip(FELL, course, strict=True)], readings=readings)


def elbo(course=FLAT, items=7840, divisor=10):
    readings = [
        LossReading(
            step,
            terms=(
                Term(0, kind="regression", reduction="mean", items=items, batch=10, elements=7840, value=value),
                Term(1, kind="divergence", reduction="sum", items=divisor, batch=10, elements=200, value=0.1),
            ),
        )
        for step, value in enumerate(course, 1)
    ]
    return train(course, readings=readings)


def critic(course=FLAT, reward=1e3, kind="policy"):
    readings = [
        LossReading(
            step,
            terms=(
                Term(0, kind=kind, gradient_norm=1e-3),
                Term(1, kind="regression", residual=spread(reward * left), output=spread(0.0), gradient_norm=1e3),
            ),
        )
        for step, left in enumerate(course, 1)
    ]
    return train(course, readings=readings)


EXHIBITS = [
    Exhibit(TermImbalance(), two_terms, lambda: two_terms(FELL), lambda: two_terms(weak=0.5)),
    Exhibit(ElboReductionMismatch(), elbo, lambda: elbo(FELL), lambda: elbo(items=10)),
    Exhibit(RewardScale(), critic, lambda: critic(FELL), lambda: critic(reward=1.0)),
]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_it_tells_faults_from_signals(exhibit):
    show(exhibit)


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=str)
def test_units_do_not_matter(exhibit):
    change_units(exhibit)


def test_one_term_is_changed_and_judged_by_its_own_value():
    finding = EXHIBITS[0].find(two_terms())
    assert finding.measure == finding.where == "term 2"
    assert (finding.treatments[0].index, finding.treatments[0].factor) == (0, pytest.approx(1e-5))
    assert (finding.treatments[1].index, finding.treatments[1].factor) == (1, pytest.approx(1e5))


def test_a_penalty_is_meant_to_be_small():
    assert TermImbalance().check(Case(two_terms(kind="penalty"))) is None


def test_a_divergence_is_left_to_the_rule_of_the_elbo():
    assert TermImbalance().check(Case(two_terms(kind="divergence"))) is None


def test_the_elbo_s_factor_is_the_number_of_features():
    finding = EXHIBITS[1].find(elbo())
    assert finding.treatments[0].factor == pytest.approx(784)
    assert finding.measure == "bound"


def test_the_elbo_the_other_way_round_is_found_too():
    finding = EXHIBITS[1].find(elbo(items=10, divisor=200))
    assert [(t.index, t.factor) for t in finding.treatments[:2]] == [(1, pytest.approx(20)), (0, pytest.approx(1 / 20))]
    assert "too light" in finding.message


def test_without_a_policy_a_large_error_is_no_reward():
    assert RewardScale().check(Case(critic(kind="other"))) is None


@pytest.mark.parametrize(
    ("kind", "factor", "severity"),
    [
        ("other", 1e-4, "info"),
        ("other", 1.0, "fault"),
        ("regression", 1e-4, "fault"),
        ("classification", 1e-4, "fault"),
    ],
)
def test_a_small_weight_before_a_term_that_fits_no_data_is_meant(kind, factor, severity):
    assert EXHIBITS[0].find(two_terms(kind=kind, factor=factor)).severity == severity


def test_the_size_of_activations_fits_no_data_though_it_looks_like_a_regression():
    session = two_terms(factor=1e-4)
    bare = [replace(r, terms=(r.terms[0], replace(r.terms[1], functions=("AbsBackward0",)))) for r in session.readings]
    session.readings = bare
    assert EXHIBITS[0].find(session).severity == "info"
