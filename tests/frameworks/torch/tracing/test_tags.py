import math
from fractions import Fraction

import pytest

from lossgauge.frameworks.torch.tracing.tags import ANY, LOST, NUMBER, Tag, literal
from lossgauge.units.equation import Site
from lossgauge.units.monomial import GRADIENT, ONE, Monomial

GRAD, LR = Tag(Monomial(GRADIENT)), Tag(Monomial.of("lr"))
HERE = Site("mine.py", 3)


def test_units_multiply_divide_and_are_raised():
    assert GRAD.times(LR).unit == Monomial(GRADIENT) * Monomial.of("lr")
    assert GRAD.times(LR, -1).unit == Monomial(GRADIENT) / Monomial.of("lr")
    assert GRAD.to_the(Fraction(1, 2)).unit == Monomial(GRADIENT) ** Fraction(1, 2)
    assert GRAD.same_unit() is GRAD


@pytest.mark.parametrize("value", [0, -0.0, math.inf, -math.inf, math.nan])
def test_zeros_and_infinities_fit_every_unit(value: float):
    assert literal(value) is ANY


def test_other_numbers_are_dimensionless_and_remembered():
    assert literal(3) == Tag(ONE, bare=True, value=3.0)
    assert literal(3).times(literal(4)).value == 12
    assert literal(3).times(literal(4), -1).value == 0.75
    assert literal(3).same_unit().value is None
    assert literal(9).to_the(Fraction(1, 2)).value is None


def test_what_fits_every_unit_stays_so():
    assert [tag.kind for tag in (ANY.times(GRAD), GRAD.times(ANY), GRAD.times(ANY, -1))] == ["any"] * 3
    assert ANY.to_the(Fraction(2)) is ANY


def test_what_is_lost_stays_lost():
    assert [tag.kind for tag in (LOST.times(ANY), ANY.times(LOST), LOST.times(GRAD, -1))] == ["lost"] * 3
    assert LOST.to_the(Fraction(2)) is LOST


def test_a_number_is_bare_only_among_numbers():
    assert NUMBER.times(literal(2)).bare
    assert not literal(2).times(GRAD).bare
    assert literal(1).times(Tag(Monomial.of("beta"))).bare, "1 − beta is made of numbers of the code and settings"


def test_the_last_number_multiplied_in_is_to_blame():
    constant = Tag(bare=True, value=3.0, origin=HERE)
    assert GRAD.times(constant).factor == (3.0, HERE)
    assert GRAD.times(literal(-1)).factor is None, "a sign is not to blame"
    assert GRAD.times(Tag(bare=True, value=1.0, origin=HERE)).factor == (1.0, HERE), "a tensor of ones may be"
    assert GRAD.times(constant).times(literal(-1)).factor == (3.0, HERE)
