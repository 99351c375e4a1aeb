from fractions import Fraction

import pytest

from lossgauge.laws.multiplier import multiplier
from lossgauge.laws.spelling import spell_alpha, spell_list, spell_power, spell_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.1, "0.1"), (1e-3, "0.001"), (1e-4, "1e-4"), (-1e-8, "-1e-8"), (3.90625e-6, "3.90625e-6"),
        (1e5, "1e5"), (65536, "65536"), (1e22, "1e22"), (1.5e10, "1.5e10"), (True, "true"), (None, "none"),
        ("rel", "rel"), ((0.9, None), "(0.9, none)"), (9999.0, "9999"), (1e100, "1e100"),
    ],
)  # fmt: skip
def test_values(value: object, text: str):
    assert spell_value(value) == text


@pytest.mark.parametrize("text", ["1e5", "2**17", "1/256", "1e-5", "3", "12345", "1e400", "7/3", "2**-20", "120000"])
def test_multipliers_are_read_back(text: str):
    assert multiplier(spell_alpha(multiplier(text))) == multiplier(text)


def test_round_multipliers_are_short():
    assert [spell_alpha(Fraction(n)) for n in (10**5, 10**9, 2**17)] == ["1e5", "1e9", "2**17"]


def test_powers_and_lists():
    assert [spell_power("α", Fraction(k)) for k in (0, 1, 2, -1)] == ["1", "α", "α^2", "α^(-1)"]
    assert spell_power("α", Fraction(1, 2)) == "α^(1/2)"
    assert [spell_list(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
