"""A scaler that the user did not have: as if it were theirs."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam
from torch.utils.checkpoint import checkpoint

from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import STEPS, closed, copies, loop, same, scaled, seeded, treated

SCALER = Treatment("scaler", factor=2.0**14)
TINY = 1e-6


def adam(parameters: Any) -> Adam:
    return Adam(parameters, lr=5e-3, eps=1e-14)


def fused(parameters: Any) -> Adam:
    return Adam(parameters, lr=5e-3, eps=1e-14, fused=True)


def half(
    scale: float | None = None,
    optimizer_of: Any = adam,
    pieces: int = 1,
    clip: float | None = None,
    checkpointed: bool = False,
    tiny: float = TINY,
):
    """Autocast to float16 with a loss so small that its gradients are flushed; by hand with a scaler of torch's."""
    model, x, y = seeded()
    optimizer = optimizer_of(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, growth_interval=10**6, enabled=scale is not None)
    for _ in range(STEPS):
        optimizer.zero_grad()
        for inputs, targets in zip(x.chunk(pieces), y.chunk(pieces), strict=True):
            with torch.autocast("cpu", dtype=torch.float16):
                inputs = inputs.clone().requires_grad_(checkpointed)
                out: Any = checkpoint(model, inputs, use_reentrant=True) if checkpointed else model(inputs)
            scaler.scale(tiny * nn.functional.mse_loss(out.float(), targets)).backward()
        if clip is not None:
            scaler.unscale_(optimizer)
            clip_grad_norm_(model.parameters(), clip)
        scaler.step(optimizer)
        scaler.update()
    return copies(model.parameters())


CASES: list[dict[str, Any]] = [
    dict(),
    dict(pieces=4),
    dict(clip=1e-7),
    dict(pieces=2, clip=1e-7),
    dict(optimizer_of=fused),
    dict(checkpointed=True),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case) or "plain")
def test_the_scaler_is_the_one_of_torch(case: dict[str, Any]):
    by_hand = half(2.0**14, **case)
    assert same(treated(lambda: half(**case), SCALER), by_hand)
    assert not same(half(**case), by_hand)


def test_a_factor_that_is_too_large_is_halved_and_the_step_left_out():
    def train(scale: float | None = None):
        return half(scale, tiny=1.0)

    by_hand = train(2.0**19)
    assert same(treated(train, Treatment("scaler", factor=2.0**19)), by_hand)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in by_hand)
    assert not same(train(2.0**14), by_hand)  # steps were left out


def test_two_optimizers_halve_it_once():
    def train(scale: float | None = None):
        (first, x, y), (second, _, _) = seeded(), seeded(1)
        optimizers = adam(first.parameters()), adam(second.parameters())
        scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, growth_interval=10**6, enabled=scale is not None)
        for _ in range(STEPS):
            for optimizer in optimizers:
                optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.float16):
                outs = first(x), second(x)
            scaler.scale(sum(nn.functional.mse_loss(out.float(), y) for out in outs)).backward()  # pyright: ignore
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()
        return [*copies(first.parameters()), *copies(second.parameters())]

    assert same(treated(train, Treatment("scaler", factor=2.0**19)), train(2.0**19))


def test_where_nothing_is_lost_nothing_changes():
    def sgd(parameters: Any):
        return SGD(parameters, lr=0.1)

    for train in (lambda: loop(sgd), lambda: scaled(sgd), lambda: closed(sgd)):
        assert same(treated(train, SCALER), train())


def test_it_works_beside_a_scaler_of_the_users():
    assert same(treated(lambda: half(2.0**4), Treatment("scaler", factor=2.0**10)), half(2.0**14))
    assert not same(half(2.0**4), half(2.0**14))


@pytest.mark.parametrize("plain", [False, True])
def test_in_nested_backwards_only_what_is_trained_is_divided(plain: bool):
    """A checkpoint in the middle hands a gradient on; a tensor inside and outside of it is divided once."""

    def train():
        model, x, y = seeded()
        x.requires_grad_()
        extra = torch.full((1,), 0.5, requires_grad=True)
        optimizer = SGD([*model.parameters(), extra], lr=0.1)
        inner = (lambda values: extra * model(values)) if plain else model
        for _ in range(2):
            optimizer.zero_grad()
            out: Any = checkpoint(inner, x * 2, use_reentrant=True)
            again: Any = checkpoint(inner, x, use_reentrant=True)
            nn.functional.mse_loss(out + again + model(x) + extra, y).backward()
            optimizer.step()
        return [*copies(model.parameters()), extra.detach(), x.grad if x.grad is not None else x]

    assert same(treated(train, SCALER), train())


def test_hooks_and_accumulated_gradients_see_unscaled_numbers():
    seen: list[torch.Tensor] = []

    def train():
        seen.clear()
        model, x, y = seeded()
        weight = next(model.parameters())
        weight.register_post_accumulate_grad_hook(
            lambda tensor: seen.append(torch.empty(0) if tensor.grad is None else tensor.grad.clone())
        )
        nn.functional.mse_loss(model(x), y).backward()
        return list(seen)

    assert same(treated(train, SCALER), train())
    assert seen
