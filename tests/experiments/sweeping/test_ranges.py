from fractions import Fraction
from typing import Any

import pytest

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.ranges import read_axis, read_entry


def floats(written: Any) -> list[float]:
    return [float(value) for value in read_axis("lr", written)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0.1, [0.1]),
        ("1e-3", [1e-3]),
        ([1e-3, "2**-10", "1/256", 2], [1e-3, 2**-10, 1 / 256, 2]),
        ("2**-20..2**20 step 2**20", [2**-20, 1, 2**20]),
        ("2**4..2**-4 step 2**-4", [16, 1, 1 / 16]),
        ("2^0..2^3 step 2^1", [1, 2, 4, 8]),
        ("1..1000 step 10**1", [1, 10, 100, 1000]),
        ("1..100 step 2**3", [1, 8, 64]),
        ("0..0.1 step 0.02", [0, 0.02, 0.04, 0.06, 0.08, 0.1]),
        ("1..-1 step -1", [1, 0, -1]),
        ("1e-5..1e-1 log 5", [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        ("0..1 even 5", [0, 0.25, 0.5, 0.75, 1]),
        ([0.1, 0.1, 0.2], [0.1, 0.2]),
        ("0.0", [0]),
        ("-0.5", [-0.5]),
    ],
)
def test_an_axis_is_read_as_it_is_meant(written: Any, expected: list[float]):
    assert floats(written) == expected


def test_numbers_are_exact():
    assert read_axis("alpha", "1e5") == [Fraction(10**5)]
    assert read_axis("alpha", [0.1, 2.0**-40]) == [Fraction(1, 10), Fraction(1, 2**40)]
    assert read_axis("alpha", "1..2 log 3")[1] == pytest.approx(2**0.5)


def test_flags_words_and_tuples_stay_what_they_are():
    assert read_axis("nesterov", [True, False]) == [True, False]
    assert read_axis("fused", ["none", "strong_wolfe"]) == [None, "strong_wolfe"]
    assert read_axis("betas", [[0.9, 0.99]]) == [(Fraction(9, 10), Fraction(99, 100))]
    assert read_axis("flag", [True, 1]) == [True, 1]
    assert read_entry("x", True) is True


@pytest.mark.parametrize(
    "written",
    [
        [],
        "1..2",
        "1..2 stride 3",
        "a..b step 1",
        "1..8 step 2**-1",
        "0..8 step 2**1",
        "1..8 step -1",
        "1..8 step 0",
        "0..1 log 3",
        "-1..1 log 3",
        "1..2 log 1",
        "1..2 log 2.5",
        "1..2 even 1",
        "0..1 step 1e-9",
        "0..1e300 step 1e-300",
        "2**-6000..2**6000 step 1.0001^1",
        float("nan"),
        float("inf"),
        {"a": 1},
        object(),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(written: Any):
    with pytest.raises(InputError, match=r"^lr ") as error:
        read_axis("lr", written)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("text", ["1e-300..3e300 log 3", "3e-400..1e-200 log 3", "3e-900..7e-700 log 3"])
def test_values_between_ends_that_lie_beyond_a_float_are_geometric_all_the_same(text: str):
    first, middle, last = read_axis("lr", text)
    assert abs(middle**2 / (first * last) - 1) < Fraction(1, 10**9)
