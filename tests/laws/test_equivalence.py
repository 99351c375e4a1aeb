import math
import struct
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lossgauge.errors import InputError
from lossgauge.laws.equivalence import LARGEST, dimensionless_groups, exact_power, scale_settings, scale_value, scaled
from lossgauge.laws.law import Law
from lossgauge.laws.verdict import Verdict
from tests.known_laws import PLAIN_ADAM, TABLE

TEN_THOUSANDS = Fraction(10**5)
finite = st.floats(allow_nan=False, allow_infinity=False)
halves = st.sampled_from([Fraction(n, 2) for n in range(-6, 7)])
# Fifteen digits survive the way from decimal text to a float and back.
decimals = st.builds(lambda n, e: float(f"{n}e{e}"), st.integers(1, 10**15 - 1), st.integers(-60, 40))


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def law(**exponents: str | int) -> Law:
    return Law("m:Any", Verdict.EXACT, {name.replace("_0", "[0]"): Fraction(k) for name, k in exponents.items()})


@pytest.mark.parametrize(
    ("value", "exponent", "alpha", "result"),
    [
        (1e-8, "1", "100000", 1e-3), (1e-8, "-1", "100000", 1e-13), (0.1, "1", "10", 1.0), (0.3, "-1", "10", 0.03),
        (1e-8, "1/2", "10000", 1e-6), (0.7, "-3/2", "1/100", 700.0), (1e-8, "1/2", 10**40, 1e12), (5, "2", "0.1", 0.05),
        (-0.1, "1", "10", -1.0), (1e-8, "1/3", "8/27", 2e-8 / 3), (1e-300, "1", 10**400, 1e100),
        (1e-8, "1/2", 10**400, 1e192), (-0.0, "1", "3", -0.0), (2.5, "0", 10**400, 2.5),
    ],
)  # fmt: skip
def test_decimals_stay_decimals(value: float, exponent: str, alpha: str | int, result: float):
    assert bits(scaled(value, Fraction(exponent), Fraction(alpha))) == bits(result)


@given(finite, st.integers(-1100, 1100), st.integers(1, 3))
def test_powers_of_two_have_the_bits_of_a_multiplication(value: float, m: int, k: int):
    shifted = Fraction(value) * Fraction(2) ** (m * k)
    assume(2**-1040 < abs(shifted) < LARGEST["float64"] or not value)
    expected = value
    for _ in range(abs(m * k)):
        expected *= 2.0 if m > 0 else 0.5  # the hardware's own multiplication
    assume(Fraction(expected) == shifted)  # not where subnormal numbers lose digits on the way
    assert bits(scaled(value, Fraction(k), Fraction(2) ** m)) == bits(expected)


@given(decimals, st.integers(-40, 40), halves)
def test_exact_powers_round_once(value: float, m: int, exponent: Fraction):
    alpha = Fraction(9) ** m
    factor = Fraction(3) ** int(2 * m * exponent)
    assert exact_power(alpha, exponent) == factor
    if exponent:
        assert scaled(value, exponent, alpha) == float(Fraction(repr(value)) * factor)


@given(st.integers(1, 10**30), st.integers(1, 10**30), st.integers(1, 5), st.integers(-4, 4))
def test_roots_of_perfect_powers_are_found(a: int, b: int, degree: int, power: int):
    assert exact_power(Fraction(a, b) ** degree, Fraction(power, degree)) == Fraction(a, b) ** power


@given(st.integers(2, 10**30), st.integers(2, 5))
def test_a_number_beside_a_perfect_power_has_no_root(a: int, degree: int):
    for beside in (a**degree - 1, a**degree + 1):
        assert exact_power(Fraction(beside), Fraction(1, degree)) is None


@given(decimals, st.fractions(min_value="1/1000", max_value=1000), st.sampled_from(["1/2", "-1/3", "3/4", "-5/2"]))
def test_irrational_powers_are_right_to_rounding(value: float, alpha: Fraction, exponent: str):
    found = scaled(value, Fraction(exponent), alpha)
    assert math.isclose(found, value * float(alpha) ** float(Fraction(exponent)), rel_tol=1e-13)


