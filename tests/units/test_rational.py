from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgauge.units.rational import MAX_DIGITS, rational, simplest
from tests.units.strategies import rationals


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (3, Fraction(3)), (0.1, Fraction(1, 10)), (1e-8, Fraction(1, 10**8)), ("3/4", Fraction(3, 4)),
        (" -1 ", Fraction(-1)), ("1e-8", Fraction(1, 10**8)), ("+6 / 4", Fraction(3, 2)), ("1_000", Fraction(1000)),
        (Decimal("0.25"), Fraction(1, 4)), (Fraction(2, 3), Fraction(2, 3)), ("1e400", Fraction(10**400)),
        (-0.0, Fraction(0)), (True, Fraction(1)),
    ],
)  # fmt: skip
def test_a_number_is_what_a_person_meant(value: str | float | Fraction | Decimal, meant: Fraction):
    assert rational(value) == meant


@given(rationals)
def test_text_is_read_back(value: Fraction):
    assert rational(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_its_shortest_decimal(value: float):
    assert float(rational(value)) == value
    assert rational(value) == rational(repr(value))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("abc", "'abc' is not a number"), ("", "'' is not a number"), ("1/2/3", "'1/2/3' is not a number"),
        ("1/0", "'1/0' divides by zero"), ("nan", "'nan' is not a finite number"), ("2**3", "'2**3' is not a number"),
        (float("inf"), "inf is not a finite number"), (f"1e{MAX_DIGITS + 1}", "finite number of reasonable size"),
        ("1e-99999999", "finite number of reasonable size"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(value: str | float, reason: str):
    with pytest.raises(ValueError, match=reason.replace("*", r"\*")):
        rational(value)


@given(rationals)
def test_the_simplest_fraction_nearby_is_found(value: Fraction):
    assert simplest(float(value) + 1e-9, tolerance=1e-8) == value


def test_noise_is_not_a_fraction():
    assert simplest(0.1234, tolerance=1e-6) is None
    assert simplest(1 / 25, tolerance=1e-6) is None
    assert simplest(1 / 25, tolerance=1e-6, largest_denominator=25) == Fraction(1, 25)
    assert simplest(0.49, tolerance=0.5) == 0, "the smallest denominator wins, not the nearest fraction"
