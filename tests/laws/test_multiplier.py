from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgauge.errors import InputError
from lossgauge.laws.multiplier import MOST_BITS, multiplier, multiplier_of_cause, power_of_two, spell

EXPECTED = "; expected a positive number such as 1e5, 2**17 or 1/256"


@pytest.mark.parametrize(
    ("text", "alpha"),
    [
        ("1e5", Fraction(10**5)), ("2**17", Fraction(2**17)), ("2^-12", Fraction(1, 4096)), ("1/256", Fraction(1, 256)),
        (" 2 ** 3 ", Fraction(8)), ("2**(-3)", Fraction(1, 8)), ("0.1**2", Fraction(1, 100)), ("1e400", 10**400),
        ("3/2**2", Fraction(3, 4)), ("2**3/3", Fraction(8, 3)), ("1/2/3", Fraction(1, 6)), ("1e-1/4", Fraction(1, 40)),
        (0.1, Fraction(1, 10)), (3, Fraction(3)), (Fraction(2, 3), Fraction(2, 3)), ("1_000", Fraction(1000)),
    ],
)  # fmt: skip
def test_multipliers_are_read_exactly(text: str | float | Fraction, alpha: Fraction):
    assert multiplier(text) == alpha


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "alpha 'abc' is not a number" + EXPECTED),
        ("", "alpha '' is not a number" + EXPECTED),
        ("nan", "alpha 'nan' is not a number" + EXPECTED),
        (float("inf"), "alpha 'inf' is not a number" + EXPECTED),
        ("1/0", "alpha '1/0' is not a number" + EXPECTED),
        ("0**-1", "alpha '0**-1' is not a number" + EXPECTED),
        ("2**3**2", "alpha '2**3**2' is not a number" + EXPECTED),
        ("2**1e3", "alpha '2**1e3' is not a number" + EXPECTED),
        ("-2**2", "alpha '-2**2' is not a number" + EXPECTED),
        ("1e99999999", "alpha '1e99999999' is not a number" + EXPECTED),
        ("9**99999999", "alpha '9**99999999' is not a number" + EXPECTED),
        ("1e-5000**20000", "alpha '1e-5000**20000' is not a number" + EXPECTED),
        ("0", "alpha is 0, expected a number above 0; a loss multiplied by it would be lost; give for example 1e5"),
        ("-2", "alpha is -2, expected a number above 0; a loss multiplied by it would be maximised; give for example"),
        (-0.5, "alpha is -0.5, expected a number above 0; a loss multiplied by it would be maximised"),
        ("1e4500", "alpha has more digits than any training can use; give a number such as 1e5, 2**17 or 1/256"),
        ("1e3000/1e-3000", "alpha has more digits than any training can use"),
    ],
)
def test_what_is_no_multiplier_is_refused_in_one_line(text: str | float, message: str):
    with pytest.raises(InputError) as caught:
        multiplier(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_number_too_long_to_be_written_is_refused_all_the_same():
    with pytest.raises(InputError, match="alpha has more digits"):
        multiplier(10**5000)


@pytest.mark.parametrize(
    ("cause", "alpha"),
    [
        (dict(before="sum", after="mean", items=256), Fraction(1, 256)),
        (dict(before="mean", after="sum", items=256), Fraction(256)),
        (dict(before="sum", after="sum", items=256), Fraction(1)),
        (dict(accumulate=8), Fraction(8)),
        (dict(world_size=4), Fraction(1, 4)),
        (dict(before="mean", after="sum", items=32, accumulate=8, world_size=4), Fraction(64)),
        ({}, Fraction(1)),
    ],
)
def test_causes_hide_multipliers(cause: dict[str, str | int], alpha: Fraction):
    assert multiplier_of_cause(**cause) == alpha  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (dict(accumulate=0), "accumulate is 0, expected a whole number of at least 1"),
        (dict(world_size=-4), "world-size is -4, expected a whole number of at least 1"),
        (dict(before="sum", after="mean", items=0), "items is 0, expected a whole number of at least 1"),
        (dict(before="sum", after="mean"), "items is missing: how many items does the reduction run over? "),
        (dict(before="sum", items=3), "to is None, expected 'sum' or 'mean'; write --from sum --to mean --items 256"),
        (dict(items=3), "from is None, expected 'sum' or 'mean'"),
        (dict(before="total", after="mean", items=3), "from is 'total', expected 'sum' or 'mean'"),
    ],
)
def test_half_a_cause_is_refused(cause: dict[str, str | int], message: str):
    with pytest.raises(InputError) as caught:
        multiplier_of_cause(**cause)  # pyright: ignore[reportArgumentType]
    assert str(caught.value).startswith(message)


whole = st.integers(1, 10**6) | st.integers(0, 1000).map(lambda m: 2**m) | st.integers(0, 1000).map(lambda m: 10**m)
multipliers = st.builds(Fraction, whole | st.integers(1, 2**2000), whole)


@given(multipliers)
def test_a_spelled_multiplier_is_read_back(alpha: Fraction):
    assert multiplier(spell(alpha)) == alpha


@pytest.mark.parametrize(
    ("factor", "base", "power"), [(1, 10, 400), (3, 10, 400), (1, 3, 8000), (1, 10, 3900), (1, 2, MOST_BITS - 1)]
)
def test_the_longest_multipliers_are_read_back_too(factor: int, base: int, power: int):
    alpha = factor * base**power
    assert multiplier(spell(Fraction(alpha))) == alpha
    assert multiplier(spell(Fraction(1, alpha))) == Fraction(1, alpha)


def test_spelling_is_short():
    alphas = ("1e6", "2**17", "1/256", "2**-10", "1/512", "12345", "1e400", "7/3", "1e-400")
    spelled = [spell(multiplier(text)) for text in alphas]
    assert spelled == ["1e+06", "2**17", "1/256", "2**-10", "1/512", "12345", "1e400", "7/3", "1e-400"]


@given(st.integers(-200, 200), st.integers(1, 100))
def test_powers_of_two_are_known(m: int, n: int):
    assert power_of_two(Fraction(2) ** m)
    assert power_of_two(Fraction(n)) == (n in (1, 2, 4, 8, 16, 32, 64))
    assert not power_of_two(Fraction(2) ** m / 3)
