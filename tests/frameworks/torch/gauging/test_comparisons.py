"""What a loss function compares: the entropy of guessing by the frequencies of the classes."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from lossgauge.frameworks.torch.gauging.reading import read_loss


def guess_of(loss: torch.Tensor) -> float | None:
    return read_loss(loss, step=1).terms[0].guess


def scores(rows: int, columns: int) -> torch.Tensor:
    return torch.zeros(rows, columns, requires_grad=True) * 1.0


def test_a_cross_entropy_is_held_against_the_entropy_of_its_classes():
    labels = torch.tensor([0] * 30 + [1] * 10)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert guess_of(functional.cross_entropy(scores(40, 5), labels)) == pytest.approx(entropy + 1 / 80)


def test_targets_that_do_not_count_do_not_count():
    labels = torch.tensor([0] * 20 + [1] * 20 + [-100] * 60)
    assert guess_of(functional.cross_entropy(scores(100, 5), labels)) == pytest.approx(math.log(2) + 1 / 80)


def test_the_estimate_is_right_on_average_however_small_the_batch():
    generator = torch.Generator().manual_seed(0)
    draw: Any = lambda: torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 60, True, generator=generator)  # noqa: E731
    guesses = [guess_of(functional.cross_entropy(scores(60, 3), draw())) or 0.0 for _ in range(300)]
    truth = -sum(p * math.log(p) for p in (0.5, 0.3, 0.2))
    assert sum(guesses) / 300 == pytest.approx(truth, rel=5e-3)


def test_every_column_of_binary_targets_has_a_frequency_of_its_own():
    labels = torch.tensor([[1.0, 0.0], [1.0, 1.0]] * 50)  # the first is always one, the second every other time
    guess = guess_of(functional.binary_cross_entropy_with_logits(scores(100, 2), labels))
    assert guess == pytest.approx((math.log(2) + 1 / 200) / 2)


def test_where_it_would_say_little_it_says_nothing():
    few = torch.arange(40) % 8  # five of each class
    assert guess_of(functional.cross_entropy(scores(40, 8), few)) is None
    weighted = functional.cross_entropy(scores(40, 2), torch.arange(40) % 2, weight=torch.tensor([1.0, 2.0]))
    assert guess_of(weighted) is None
    assert guess_of(functional.mse_loss(scores(40, 2), torch.ones(40, 2))) is None
