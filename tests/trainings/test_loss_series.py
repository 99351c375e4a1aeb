"""The losses of trainings, in the user's own units, against those the training itself wrote down."""

from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam

from lossgauge.records.injection import Injection
from lossgauge.trainings.recorder import Watch
from lossgauge.trainings.training import Function
from tests.trainings.examples import seeded
from tests.trainings.laws import LAWS


def recorded(train: Any, injection: Injection | None = None) -> list[float]:
    return Function(train, "train").run(injection or Injection(), Watch(losses=True)).losses


def plain(own: list[float], parts: int = 1) -> None:
    model, x, y = seeded()
    optimizer = SGD(model.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        losses = []
        for inputs, targets in zip(x.chunk(parts), y.chunk(parts), strict=True):
            loss = nn.functional.mse_loss(model(inputs), targets)
            (loss / parts).backward()
            losses.append(loss.item() / parts)
        own.append(sum(losses) / parts)
        optimizer.step()


def scaled(own: list[float]) -> None:
    model, x, y = seeded()
    optimizer, scaler = Adam(model.parameters(), lr=1e-2, eps=1e-3), torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for _ in range(5):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        own.append(loss.item())
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()


def closed(own: list[float]) -> None:
    model, x, y = seeded()
    optimizer = LBFGS(model.parameters(), lr=0.5, max_iter=3)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(3):
        own.append(closure().item())
        optimizer.step(closure)  # pyright: ignore[reportArgumentType]  # torch wants a float


def two(own: list[float]) -> None:
    model, x, y = seeded()
    first, second = SGD([model[0].weight], lr=0.1), SGD([model[2].weight], lr=0.1)  # pyright: ignore
    for _ in range(4):
        model.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        own.append(loss.item())
        loss.backward()
        first.step()
        second.step()


@pytest.mark.parametrize("train", [plain, lambda own: plain(own, 4), scaled, closed, two])
def test_losses_are_those_the_training_sees(train: Any):
    own: list[float] = []
    assert recorded(lambda: train(own)) == pytest.approx(own, rel=1e-12)


def test_a_multiplier_leaves_the_losses_in_the_users_units():
    own: list[float] = []
    twin = Injection(Fraction(2) ** 9, (LAWS["Adam"],))
    assert recorded(lambda: scaled(own), twin) == pytest.approx(own, rel=1e-12)
    assert own == pytest.approx(recorded(lambda: scaled([])), rel=1e-12), "everything is co-scaled"
    alone = Injection(Fraction(2) ** 9, co_scaled=frozenset())
    own.clear()
    assert recorded(lambda: scaled(own), alone) == pytest.approx(own, rel=1e-12)


def test_a_backward_that_starts_elsewhere_has_no_loss():
    def train():
        model, x, _ = seeded()
        optimizer = SGD(model.parameters(), lr=0.1)
        out = model(x)
        out.backward(torch.ones_like(out))
        optimizer.step()

    assert recorded(train) == []


def test_losses_are_written_down_only_where_they_are_asked_for():
    assert Function(lambda: plain([]), "train").run(Injection()).losses == []
