"""The second moment itself: what it remembers, what it cannot hold, and what happens before it is there."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam, AdamW, NAdam, RAdam

from tests.scenarios.data import (
    clusters,
    dense,
    minibatches,
    mistakes,
    plane,
    small_convnet,
    strokes,
    unexplained,
    waves,
)
from tests.scenarios.scenario import scenario


@scenario(
    "eps-too-small-late-blowup",
    bad_above=1e-3,
    ok_below=1e-6,
    fix="eps 1e-8 → 0.1: lr/eps then stays below the limit of stability",
    alpha_helps=(1e-7,),
    alpha_inert=(1e2,),
)
def exact_fit_left_running(fixed=False, alpha=1.0, units=1.0):
    """A linear fit without noise is left to run: perfect, then it bursts. What counts is the worst of the last half."""
    x, y = plane()
    torch.manual_seed(0)
    model = nn.Linear(5, 1)
    optimizer = Adam(model.parameters(), lr=0.2, betas=(0.9, 0.99), eps=units * (1e-1 if fixed else 1e-8))
    worst = 0.0
    for step in range(2000):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if step >= 1000 and step % 5 == 0:
            worst = max(worst, unexplained(model, x, y))
    return worst


@scenario(
    "eps-too-small-late-blowup",
    bad_above=0.5,
    ok_below=0.1,
    fix="eps 1e-15 → 0.01",
)
def calibration_with_vanishing_epsilon(fixed=False, alpha=1.0, units=1.0):
    """A network calibrates a sensor without noise under NAdam with a tiny epsilon; the last model is the one in use."""
    x, y = waves(items=64, features=4, seed=5)
    model = dense(4, 48, 1)
    optimizer = NAdam(model.parameters(), lr=5e-2, betas=(0.9, 0.98), eps=units * (1e-2 if fixed else 1e-15))
    worst = 0.0
    for step in range(1500):
        optimizer.zero_grad()
        (alpha * units * F.mse_loss(model(x), y)).backward()
        optimizer.step()
        if step >= 1200 and step % 4 == 0:
            worst = max(worst, unexplained(model, x, y))
    return worst


@scenario(
    "second-moment-spike",
    bad_above=0.4,
    ok_below=0.1,
    fix="clip_grad_norm_(…, 1.0), or a smaller beta2, or dropping the batch",
    alpha_inert=(1e3, 1e-3),
)
def one_file_in_other_units(fixed=False, alpha=1.0, units=1.0):
    """The third batch comes from a file in which the features are a million times larger. It is the only one."""
    x, y = clusters(kinds=10, seed=1)
    model = dense(8, 32, 10, activation=nn.ReLU)
    optimizer = AdamW(model.parameters(), lr=2e-3, eps=units * 1e-8, weight_decay=1e-2)
    for step, (inputs, labels) in enumerate(minibatches(x, y, 64, steps=250)):
        loss = F.cross_entropy(model(inputs * 1e6 if step == 2 else inputs), labels)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        if fixed:
            norm = float(torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm())
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(min(1.0, units / norm))
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "second-moment-overflow",
    bad_above=0.7,
    ok_below=0.1,
    fix="loss × 1e-26: residuals in units of the spread of the targets",
    alpha_helps=(1e-26, 2.0**-86),
    alpha_inert=(1e-1,),
    also_bad=({"lr": 1.0}, {"lr": 1e-4}, {"eps": 1e-30}),
    lawful=False,
)
def chi_square_of_a_precise_clock(fixed=False, alpha=1.0, units=1.0, lr=3e-3, eps=1e-8):
    """χ² with an error of 1e-13: the loss is 1e26 and finite, its gradients too, their squares are not."""
    x, y = waves(seed=1)
    uncertainty = 1.0 if fixed else 1e-13
    model = dense(6, 32, 32, 1)
    optimizer = Adam(model.parameters(), lr=lr, eps=units * eps)
    for _ in range(300):
        residual = (model(x) - y) / uncertainty
        loss = alpha * units * (residual**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "second-moment-underflow",
    bad_above=0.4,
    ok_below=0.1,
    fix="loss × 1e25; no epsilon is right",
    alpha_helps=(1e25, 2.0**80),
    alpha_inert=(10.0,),
    also_bad=({"eps": 1e-8}, {"eps": 1e-20}, {"eps": 1e-26}, {"eps": 1e-28}, {"eps": 1e-30}, {"eps": 0.0}),
    lawful=False,
)
def likelihood_in_joules(fixed=False, alpha=1.0, units=1.0, eps=1e-24):
    """A loss of 1e-25, an energy in SI units; the user lowered eps, and then lowered it again."""
    x, y = waves(items=128, seed=2)
    joules = 1.0 if fixed else 1e-25
    model = dense(6, 24, 24, 24, 24, 24, 1, activation=nn.Sigmoid)
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * eps)
    for _ in range(600):
        loss = alpha * units * joules * F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "unnormalised-warmup",
    bad_above=0.4,
    ok_below=0.1,
    fix="the mean over the batch instead of 1e5 times the sum, or Adam with a warm-up of its own",
    alpha_helps=(1e-6,),
    lawful=False,
)
def rectified_adam_on_a_heavy_sum(fixed=False, alpha=1.0, units=1.0):
    """Images are classified under RAdam with a loss summed over the batch and over a thousand copies of each image."""
    x, y = strokes(seed=4)
    model = small_convnet()
    optimizer = RAdam(model.parameters(), lr=1e-2, eps=units * 1e-8)
    for images, labels in minibatches(x, y, 32, steps=200):
        loss = F.cross_entropy(model(images), labels)
        if not fixed:
            loss = loss * 32 * 50_000
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    return mistakes(model, x, y)
