"""Gradients nobody set to zero, and gradients a custom function ignored."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam
from torch.utils.checkpoint import checkpoint

from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import STEPS, closed, copies, loop, same, seeded, treated

ZERO = Treatment("zero-grad")


@pytest.mark.parametrize(
    "optimizer_of", [lambda p: SGD(p, lr=0.1), lambda p: Adam(p, lr=1e-2), lambda p: Adam(p, lr=1e-2, fused=True)]
)
def test_zeroing_is_a_call_of_zero_grad(optimizer_of: Any):
    by_hand = loop(optimizer_of)
    assert same(treated(lambda: loop(optimizer_of, zero=False), ZERO), by_hand)
    assert not same(loop(optimizer_of, zero=False), by_hand)


def test_gradients_still_accumulate_within_a_step():
    def train(zero: bool = False):
        model, x, y = seeded()
        optimizer = SGD(model.parameters(), lr=0.1)
        for _ in range(STEPS):
            if zero:
                optimizer.zero_grad()
            for inputs, targets in zip(x.chunk(4), y.chunk(4), strict=True):
                (nn.functional.mse_loss(model(inputs), targets) / 4).backward()
            optimizer.step()
        return copies(model.parameters())

    assert same(treated(train, ZERO), train(True))
    assert not same(train(), train(True))


def test_zeroing_in_every_evaluation_of_a_closure():
    def optimizer_of(parameters: Any):
        return LBFGS(parameters, lr=0.5, max_iter=4)

    by_hand = closed(optimizer_of)
    assert same(treated(lambda: closed(optimizer_of, zero=False), ZERO), by_hand)
    assert not same(closed(optimizer_of, zero=False), by_hand)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_the_scaler_left_out_is_over_too(fused: bool):
    def train(zero: bool = False):
        model, x, y = seeded()
        optimizer = Adam(model.parameters(), lr=1e-2, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=10**6)
        for number in range(STEPS):
            if zero:
                optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            scaler.scale(loss * torch.inf if number == 2 else loss).backward()
            scaler.step(optimizer)
            scaler.update()
        return copies(model.parameters())

    by_hand = train(True)
    assert same(treated(train, ZERO), by_hand)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in by_hand)
    assert not same(train(), by_hand)


def test_only_the_optimizer_that_is_meant_is_zeroed():
    def train(first: bool = False, second: bool = False):
        (a, x, y), (b, _, _) = seeded(), seeded(1)
        optimizers = SGD(a.parameters(), lr=0.1), SGD(b.parameters(), lr=0.1)
        for _ in range(STEPS):
            for optimizer, zero in zip(optimizers, (first, second), strict=True):
                if zero:
                    optimizer.zero_grad()
            (nn.functional.mse_loss(a(x), y) + nn.functional.mse_loss(b(x), y)).backward()
            for optimizer in optimizers:
                optimizer.step()
        return [*copies(a.parameters()), *copies(b.parameters())]

    assert same(treated(train, Treatment("zero-grad", optimizer=1)), train(second=True))
    assert same(treated(train, ZERO), train(True, True))


class Squares(torch.autograd.Function):
    """The sum of squares; its gradient is written by hand, and may ignore what it is handed."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, keeps: bool) -> torch.Tensor:
        ctx.save_for_backward(values)
        ctx.keeps = keeps
        return (values**2).sum()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        (values,) = ctx.saved_tensors
        return 2 * values * grad_outputs[0] if ctx.keeps else 2 * values, None


def regularized(keeps: bool = False, through: Any = lambda loss: loss):
    def loss_of(out: Any, y: torch.Tensor) -> torch.Tensor:
        squares: Any = Squares.apply(out, keeps)
        return nn.functional.mse_loss(out, y) + through(1e-3 * squares)

    return loop(lambda p: SGD(p, lr=0.1), loss_of)


def test_the_ignored_gradient_is_multiplied_in():
    kept = Treatment("grad-output", "SquaresBackward")
    assert same(treated(regularized, kept), regularized(True))
    assert not same(regularized(), regularized(True))
    assert same(treated(regularized, Treatment("grad-output", "OtherBackward")), regularized())


def test_the_ignored_gradient_inside_a_reentrant_checkpoint():
    def train(keeps: bool = False):
        torch.manual_seed(0)
        weights = nn.Parameter(torch.randn(5))
        loss: Any = checkpoint(lambda values: 0.25 * Squares.apply(values * 3, keeps), weights, use_reentrant=True)
        loss.backward()
        return [weights.grad.clone()] if weights.grad is not None else []

    assert same(treated(train, Treatment("grad-output", "SquaresBackward")), train(True))


class Rows(torch.autograd.Function):
    """Twice its argument, with a gradient that ignores what it is handed, but that is no single number."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return 2 * values

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        return torch.full_like(grad_outputs[0], 2.0)


def test_an_ignored_gradient_of_many_numbers_is_left_alone():
    def train():
        rows: Any = loop(lambda p: SGD(p, lr=0.01), lambda out, y: Rows.apply(out - y).mean())  # pyright: ignore
        return rows

    assert same(treated(train, Treatment("grad-output", "RowsBackward")), train())
