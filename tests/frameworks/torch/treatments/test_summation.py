"""Gradients that are rounded in another way, and are otherwise the same."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam
from torch.utils.checkpoint import checkpoint

from lossgauge.frameworks.torch.treatments.scaler import Summation
from lossgauge.frameworks.torch.treatments.treat import treat
from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import closed, copies, loop, same, scaled, seeded, treated

ANEW = Treatment("summation")


def gradients(dtype: torch.dtype, accumulated: int = 1) -> list[torch.Tensor]:
    model, x, y = seeded(dtype=dtype)
    for _ in range(accumulated):
        nn.functional.mse_loss(model(x), y).backward()
    return [tensor.grad for tensor in model.parameters() if tensor.grad is not None]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("accumulated", [1, 3])
def test_gradients_change_by_rounding_and_no_more(dtype: torch.dtype, accumulated: int):
    own = gradients(dtype, accumulated)
    with treat([ANEW]):
        anew = gradients(dtype, accumulated)
    assert not same(own, anew)
    spacing = torch.finfo(dtype).eps
    for before, after in zip(own, anew, strict=True):
        assert torch.allclose(before, after, rtol=64 * spacing, atol=16 * spacing * float(before.abs().max()))


def test_in_a_format_fine_enough_nothing_changes():
    """In float64 the treated training is the untreated one; a factor that stayed would be seen at once."""
    for train in (
        lambda: loop(lambda p: SGD(p, lr=0.1, momentum=0.9), dtype=torch.float64),
        lambda: loop(lambda p: Adam(p, lr=1e-2), dtype=torch.float64),
    ):
        one, other = treated(train), treated(train, ANEW)
        assert not same(one, other)
        assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "train",
    [
        lambda: closed(lambda p: LBFGS(p, lr=0.5, max_iter=4)),
        lambda: scaled(lambda p: SGD(p, lr=0.1)),
        lambda: checkpointed(True),
        lambda: checkpointed(False),
    ],
)
def test_closures_scalers_and_checkpoints_are_no_obstacle(train: Any):
    one, other = treated(train), treated(train, ANEW)
    assert not same(one, other)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(one, other, strict=True))


def checkpointed(reentrant: bool) -> list[torch.Tensor]:
    model, x, y = seeded()
    x.requires_grad_()
    optimizer = SGD(model.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        out: Any = checkpoint(model, x, use_reentrant=reentrant)
        nn.functional.mse_loss(out, y).backward()
        optimizer.step()
    return copies(model.parameters())


def test_a_power_of_two_would_change_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Summation, "ELSEWHERE", 2.0)
    assert same(treated(lambda: loop(lambda p: SGD(p, lr=0.1))), treated(lambda: loop(lambda p: SGD(p, lr=0.1)), ANEW))


def test_no_step_is_left_out():
    """Unlike a scaler it does nothing about gradients that are not finite."""

    def train() -> list[torch.Tensor]:
        tensor = torch.ones(2, requires_grad=True)
        optimizer = SGD([tensor], lr=0.1)
        (tensor.sum() * float("inf")).backward()
        optimizer.step()
        return [tensor]

    assert not torch.isfinite(treated(train, ANEW)[0]).any()
    assert torch.isfinite(treated(train, Treatment("scaler", factor=2.0))[0]).all()
