"""Readings: the loss in the user's own units, what it reaches, and custom functions."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossgauge.frameworks.torch.gauging.custom_functions import ANSWERS
from lossgauge.frameworks.torch.gauging.reading import read_loss
from tests.frameworks.torch.gauging.ways_of_writing import Bench


def two_terms(b: Bench) -> Tensor:
    return 0.5 * (F.mse_loss(b.out, b.y) + 0.1 * F.cross_entropy(b.out, b.labels))


def test_values_and_factors_add_up_to_the_loss():
    b = Bench()
    loss = two_terms(b)
    reading = read_loss(loss, step=7, backward=3)
    assert (reading.step, reading.backward, reading.factor, reading.scale) == (7, 3, 0.5, 1.0)
    assert [term.factor for term in reading.terms] == [0.5, 0.05]
    values = [0.5 * F.mse_loss(b.out, b.y), 0.05 * F.cross_entropy(b.out, b.labels)]
    assert [term.value for term in reading.terms] == pytest.approx([value.item() for value in values], rel=1e-6)
    assert reading.value == pytest.approx(loss.item())


def test_what_cannot_be_computed_is_what_the_others_leave():
    b = Bench()
    mean, log_variance = b.latent
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
    known = read_loss(F.mse_loss(b.out, b.y) + divergence, step=1)
    assert known.terms[1].value == pytest.approx(divergence.item(), rel=1e-5)
    unknown = read_loss(F.mse_loss(b.out, b.y) + divergence + 3.0, step=1)
    assert unknown.terms[1].value is None


def test_the_scale_of_mixed_precision_is_divided_out():
    b = Bench()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)
    scale = scaler.get_scale()
    plain = two_terms(b)
    reading = read_loss(scaler.scale(plain), step=1, scale=scale)
    assert (reading.factor, reading.scale) == (0.5, scale)
    assert reading.value == pytest.approx(plain.item())
    assert [term.factor for term in reading.terms] == [0.5, 0.05]
    assert [term.value for term in reading.terms] == [term.value for term in read_loss(plain, step=1).terms]
    unscaled = read_loss(plain, step=1, scale=scale)  # another backward of the same step, past the scaler
    assert (unscaled.scale, unscaled.value) == (1.0, pytest.approx(plain.item()))
    half = read_loss(scaler.scale(b.out.bfloat16().float().square().mean() / 4), step=1, scale=scale)
    assert (half.factor, half.formats) == (0.25, {"float32": 10, "bfloat16": 1})


def test_formats_strangers_and_what_is_reached():
    b = Bench()
    weights = list(b.model.parameters())
    held = {id(weights[0]): 0, id(weights[1]): -1}
    time = torch.zeros(8, 1, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = b.model(b.x + time)
    reading = read_loss(F.mse_loss(output.float(), b.y), step=1, held=held, names={id(weights[3]): "2.bias"})
    assert reading.formats == {"float32": 3, "bfloat16": 10}
    assert reading.reached == 2
    assert reading.strangers == {"2.bias": 3, "parameter 3×5": 15}  # coordinates of an equation are no weights
    raw = torch.ones(8, 1, requires_grad=True)
    beside = read_loss((b.x + time + raw).sum(), step=1, held={id(raw): 0}).strangers
    assert beside == {"tensor 8×1": 8}  # but where plain tensors are trained, each counts
    assert read_loss(two_terms(b), step=1).strangers == {}
    twins = nn.ParameterList([torch.randn(2), torch.randn(2)])
    found = read_loss((twins[0] + twins[1]).sum() + b.out.mean(), step=1, held=held).strangers
    assert {"parameter 2", "parameter 2 #2"} <= set(found)


def test_roots_of_every_shape_are_read():
    b = Bench()
    assert read_loss(b.out.sum().requires_grad_(), step=1).value is not None
    vector = read_loss(b.d.pow(2).mean(1), step=1)
    assert (vector.value, vector.terms[0].value, vector.terms[0].kind) == (None, None, "regression")
    leaf = read_loss(torch.tensor(3.0, requires_grad=True), step=1)
    assert (leaf.value, leaf.terms[0].value) == (3.0, 3.0)
    assert read_loss(torch.tensor(3.0), step=1).skipped
    found: list[str] = []

    def squares(x: Tensor) -> Tensor:
        loss = (x**2).sum()
        found.append(read_loss(loss, step=1).skipped)
        return loss

    assert torch.func.grad(squares)(torch.ones(2)).tolist() == [2.0, 2.0]
    assert all(found)


class Ignoring(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(output, target)
        return ((output - target) ** 2).mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        output, target = ctx.saved_tensors
        return 2 * (output - target) / output.numel(), None


class Passing(Ignoring):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        output, target = ctx.saved_tensors
        return gradients[0] * 2 * (output - target) / output.numel(), None


class Overwriting(torch.autograd.Function):
    """As fused losses do it: the gradient is made in the forward pass, and multiplied in place, once."""

    @staticmethod
    def forward(ctx: Any, output: Tensor) -> Tensor:
        ctx.gradient = [torch.ones_like(output)]
        ctx.save_for_backward(torch.rand_like(output))
        return output.sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        ctx.saved_tensors[0].mul_(0)
        ctx.gradient[0].mul_(gradients[0])
        return ctx.__dict__.pop("gradient")[0] * torch.bernoulli(torch.tensor(1.0))


class Failing(Passing):
    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise RuntimeError("not today")


def test_functions_that_ignore_their_gradient_are_found():
    b = Bench()
    ANSWERS.clear()
    loss = Ignoring.apply(b.out, b.y) + Passing.apply(b.out, b.y) + Failing.apply(b.out, b.y)
    not_asked = read_loss(loss, step=1)
    assert not_asked.custom == dict.fromkeys(("Ignoring", "Passing", "Failing"))
    reading = read_loss(loss, step=1, deep=True)
    assert reading.custom == {"Ignoring": True, "Passing": False, "Failing": None}
    assert reading.skipped.startswith("custom function ")
    assert [term.kind for term in reading.terms] == ["custom"] * 3
    assert [term.items for term in reading.terms] == [None] * 3


def test_asking_a_function_leaves_nothing_behind():
    b = Bench()
    ANSWERS.clear()
    weight = b.last.weight

    def gradient(read: bool) -> tuple[Tensor, Tensor]:
        torch.manual_seed(3)
        loss = 5 * Overwriting.apply(b.out)
        if read:
            for _ in range(3):
                assert read_loss(loss, step=1, deep=True).custom == {"Overwriting": False}
        (found,) = torch.autograd.grad(loss, weight)
        return found, torch.rand(1)

    untouched = gradient(read=False)
    assert all(map(torch.equal, untouched, gradient(read=True)))


class Flat(Ignoring):
    """Nothing to be seen as long as all is zero."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(output, target)
        return (output * target).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return ctx.saved_tensors[1], None


def test_a_function_that_gives_nothing_but_zeros_is_asked_again():
    b = Bench()
    ANSWERS.clear()
    found = [read_loss(Flat.apply(b.out, y), step=1, deep=True).custom["Flat"] for y in (0 * b.y, b.y, 0 * b.y)]
    assert found == [None, True, True]
