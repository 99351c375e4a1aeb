from fractions import Fraction

from hypothesis import given

from lossgauge.units.dimension import DIMENSIONLESS, GRADIENT, LOSS, Dimension
from lossgauge.units.monomial import ONE, WEIGHT, Monomial
from tests.units.strategies import NAMES, dimensions, monomials, non_zero, rationals


@given(monomials, monomials, monomials)
def test_units_are_a_commutative_group(a: Monomial, b: Monomial, c: Monomial):
    assert (a * b) * c == a * (b * c)
    assert a * b == b * a
    assert a * ONE == a
    assert a * a**-1 == ONE == a / a
    assert a / b == a * b**-1
    assert (a / a).trivial


@given(monomials, monomials, rationals, rationals)
def test_powers_are_exact(a: Monomial, b: Monomial, p: Fraction, q: Fraction):
    assert (a * b) ** p == a**p * b**p
    assert a**p * a**q == a ** (p + q)
    assert (a**p) ** q == a ** (p * q)


@given(monomials, non_zero)
def test_every_root_is_undone(a: Monomial, p: Fraction):
    assert (a**p) ** (1 / p) == a


@given(monomials, monomials)
def test_equal_units_have_equal_hashes_and_texts(a: Monomial, b: Monomial):
    again = a * b / b
    assert again == a
    assert hash(again) == hash(a)
    assert (str(a) == str(b)) == (a == b)


@given(monomials, monomials, dimensions, dimensions, dimensions)
def test_evaluating_keeps_products_and_powers(a: Monomial, b: Monomial, x: Dimension, y: Dimension, z: Dimension):
    known = dict(zip(NAMES, (x, y, z), strict=True))
    left, right = a.evaluate(known), b.evaluate(known)
    assert left is not None
    assert right is not None
    assert (a * b).evaluate(known) == left * right
    assert (a ** Fraction(2, 3)).evaluate(known) == left ** Fraction(2, 3)


def test_a_unit_with_an_unknown_symbol_has_no_dimension_yet():
    step = Monomial.of("lr") * Monomial(GRADIENT)
    assert step.evaluate({}) is None
    assert step.evaluate({"eps": LOSS}) is None
    assert step.evaluate({"lr": GRADIENT**-1}) == DIMENSIONLESS


def test_powers_of_zero_are_dropped():
    assert Monomial(powers={"lr": Fraction(0)}) == ONE
    assert Monomial.of("lr") ** 0 == ONE
    assert not Monomial.of("lr").trivial
    assert not WEIGHT.dimensionless


def test_texts():
    assert [str(unit) for unit in (ONE, Monomial(GRADIENT), Monomial.of("lr"))] == ["1", "L/W", "[lr]"]
    assert str(Monomial.of("lr") ** -1 * Monomial(LOSS)) == "L·[lr]^-1"
    assert str(Monomial.of("lr") * Monomial.of("eps[0]") ** 2) == "[eps[0]]^2·[lr]"
