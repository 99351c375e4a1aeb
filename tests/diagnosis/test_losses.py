"""What is asked about the summands of a loss."""

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.losses import elbo_terms, gradient_shares, policy_terms, terms_of_kind, unexplained
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Session
from tests.diagnosis.sessions import FELL, spread, train


def case(*terms, steps=(1, 2, 3)):
    return Case(train(FELL, readings=[LossReading(step, terms=terms) for step in steps]))


DATA, DIVERGENCE = Term(0, kind="classification"), Term(1, kind="divergence")


def test_gradient_norms_are_medians_over_the_readings():
    readings = [LossReading(s, terms=(Term(0, gradient_norm=float(s)), Term(1))) for s in (1, 2, 30)]
    assert gradient_shares(Case(train(FELL, readings=readings))) == {0: 2.0}


def test_one_term_alone_has_no_share():
    assert gradient_shares(case(Term(0, gradient_norm=1.0))) == {}
    assert gradient_shares(Case(Session())) == {}


def test_an_elbo_is_one_data_term_and_one_divergence():
    assert elbo_terms(case(DATA, DIVERGENCE)) == (DATA, DIVERGENCE)
    assert elbo_terms(case(DIVERGENCE, DATA)) == (DATA, DIVERGENCE)


@pytest.mark.parametrize("terms", [(), (DATA,), (DIVERGENCE,), (DATA, DATA, DIVERGENCE), (DATA, DIVERGENCE) * 2])
def test_anything_else_is_no_elbo(terms):
    assert elbo_terms(case(*terms)) is None


def test_terms_by_kind_are_named_once():
    mine = case(Term(2, kind="policy"), Term(0, kind="policy"), Term(1, kind="regression"))
    assert policy_terms(mine) == [0, 2]
    assert terms_of_kind(mine, "regression") == [1]
    assert terms_of_kind(mine, "penalty") == []


REGRESSION = Term(0, kind="regression", residual=spread(0.3, 0.4), target=spread(5.0, 1.0))


@pytest.mark.parametrize(
    ("term", "share"),
    [
        (REGRESSION, 0.25),
        (Term(0, reduction="mean", factor=1e-5, value=0.5e-5, guess=1.0), 0.5),
        (Term(0, reduction="sum", value=32.0, elements=64, guess=1.0), 0.5),
        (Term(0, reduction="partial", value=0.5, guess=1.0), None),
        (Term(0, reduction="mean", guess=1.0), None),
        (Term(0, value=0.5), None),
    ],
)
def test_what_is_unexplained_is_measured_against_a_guess(term, share):
    assert unexplained(case(term)) == (share if share is None else pytest.approx(share))


def test_of_several_terms_the_largest_counts_late_in_the_run():
    small, large = (Term(0, reduction="mean", value=v, guess=g) for v, g in ((0.1, 1.0), (0.9, 1.0)))
    assert unexplained(case(small, large)) == pytest.approx(0.9)
    late = [LossReading(s, terms=(Term(0, reduction="mean", value=v, guess=1.0),)) for s, v in ((1, 9.0), (2, 0.2))]
    assert unexplained(Case(train(FELL, readings=late))) == pytest.approx(0.2)
