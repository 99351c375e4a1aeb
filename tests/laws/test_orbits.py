import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgauge.laws.law import Clash, Law
from lossgauge.laws.orbits import Place, place, reach
from lossgauge.laws.verdict import Verdict


def law(
    verdict: Verdict = Verdict.EXACT, /, states: Mapping[str, int] | None = None, **exponents: int | Fraction
) -> Law:
    return Law(
        "torch.optim:Some",
        verdict,
        {name: Fraction(power) for name, power in exponents.items()},
        {name: Fraction(power) for name, power in (states or {}).items()},
        defaults={"lr": 0.001, "nesterov": False, "steps": 5, "foreach": None, "dampening": 0.0},
        inert=("dampening",),
    )


SGD = law(lr=-1, weight_decay=1, momentum=0)
ADAM = law(Verdict.EXACT, {"exp_avg": 1, "exp_avg_sq": 2}, lr=0, eps=1, weight_decay=1)
ROOT = law(lr=Fraction(-1, 2))


def at(which: Law, alpha: Fraction | int | str, precision: str = "float32", **settings: Any) -> Place:
    return place(which, settings, Fraction(alpha), precision)


def test_equal_groups_are_one_orbit_and_one_run_bit_for_bit_on_powers_of_two():
    here, there = at(SGD, 1, lr=0.1, weight_decay=1e-4), at(SGD, 8, lr=0.1 / 8, weight_decay=8e-4)
    assert here.group == there.group
    assert here.bits == there.bits
    assert not here.doubt + there.doubt


@pytest.mark.parametrize("change", [{"lr": 0.2}, {"weight_decay": 2e-4}, {"momentum": 0.5}, {"nesterov": True}])
def test_any_other_value_is_another_orbit(change: dict[str, Any]):
    base: dict[str, Any] = {"lr": 0.1, "weight_decay": 1e-4, "momentum": 0.9, "nesterov": False}
    assert at(SGD, 1, **base).group != at(SGD, 1, **base | change).group
    assert at(SGD, 1, **base).group != at(SGD, 2, **base).group


def test_other_multipliers_are_equal_to_rounding_only():
    here, there = at(SGD, 1, lr=1e-3), at(SGD, 10, lr=1e-4)
    assert here.group == there.group
    assert here.bits != there.bits


def test_a_hyperparameter_that_is_one_ulp_off_is_equal_to_rounding_only():
    here, there = at(SGD, 1, lr=0.5), at(SGD, 2, lr=0.25 + 2**-54)
    assert here.group == there.group
    assert here.bits != there.bits


def test_an_odd_multiplier_that_divides_exactly_still_rounds_elsewhere():
    here, there = at(SGD, 1, lr=3.0), at(SGD, 3, lr=1.0)
    assert here.group == there.group
    assert here.bits != there.bits


def test_without_units_alpha_does_not_matter():
    assert at(ADAM, 1, lr=0.1, eps=0.0).group == at(ADAM, 64, lr=0.1, eps=0.0).group


def test_zero_and_signs_stay_what_they_are():
    assert at(SGD, 1, lr=0.1, weight_decay=0).bits == at(SGD, 2, lr=0.05, weight_decay=0.0).bits
    assert at(SGD, 1, lr=0.1, weight_decay=0.1).group != at(SGD, 1, lr=0.1, weight_decay=-0.1).group


def test_fractional_exponents_are_compared_exactly():
    here, there = at(ROOT, 1, lr=0.5), at(ROOT, 4, lr=0.25)
    assert here.group == there.group
    assert here.group != at(ROOT, 2, lr=0.25).group


def test_with_fractional_exponents_bits_are_promised_only_for_certified_shifts():
    """Roots inside the optimizer shift exactly only where the power of two has such a root."""
    here = at(ROOT, 1, lr=1.0)
    assert at(ROOT, 2**12, lr=2.0**-6).bits == here.bits
    near = at(ROOT, 4, lr=0.5)
    assert near.group == here.group
    assert near.bits != here.bits


