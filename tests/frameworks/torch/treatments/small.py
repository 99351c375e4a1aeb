"""Small trainings that a treatment is laid over, and that are written by hand as the treatment would have them."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from lossgauge.frameworks.torch.gauging.terms import split_terms
from lossgauge.frameworks.torch.treatments.treat import treat
from lossgauge.records.treatment import Treatment

STEPS = 20
torch.set_num_threads(1)

Weights = list[torch.Tensor]


def treated(train: Callable[[], Iterable[torch.Tensor]], *treatments: Treatment) -> Weights:
    """The weights a training ends with under treatments."""
    with treat(treatments, split_terms=split_terms):
        return copies(train())


def copies(tensors: Iterable[torch.Tensor]) -> Weights:
    return [tensor.detach().clone() for tensor in tensors]


def same(first: Iterable[torch.Tensor], second: Iterable[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def seeded(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    return model.to(dtype), x.to(dtype), y.to(dtype)


def loop(
    optimizer_of: Callable[..., Any],
    loss_of: Callable[..., torch.Tensor] = nn.functional.mse_loss,
    before_step: Callable[[Any], Any] = lambda optimizer: None,
    dtype: torch.dtype = torch.float32,
    zero: bool = True,
) -> Weights:
    """A plain loop; `before_step` is whatever the user does between backward and step."""
    model, x, y = seeded(dtype=dtype)
    optimizer = optimizer_of(model.parameters())
    for _ in range(STEPS):
        if zero:
            optimizer.zero_grad()
        loss_of(model(x), y).backward()
        before_step(optimizer)
        optimizer.step()
    return copies(model.parameters())


def closed(
    optimizer_of: Callable[..., Any],
    multiplier: float = 1.0,
    after_backward: Callable[[Any], Any] = lambda optimizer: None,
    steps: int = 4,
    zero: bool = True,
) -> Weights:
    """A loop whose optimizer evaluates the loss itself."""
    model, x, y = seeded()
    optimizer = optimizer_of(model.parameters())

    def closure():
        if zero:
            optimizer.zero_grad()
        loss = multiplier * nn.functional.mse_loss(model(x), y)
        loss.backward()
        after_backward(optimizer)
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return copies(model.parameters())


def scaled(
    optimizer_of: Callable[..., Any],
    scale: float = 2.0**10,
    before_unscale: Callable[..., Any] = lambda model, scaler: None,
    after_unscale: Callable[..., Any] | None = None,
    multiplier: float = 1.0,
) -> Weights:
    """A loop with mixed precision's scaler, in float32 so that nothing is lost."""
    model, x, y = seeded()
    optimizer = optimizer_of(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=7)
    for _ in range(STEPS):
        optimizer.zero_grad()
        scaler.scale(multiplier * nn.functional.mse_loss(model(x), y)).backward()
        before_unscale(model, scaler)
        if after_unscale is not None:
            scaler.unscale_(optimizer)
            after_unscale(model)
        scaler.step(optimizer)
        scaler.update()
    return copies(model.parameters())
