"""Statements 1 to 3, and the violations that must turn them."""

import torch

from lossgauge.demonstration.gradients import judge_derivative, judge_learning_rate, judge_unchanged
from lossgauge.frameworks.torch.demonstrations.factor import (
    measure_derivative,
    measure_learning_rate,
    measure_unchanged,
)


def test_a_factor_changes_sgd():
    statement = judge_unchanged(measure_unchanged())
    assert statement.holds is False
    assert statement.verdict == "false for SGD"
    assert "diverged at α=1000" in statement.measured
    assert statement.evidence["rprop_identical"] is True


def test_a_factor_does_not_change_an_optimizer_of_signs():
    statement = judge_unchanged(measure_unchanged(lambda weights: torch.optim.Rprop(weights)))
    assert statement.holds is True
    assert statement.verdict == "true here"


def test_the_derivative_of_the_scaled_quadratic_loss():
    statement = judge_derivative(measure_derivative())
    assert statement.holds is True
    assert statement.verdict == "true, bit for bit"
    assert 0 < statement.evidence["rounding"] < 1e-5


def test_another_loss_has_another_derivative():
    statement = judge_derivative(measure_derivative(lambda a, y: ((a - y) ** 4).sum()))
    assert statement.holds is False
    assert "at no α" in statement.measured


def test_a_factor_is_a_learning_rate_under_sgd():
    statement = judge_learning_rate(measure_learning_rate())
    assert statement.holds is True
    assert set(statement.evidence["bits"]) == {"plain", "momentum", "nesterov"}
    distances = [distance for _, distance in statement.evidence["growth"]]
    assert 0 < distances[0] < 1e-5, "1e5 is no power of two, so rounding must show at once"
    assert max(distances) > 10 * distances[0], "near the edge of stability rounding grows"


def test_a_wrong_exponent_of_the_learning_rate_is_caught():
    statement = judge_learning_rate(measure_learning_rate(exponent=0))
    assert statement.holds is False
    assert "other bits from step 1 on (plain, momentum, nesterov)" in statement.measured
