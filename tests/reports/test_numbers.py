import math

import pytest

from lossgauge.reports.numbers import read_number, spell_factor, spell_share, spell_short, spell_ten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.5451e-9, "3.55e-9"),
        (0.98123, "0.981"),
        (8, "8"),
        (math.inf, "inf"),
        ("-inf", "-inf"),
        (True, "true"),
        ("a", "a"),
    ],
)
def test_measured_numbers_are_short(value: object, text: str):
    assert spell_short(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.981, "98 %"), (0.9996, "over 99.9 %"), (1e-5, "under 0.1 %"), (0.042, "4.2 %"),
     (0.9951, "99.5 %")],
)  # fmt: skip
def test_only_everything_is_a_hundred_per_cent(share: float, text: str):
    assert spell_share(share) == text


@pytest.mark.parametrize(
    ("log2", "text"),
    [(0.0, "1"), (math.log2(1e5), "1e5"), (math.log2(9.99e4), "1e5"), (-4000.0, "7.6e-1205"), (5.0, "32")],
)
def test_factors_beyond_any_number(log2: float, text: str):
    assert spell_factor(log2) == text


def test_powers_of_ten():
    assert [spell_ten(power) for power in (-9, -2, 0, 3, 44)] == ["10⁻⁹", "0.01", "1", "1000", "10⁴⁴"]


def test_what_is_no_number():
    assert read_number("inf") == math.inf
    assert [read_number(value) for value in (None, True, "3", [1], {})] == [None] * 5