def test_a_step_in_between_may_be_beyond_floating_point():
    """α^k alone would overflow; the result does not."""
    assert math.isclose(scaled(1e-300, Fraction(1, 2), Fraction(2 * 10**801)), 4.4721359549995794e100, rel_tol=1e-12)
    assert math.isclose(scaled(1e300, Fraction(-1, 2), Fraction(2 * 10**801)), 2.23606797749979e-101, rel_tol=1e-12)


@pytest.mark.parametrize("exponent", ["1", "1/2", "2"])
@pytest.mark.parametrize("alpha", [Fraction(10**3000), Fraction(2**9000), Fraction(2 * 10**3001)])
def test_what_no_float_holds_is_refused(exponent: str, alpha: Fraction):
    with pytest.raises(InputError) as caught:
        scaled(1e-8, Fraction(exponent), alpha)
    start = f"1e-08·α^{exponent} is too large for any floating-point format; choose a smaller alpha"
    assert str(caught.value) == start
    with pytest.raises(InputError) as caught:
        scaled(1e-8, -Fraction(exponent), alpha)
    assert str(caught.value) == (
        f"1e-08·α^-{exponent} is below the smallest floating-point number; choose an alpha nearer 1"
    )


@pytest.mark.parametrize("value", [0.0, math.inf, -math.inf])
def test_zeros_and_infinities_have_no_size(value: float):
    assert scaled(value, Fraction(1), TEN_THOUSANDS) == value
    assert math.isnan(scaled(math.nan, Fraction(1), TEN_THOUSANDS))


@given(decimals, decimals, st.integers(-60, 60), halves, halves)
def test_there_and_back_is_identity_by_bits(lr: float, eps: float, m: int, a: Fraction, b: Fraction):
    mine, alpha = Law("m:Any", Verdict.EXACT, {"lr": a, "eps": b}), Fraction(4) ** m
    settings = {"lr": lr, "eps": eps}
    assert scale_settings(mine, scale_settings(mine, settings, alpha), 1 / alpha) == settings


@given(decimals, st.integers(-40, 40), st.integers(-3, 3))
def test_there_and_back_is_identity_for_decimals(eps: float, m: int, k: int):
    mine, alpha = law(eps=k), Fraction(10) ** m
    assert scale_settings(mine, scale_settings(mine, {"eps": eps}, alpha), 1 / alpha) == {"eps": eps}


def test_only_numbers_that_carry_loss_units_are_scaled():
    settings = {"lr": 1e-3, "eps": 1e-8, "weight_decay": 0, "foreach": None, "maximize": True, "unheard": 3.0}
    assert scale_settings(PLAIN_ADAM, settings, TEN_THOUSANDS) == {**settings, "eps": 1e-3}
    assert settings["eps"] == 1e-8


def test_whole_numbers_and_flags():
    mine = law(weight_decay=1, maximize=1)
    assert scale_settings(mine, {"weight_decay": 3, "maximize": True}, Fraction(10)) == {
        "weight_decay": 30.0,
        "maximize": True,
    }


def test_tuples_are_scaled_entry_by_entry():
    mine = law(eps_0=1)
    assert scale_value(mine, "eps", (1e-30, 1e-3), TEN_THOUSANDS) == (1e-25, 1e-3)
    assert scale_value(mine, "eps", [1e-30, None], TEN_THOUSANDS) == [1e-25, None]


def test_an_exponent_off_by_one_is_seen():
    right = scale_settings(TABLE["torch.optim:SGD"].law, {"lr": 0.1, "weight_decay": 1e-4}, TEN_THOUSANDS)
    assert right == {"lr": 1e-6, "weight_decay": 10.0}
    for name in right:
        wrong = law(**{"lr": -1, "weight_decay": 1, name: 0})
        assert scale_settings(wrong, {"lr": 0.1, "weight_decay": 1e-4}, TEN_THOUSANDS) != right


def test_groups_are_what_training_depends_on():
    assert dimensionless_groups(TABLE["torch.optim:SGD"].law) == ["lr·α", "weight_decay/α"]
    assert dimensionless_groups(TABLE["zoo:Madgrad"].law) == ["lr·α^(1/2)", "eps/α^(3/2)"]
    assert dimensionless_groups(law(start=2, eps=1, mu=0)) == ["start/α^2", "eps/α"]
