"""What is asked about the summands of a loss."""

import pytest

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.losses import elbo_terms, gradient_shares, policy_terms, terms_of_kind
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Session
from tests.diagnosis.sessions import FELL, train


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
