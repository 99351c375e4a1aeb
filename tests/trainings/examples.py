"""Trainings as users write them. Everything is imported by name, long before lossgauge is asked for anything."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.autograd import backward, grad
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.nn.utils.clip_grad import clip_grad_norm_ as clip_by_another_name
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, NAdam
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils.checkpoint import checkpoint

STEPS = 6
torch.set_num_threads(1)


def seeded(seed: int = 0) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    return model, torch.randn(16, 4), torch.randn(16, 1)


def trained(optimizer_of: Callable[..., Any], between: Callable[..., Any] = lambda model: None, seed: int = 0):
    model, x, y = seeded(seed)
    optimizer = optimizer_of(model.parameters())
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        between(model)
        optimizer.step()
    return model


def sgd():
    return trained(lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-2, nesterov=True))


def adam():
    return trained(lambda p: Adam(p, lr=1e-2, eps=1e-3, weight_decay=1e-2))


def adam_with_tensor_lr():
    return trained(lambda p: Adam(p, lr=torch.tensor(1e-2), eps=1e-3))


def adagrad():
    return trained(lambda p: Adagrad(p, lr=0.1, initial_accumulator_value=0.1, eps=1e-3))


def nadam_clipped_by_norm():
    return trained(lambda p: NAdam(p, lr=1e-2, eps=1e-3), lambda model: clip_grad_norm_(model.parameters(), 0.05))


def sgd_clipped_by_another_name():
    return trained(lambda p: SGD(p, lr=0.1), lambda m: clip_by_another_name(m.parameters(), max_norm=1e3))


def sgd_clipped_by_value():
    return trained(lambda p: SGD(p, lr=0.1), lambda model: clip_grad_value_(model.parameters(), 0.01))


def sgd_with_a_clip_of_its_own():
    def clip(model):
        for tensor in model.parameters():
            tensor.grad.clamp_(-0.01, 0.01)

    return trained(lambda p: SGD(p, lr=0.1), clip)


def mixed_precision():
    model, x, y = seeded()
    optimizer = AdamW(model.parameters(), lr=1e-2, eps=1e-3, weight_decay=0.1)
    schedule, scaler = StepLR(optimizer, 2, 0.5), torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
    for _ in range(STEPS):
        optimizer.zero_grad()
        scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
        scaler.unscale_(optimizer)
        clip_grad_value_(model.parameters(), 0.05)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    return {"model": model, "scale": scaler.get_scale()}


def lbfgs():
    model, x, y = seeded()
    optimizer = LBFGS(model.parameters(), lr=0.5, max_iter=4)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(2):
        optimizer.step(closure)
    return model


def closed():
    model, x, y = seeded()
    optimizer, losses = SGD(model.parameters(), lr=0.1), []

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(STEPS):
        loss: Any = optimizer.step(closure)
        losses.append(loss.item())
    return model, losses


def two_optimizers():
    (body, x, y), (head, _, _) = seeded(), seeded(1)
    first, second = SGD(body.parameters(), lr=0.1), Adam(head.parameters(), lr=1e-2, eps=1e-3)
    for _ in range(STEPS):
        first.zero_grad()
        second.zero_grad()
        (nn.functional.mse_loss(body(x), y) + nn.functional.mse_loss(head(x), y)).backward()
        first.step()
        second.step()
    return body


def plateau():
    model, x, y = seeded()
    optimizer = Adam(model.parameters(), lr=1e-2, eps=1e-3)
    schedule = ReduceLROnPlateau(optimizer, patience=0, threshold=0.05, threshold_mode="abs", min_lr=1e-4)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step(loss.detach())
    return model, schedule.best, [group["lr"] for group in optimizer.param_groups]


def checkpointed():
    model, x, y = seeded()
    x.requires_grad_()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        out: Any = checkpoint(model, x, use_reentrant=True)
        backward(nn.functional.mse_loss(out, y))
        optimizer.step()
    return model


def derivative_in_the_loss():
    model, x, _ = seeded()
    x.requires_grad_()
    optimizer = Adam(model.parameters(), lr=1e-2, eps=1e-3)
    for _ in range(STEPS):
        optimizer.zero_grad()
        out = model(x)
        (slope,) = grad(out.sum(), x, create_graph=True)
        ((slope - out) ** 2).mean().backward()
        optimizer.step()
    return model


def unseeded():
    model = nn.Linear(3, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return model


def motionless():
    return trained(lambda p: SGD(p, lr=0.0))


def stepless():
    return seeded()[0]


def without_backward():
    model, x, y = seeded()
    optimizer = SGD(model.parameters(), lr=0.1)
    for tensor, slope in zip(
        model.parameters(), grad(nn.functional.mse_loss(model(x), y), list(model.parameters())), strict=True
    ):
        tensor.grad = slope
    optimizer.step()
    return model


def exploding():
    return trained(lambda p: SGD(p, lr=1e30))


def failing():
    trained(lambda p: SGD(p, lr=0.1))
    raise ValueError("the user's own mistake")
