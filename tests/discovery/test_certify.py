"""Certificates: equal bits are equal bits, and every planted violation is caught."""

from fractions import Fraction

import numpy as np
import pytest

from lossgauge.discovery.certify import certify
from lossgauge.discovery.differences import ulps_between
from lossgauge.frameworks.registry import subject_named

RIGHT = {
    "lr": Fraction(0),
    "eps": Fraction(1),
    "weight_decay": Fraction(1),
    "betas[0]": Fraction(0),
    "betas[1]": Fraction(0),
}
VALUES = {"lr": 0.05, "eps": 0.1, "weight_decay": 0.1, "betas[0]": 0.8, "betas[1]": 0.9}


def test_the_right_exponents_of_adam_are_certified() -> None:
    found = certify(subject_named("adam"), VALUES, RIGHT)
    assert found.bitwise
    assert set(found.caught) == set(RIGHT)
    assert not found.inert
    assert found.states["exp_avg"] == 1
    assert found.states["exp_avg_sq"] == 2


@pytest.mark.parametrize("name", ["lr", "eps", "weight_decay"])
@pytest.mark.parametrize("off", [Fraction(1), Fraction(-1), Fraction(1, 2)])
def test_a_planted_exponent_is_caught_in_the_first_steps(name: str, off: Fraction) -> None:
    found = certify(subject_named("adam"), VALUES, {**RIGHT, name: RIGHT[name] + off}, full=False)
    assert not found.bitwise
    assert found.first_difference is not None
    assert found.first_difference.step <= 2


def test_without_influence_is_said_not_certified() -> None:
    found = certify(subject_named("adam"), {**VALUES, "weight_decay": 0.0}, RIGHT)
    assert found.bitwise
    assert found.inert == ("weight_decay",)


def test_a_hidden_constant_shows_at_gradients_of_its_size() -> None:
    subject = subject_named("clip_grad_norm_")
    exponents = {"lr": Fraction(-1), "max_norm": Fraction(1)}
    found = certify(subject, {"lr": 1e5, "max_norm": 2e-6}, exponents, gradient_factor=1e-6, full=False)
    assert not found.bitwise
    assert found.first_difference is not None
    assert found.first_difference.relative > 1e-3


def test_ulps_are_counted_across_zero_and_powers_of_two() -> None:
    one = np.array([1.0, -1.0, 0.0])
    assert ulps_between(one, one) == 0
    assert ulps_between(one, np.nextafter(one, 2.0)) == 1
    assert ulps_between(np.array([-5e-324]), np.array([5e-324])) == 2
    assert ulps_between(np.array([1.0], dtype=np.float32), np.array([2.0], dtype=np.float32)) == 2**23
    assert ulps_between(one, np.array([np.nan, 0.0, 0.0])) == "nan"
