from fractions import Fraction

import pytest
from hypothesis import given

from lossgauge.units.dimension import DIMENSIONLESS, GRADIENT, LOSS, WEIGHT, Dimension
from tests.units.strategies import dimensions, non_zero, rationals


@given(dimensions, dimensions, dimensions)
def test_dimensions_are_a_commutative_group(a: Dimension, b: Dimension, c: Dimension):
    assert (a * b) * c == a * (b * c)
    assert a * b == b * a
    assert a * DIMENSIONLESS == a
    assert a * a**-1 == DIMENSIONLESS == a / a
    assert a / b == a * b**-1
    assert (a / a).dimensionless


@given(dimensions, dimensions, rationals, rationals)
def test_powers_are_exact(a: Dimension, b: Dimension, p: Fraction, q: Fraction):
    assert (a * b) ** p == a**p * b**p
    assert a**p * a**q == a ** (p + q)
    assert (a**p) ** q == a ** (p * q)


@given(dimensions, non_zero)
def test_every_root_is_undone(a: Dimension, p: Fraction):
    assert (a**p) ** (1 / p) == a


@given(dimensions)
def test_print_then_parse_is_identity(a: Dimension):
    assert Dimension.parse(str(a)) == a
    assert hash(Dimension.parse(str(a))) == hash(a)


@given(dimensions, dimensions)
def test_two_dimensions_print_alike_only_when_equal(a: Dimension, b: Dimension):
    assert (str(a) == str(b)) == (a == b)


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("1", DIMENSIONLESS), ("L", LOSS), ("L/W", GRADIENT), ("W^2/L", WEIGHT / GRADIENT), ("1/W", WEIGHT**-1),
        ("L^(1/2)", LOSS ** Fraction(1, 2)), ("1/(L·W)", (LOSS * WEIGHT) ** -1), ("L * W", LOSS * WEIGHT),
        ("L^-1·W", WEIGHT / LOSS), ("L^2/W^(3/2)", LOSS**2 / WEIGHT**1.5), ("1/(L^(1/2)·W)", LOSS**-0.5 / WEIGHT),
    ],
)  # fmt: skip
def test_texts_are_read(text: str, dimension: Dimension):
    assert Dimension.parse(text) == dimension


def test_a_power_given_as_a_float_is_the_decimal_it_shows():
    assert Dimension(loss=Fraction(1, 10)) == LOSS**0.1
    assert LOSS**0.5 * LOSS**0.5 == LOSS
    assert Dimension(Fraction(1, 3)) == LOSS ** "1/3"


@pytest.mark.parametrize("text", ["", " ", "X", "L/", "/W", "L/W/W", "L^1/2", "2·L", "L^(1/0)", "L·", "L^x", "l/w"])
def test_what_is_no_dimension_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a dimension: ") as caught:
        Dimension.parse(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)
