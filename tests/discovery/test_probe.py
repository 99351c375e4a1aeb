"""Slopes to exponents, and the traps: no law, collinear columns, thresholds, rounding inside."""

from fractions import Fraction

import pytest

from lossgauge.discovery.probe import LAWFUL, LAWLESS, probe
from lossgauge.discovery.values import choose_values
from lossgauge.frameworks.registry import subject_named


def estimate(target: str, **settings: float):
    subject = subject_named(target)
    choice = choose_values(subject, settings)
    return probe(subject, choice.settings, choice.smooth)


@pytest.mark.parametrize(
    ("target", "carriers"),
    [
        ("sgd", {"lr": -1, "weight_decay": 1}),
        ("adam", {"eps": 1, "weight_decay": 1}),
        ("adadelta", {"lr": -1, "eps": 2, "weight_decay": 1}),
        ("asgd", {"lr": -1, "lambd": 1, "weight_decay": 1}),
        ("adagrad", {"eps": 1, "weight_decay": 1, "initial_accumulator_value": 2}),
        ("tests.zoo.fractional:EighthRoot", {"lr": Fraction(-3, 4)}),
        ("tests.zoo.fractional:OverVariance", {"lr": 1, "eps": 2}),
    ],
)
def test_exponents_are_found_from_outside(target: str, carriers: dict[str, Fraction]) -> None:
    found = estimate(target)
    assert found.residual is not None
    assert found.residual <= LAWFUL
    assert {n: k for n, k in found.exponents.items() if k} == carriers


@pytest.mark.parametrize("target", ["radam", "tests.zoo.broken:HiddenStart", "tests.zoo.conflicting:WarmupThenAdam"])
def test_no_law_leaves_a_residual(target: str) -> None:
    found = estimate(target)
    assert found.residual is not None
    assert found.residual >= LAWLESS
    assert found.lawful is False
    assert not found.exponents


def test_rounding_inside_is_said_and_not_fitted() -> None:
    found = estimate("muon")
    assert found.residual is None
    assert "smooth" in found.note


def test_a_number_without_slope_is_inert_and_has_no_exponent() -> None:
    subject = subject_named("adam")
    settings = {"lr": 0.05, "eps": 0.1, "weight_decay": 0.0}
    found = probe(subject, settings, ["lr", "eps", "weight_decay"])
    assert "weight_decay" in found.inert
    assert "weight_decay" not in found.exponents