@pytest.mark.parametrize("verdict", [Verdict.BROKEN, Verdict.UNDECIDED, Verdict.CLOSE])
def test_without_an_exact_law_nothing_stands_for_anything(verdict: Verdict):
    clash = Clash("radam.py:350", "", "L", "1")
    lawless = Law("torch.optim:RAdam", verdict, {"lr": Fraction(0)}, clashes=(clash,))
    assert "RAdam" in at(lawless, 1, lr=0.1).obstacle
    assert str(verdict) in at(lawless, 1, lr=0.1).obstacle
    assert at(lawless, 1, lr=0.1).group != at(lawless, 2, lr=0.1).group


def test_a_number_of_unknown_exponent_is_an_obstacle_unless_it_is_a_count_or_at_its_default():
    assert "rho" in at(SGD, 1, lr=0.1, rho=0.3).obstacle
    assert "dampening" in at(SGD, 1, lr=0.1, dampening=0.1).obstacle
    assert not at(SGD, 1, lr=0.1, dampening=0.0, steps=7, foreach=None, nesterov=True).obstacle


def test_the_law_is_doubted_where_a_format_may_end():
    assert at(ADAM, Fraction(2) ** 20, eps=1e-8).doubt == ""
    assert at(ADAM, Fraction(2) ** 21, eps=1e-8).doubt.startswith("α beyond 2^±20")
    assert at(ADAM, Fraction(1, 2**21), eps=1e-8).doubt
    assert at(ADAM, Fraction(2) ** 21, "float64", eps=1e-8).doubt == ""
    assert at(SGD, Fraction(2) ** 40, lr=0.1).doubt == ""
    assert at(ADAM, 1, eps=1e-39).doubt == "eps beyond the range of float32"
    assert at(ADAM, 1, "float64", eps=1e-39).doubt == ""
    for precision in ("bfloat16", "float16"):
        assert at(ADAM, 1, precision, eps=1e-8).doubt == f"autocast to {precision}"


def test_states_of_a_higher_degree_shorten_the_reach():
    assert reach(SGD, "float32") == 2 * reach(ADAM, "float32")
    assert reach(law(), "float32") == reach(SGD, "float32")


def test_the_distance_is_the_same_up_and_down():
    assert at(SGD, 8, lr=1.0).distance == at(SGD, Fraction(1, 8), lr=1.0).distance == 3


def test_flags_that_are_off_are_left_out_of_the_text_but_not_of_the_bits():
    off, unsaid = at(SGD, 1, lr=0.1, nesterov=False, foreach=None), at(SGD, 1, lr=0.1)
    assert off.group == unsaid.group
    assert "nesterov=True" in at(SGD, 1, lr=0.1, nesterov=True).group


def test_a_grid_of_powers_of_two_has_as_many_orbits_as_dimensionless_groups():
    span = range(-2, 3)
    grid = list(itertools.product(span, repeat=4))
    groups = {at(ADAM, Fraction(2) ** a, lr=2.0**b, eps=2.0**c, weight_decay=2.0**d).group for a, b, c, d in grid}
    assert len(groups) == len({(b, c - a, d - a) for a, b, c, d in grid})


@given(
    st.integers(-20, 20),
    st.integers(-20, 20),
    st.floats(1e-6, 1e3),
    st.floats(1e-12, 1.0),
    st.sampled_from([SGD, ADAM]),
)
def test_co_scaling_by_a_power_of_two_never_leaves_the_orbit(one: int, other: int, lr: float, decay: float, which: Law):
    def co_scaled(power: int) -> Place:
        values = {"lr": lr, "weight_decay": decay}
        scaled = {name: value * 2.0 ** (power * float(which.exponents[name])) for name, value in values.items()}
        return at(which, Fraction(2) ** power, **scaled)

    assert co_scaled(one).group == co_scaled(other).group
    assert co_scaled(one).bits == co_scaled(other).bits
