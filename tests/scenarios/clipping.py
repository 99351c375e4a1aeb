"""Thresholds on gradients: in the wrong units, at the wrong place, or beside a constant nobody sees."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD

from tests.scenarios.data import clusters, dense, minibatches, mistakes, plane, seeded, unexplained, waves
from tests.scenarios.scenario import scenario


@scenario(
    "clip-saturated",
    bad_above=0.3,
    ok_below=0.1,
    fix="threshold 0.25 → 1000: it has the units of the loss",
    alpha_inert=(10.0, 1e3),
)
def sequences_summed_over_time(fixed=False, alpha=1.0, units=1.0):
    """A recurrent network; its loss was a mean and is now a sum over items, lr was adapted, the threshold not."""
    source = seeded(0)
    x = torch.randn(128, 12, 3, generator=source)
    y = torch.tanh(x.cumsum(1)[..., :1] / 2)
    torch.manual_seed(0)
    network, head = nn.RNN(3, 24, batch_first=True), nn.Linear(24, 1)
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = SGD(parameters, lr=1e-4 / units, momentum=0.9)
    max_norm = units * (1000.0 if fixed else 0.25)
    for inputs, targets in minibatches(x, y, 64, steps=250):
        loss = ((head(network(inputs)[0]) - targets) ** 2).sum()
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        norm = sum(float((p.grad**2).sum()) for p in parameters if p.grad is not None) ** 0.5
        if norm > max_norm:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(max_norm / norm)
        optimizer.step()
    with torch.no_grad():
        return float(((head(network(x)[0]) - y) ** 2).mean() / y.var())


@scenario(
    "clip-saturated",
    bad_above=0.4,
    ok_below=0.12,
    fix="clip_value 3e-5 → 1",
    alpha_inert=(10.0, 1e4),
)
def values_clipped_far_too_low(fixed=False, alpha=1.0, units=1.0):
    """clip_grad_value_ at 3e-5, from a project with a far smaller loss: all that is left of a gradient is its sign."""
    x, y = waves(seed=4)
    model = dense(6, 48, 1)
    optimizer = SGD(model.parameters(), lr=0.1 / units, momentum=0.9)
    for inputs, targets in minibatches(x, y, 64, steps=400):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        loss.backward()
        clip_grad_value_(model.parameters(), clip_value=units * (1.0 if fixed else 3e-5))
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "clip-before-unscale",
    bad_above=0.4,
    ok_below=0.1,
    fix="scaler.unscale_(optimizer) before clip_grad_norm_",
    alpha_inert=(100.0,),
    lawful=False,
)
def scaled_gradients_are_clipped(fixed=False, alpha=1.0, units=1.0):
    """Mixed precision was added to an old loop; the line that clips kept its place, right after backward."""
    x, y = clusters(seed=3)
    model = dense(8, 32, 4, activation=nn.ReLU)
    optimizer = SGD(model.parameters(), lr=0.2 / units, momentum=0.9, nesterov=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)
    for inputs, labels in minibatches(x, y, 64, steps=200):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(inputs)
        loss = alpha * units * F.cross_entropy(logits.float(), labels)
        scaler.scale(loss).backward()
        if fixed:
            scaler.unscale_(optimizer)
        clip_grad_norm_(model.parameters(), units * 0.5)
        scaler.step(optimizer)
        scaler.update()
    return mistakes(model, x, y)


def clip_without_constant(parameters, max_norm):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.stack([gradient.norm() for gradient in gradients]).norm())
    for gradient in gradients:
        gradient.mul_(min(1.0, max_norm / norm))


@scenario(
    "clip-hidden-constant",
    bad_above=0.4,
    ok_below=0.15,
    fix="a clip that does not add 1e-6 to the norm, or loss × 1e10 with lr and max_norm moved along",
    also_bad=({"bound": 2.0}, {"bound": 0.5}),
    lawful=False,
)
def everything_moved_along_but_one_number(fixed=False, alpha=1.0, units=1.0, bound=1.0):
    """A loss in units of 1e-10, lr × 1e10 and max_norm × 1e-10: and yet steps are 10⁴ times shorter."""
    x, y = waves(seed=7)
    scale = 1e-10
    model = dense(6, 48, 1)
    optimizer = SGD(model.parameters(), lr=0.05 / scale / units, momentum=0.9)
    for inputs, targets in minibatches(x, y, 64, steps=500):
        loss = alpha * units * scale * F.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        if fixed:
            clip_without_constant(model.parameters(), units * scale * bound)
        else:
            clip_grad_norm_(model.parameters(), units * scale * bound)
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "clip-hidden-constant",
    bad_above=0.3,
    ok_below=0.01,
    fix="a clip that does not add 1e-6 to the norm",
    lawful=False,
)
def threshold_far_above_small_gradients(fixed=False, alpha=1.0, units=1.0):
    """Amplitudes of 1e-5 give gradients of 1e-10; max_norm = 1e-8 is far above them and still shrinks every step."""
    x, y = plane(seed=1)
    amplitude = 1e-5
    torch.manual_seed(0)
    model = nn.Linear(5, 1)
    optimizer = SGD(model.parameters(), lr=0.1 / amplitude**2 / units)
    for _ in range(150):
        loss = alpha * units * ((amplitude * (model(x) - y)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        if fixed:
            clip_without_constant(model.parameters(), units * 1e-8)
        else:
            clip_grad_norm_(model.parameters(), max_norm=units * 1e-8)
        optimizer.step()
    return unexplained(model, x, y)
