"""Clipping: as if the user had written the other threshold, the other function, or the missing call."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import LBFGS, SGD, Adam

from lossgauge.frameworks.torch.injection.bits import tensors_of
from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import STEPS, closed, copies, loop, same, scaled, seeded, treated


def sgd(parameters: Any) -> SGD:
    return SGD(parameters, lr=0.1, momentum=0.5)


def clipped(clip: Any, bound: float = 0.25) -> Any:
    return lambda optimizer: clip(tensors_of(optimizer), bound)


@pytest.mark.parametrize(("clip", "name"), [(clip_grad_norm_, "max_norm"), (clip_grad_value_, "clip_value")])
def test_a_treated_threshold_is_the_threshold_of_the_call(clip: Any, name: str):
    def train(bound: float = 0.25):
        return loop(sgd, before_step=clipped(clip, bound))

    assert same(treated(train, Treatment("threshold", factor=0.125)), train(0.03125))
    assert same(treated(train, Treatment("threshold", name, value=0.125)), train(0.125))
    assert same(treated(train, Treatment("threshold", "another", factor=0.125)), train())
    assert not same(train(), train(0.03125))


@pytest.mark.parametrize("clip", [clip_grad_norm_, clip_grad_value_])
@pytest.mark.parametrize("bound", [0.01, 0.0])
def test_an_infinite_factor_never_clips(clip: Any, bound: float):
    found = treated(lambda: loop(sgd, before_step=clipped(clip, bound)), Treatment("threshold", factor=float("inf")))
    assert same(found, loop(sgd))
    assert not same(found, loop(sgd, before_step=clipped(clip, bound)))


def exactly(optimizer: Any, bound: float) -> None:
    gradients = [tensor.grad for tensor in tensors_of(optimizer) if tensor.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
    for gradient in gradients:
        gradient.mul_(torch.clamp(bound / norm, max=1.0))


@pytest.mark.parametrize("bound", [1e-7, 1.0])
def test_exact_clipping_adds_nothing_to_the_norm(bound: float):
    def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return 1e-7 * nn.functional.mse_loss(out, y)

    def fast(parameters: Any):
        return SGD(parameters, lr=1e6)

    def train():
        return loop(fast, loss, clipped(clip_grad_norm_, bound))

    found = treated(train, Treatment("exact-clip"))
    assert same(found, loop(fast, loss, lambda optimizer: exactly(optimizer, bound)))
    assert not same(found, train()) or bound == 1.0


def test_exact_clipping_returns_the_norm_and_leaves_value_clipping_alone():
    tensor = torch.zeros(2, requires_grad=True)

    def train():
        tensor.grad = torch.tensor([3.0, 4.0])
        assert clip_grad_norm_([tensor], 1.0) == 5.0
        assert torch.equal(tensor.grad, torch.tensor([3.0, 4.0]) * torch.tensor(0.2))
        clip_grad_value_([tensor], 0.5)
        return [tensor.grad]

    assert treated(train, Treatment("exact-clip"))[0].max() == 0.5


@pytest.mark.parametrize("clip", [clip_grad_norm_, clip_grad_value_])
@pytest.mark.parametrize("scale", [2.0**10, 2.0**16])
def test_a_threshold_in_the_units_of_scaled_gradients(clip: Any, scale: float):
    def train(by_hand: bool = False):
        return scaled(
            sgd, scale, lambda model, scaler: clip(model.parameters(), 0.05 * (scaler.get_scale() if by_hand else 1.0))
        )

    assert same(treated(train, Treatment("unscaled-clip")), train(True))
    assert not same(train(), train(True))


def test_unscaled_gradients_keep_their_threshold():
    def train():
        return scaled(sgd, after_unscale=lambda model: clip_grad_norm_(model.parameters(), 0.05))

    def without_scaler():
        return loop(sgd, before_step=clipped(clip_grad_norm_, 0.05))

    assert same(treated(train, Treatment("unscaled-clip")), train())
    assert same(treated(without_scaler, Treatment("unscaled-clip")), without_scaler())


def test_of_two_optimizers_only_the_unscaled_one_keeps_its_threshold():
    def train(factor: float = 1.0):
        (first, x, y), (second, _, _) = seeded(), seeded(1)
        optimizers = sgd(first.parameters()), sgd(second.parameters())
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=5)
        for _ in range(STEPS):
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = nn.functional.mse_loss(first(x), y) + nn.functional.mse_loss(second(x), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer=optimizers[0])
            clip_grad_norm_(first.parameters(), 0.05)
            clip_grad_norm_(second.parameters(), 0.05 * (scaler.get_scale() if factor else 1.0))
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()
        return [*copies(first.parameters()), *copies(second.parameters())]

    assert same(treated(lambda: train(0.0), Treatment("unscaled-clip")), train(1.0))
    assert not same(train(0.0), train(1.0))


ADDED = Treatment("added-clip", value=0.05)


@pytest.mark.parametrize("optimizer_of", [sgd, lambda p: Adam(p, lr=1e-2, eps=1e-2, fused=True)])
def test_added_clipping_is_a_call_before_the_step(optimizer_of: Any):
    by_hand = loop(optimizer_of, before_step=clipped(clip_grad_norm_, 0.05))
    assert same(treated(lambda: loop(optimizer_of), ADDED), by_hand)
    assert not same(loop(optimizer_of), by_hand)


@pytest.mark.parametrize("fused", [False, True])
def test_added_clipping_comes_after_unscaling(fused: bool):
    def optimizer_of(parameters: Any):
        return Adam(parameters, lr=1e-2, eps=1e-2, fused=fused)

    by_hand = scaled(optimizer_of, after_unscale=lambda model: clip_grad_norm_(model.parameters(), 0.05))
    found = treated(lambda: scaled(optimizer_of), ADDED)
    if fused:  # the optimizer unscales in its kernel: the constant in the norm is a millionth of a scaled one
        assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(found, by_hand, strict=True))
        assert not all(torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(scaled(sgd), by_hand, strict=True))
    else:
        assert same(found, by_hand)


def test_added_clipping_in_every_evaluation_of_a_closure():
    def optimizer_of(parameters: Any):
        return LBFGS(parameters, lr=0.5, max_iter=4)

    by_hand = closed(optimizer_of, after_backward=clipped(clip_grad_norm_, 0.05))
    assert same(treated(lambda: closed(optimizer_of), ADDED), by_hand)
    assert not same(closed(optimizer_of), by_hand)


def test_added_clipping_for_one_optimizer_only():
    def train(clip: bool = False):
        after = clipped(clip_grad_norm_, 0.05) if clip else lambda optimizer: None
        return [*loop(sgd), *loop(sgd, before_step=after)]

    assert same(treated(train, Treatment("added-clip", optimizer=1, value=0.05)), train(True))
