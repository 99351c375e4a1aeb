"""Trainings in which nothing is wrong although something looks as if it were."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import LBFGS, SGD, Adam, AdamW, RAdam, SparseAdam

from tests.scenarios.data import (
    clusters,
    dense,
    minibatches,
    mistakes,
    plane,
    seeded,
    small_convnet,
    strokes,
    unexplained,
    waves,
)
from tests.scenarios.scenario import scenario


@scenario("healthy", ok_below=0.1)
def ok_large_epsilon_with_its_own_rate(fixed=False, alpha=1.0, units=1.0):
    """eps = 1 is far above √v, and lr = 0.5 was chosen for it: SGD with momentum under another name."""
    x, y = waves(seed=22)
    model = dense(6, 32, 32, 1)
    optimizer = AdamW(model.parameters(), lr=0.5, eps=units * 1.0, weight_decay=1e-5)
    for inputs, targets in minibatches(x, y, 64, steps=500):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario("healthy", ok_below=0.1, alpha_inert=(100.0, 10.0), lawful=False)
def ok_every_step_is_clipped(fixed=False, alpha=1.0, units=1.0):
    """The norm is always above the threshold: steps of a fixed length, which a schedule shortens, are the plan."""
    x, y = strokes(seed=10)
    model = small_convnet()
    optimizer = SGD(model.parameters(), lr=10.0 / units)
    for step, (images, labels) in enumerate(minibatches(x, y, 64, steps=250)):
        optimizer.param_groups[0]["lr"] = 10.0 / units * (1 - step / 250)
        optimizer.zero_grad()
        loss = alpha * units * F.cross_entropy(model(images), labels)
        loss.backward()
        clip_grad_norm_(model.parameters(), units * 0.01)
        optimizer.step()
    return mistakes(model, x, y)


@scenario("healthy", ok_below=1e-8)
def ok_tiny_loss_after_convergence(fixed=False, alpha=1.0, units=1.0):
    """A loss of 1e-12 and gradients below eps, because the fit is exact."""
    x, y = plane(seed=2)
    torch.manual_seed(0)
    model = nn.Linear(5, 1)
    optimizer = Adam(model.parameters(), lr=2e-2, eps=units * 1e-6)
    for _ in range(1200):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario("healthy", ok_below=0.1)
def ok_only_the_head_is_trained(fixed=False, alpha=1.0, units=1.0):
    """The trunk is frozen on purpose, and the optimizer holds the head alone."""
    x, y = clusters(kinds=5, seed=15)
    trunk, head = dense(8, 64, 64, seed=3), nn.Linear(64, 5)
    trunk.requires_grad_(False)
    model = nn.Sequential(trunk, head)
    optimizer = Adam(head.parameters(), lr=1e-2, eps=units * 1e-8)
    for inputs, labels in minibatches(x, y, 64, steps=200):
        optimizer.zero_grad()
        loss = alpha * units * F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario("healthy", ok_below=0.1)
def ok_most_rows_have_no_gradient(fixed=False, alpha=1.0, units=1.0):
    """A table of 800 rows of which a batch uses 48; the gradient of the others is 0, as it should be."""
    source = seeded(5)
    values = torch.randn(800, generator=source)
    torch.manual_seed(0)
    table = nn.Embedding(800, 1, sparse=True)
    nn.init.zeros_(table.weight)
    optimizer = SparseAdam(list(table.parameters()), lr=5e-2, eps=units * 1e-8)
    for _ in range(600):
        rows = torch.randint(800, (48,), generator=source)
        loss = alpha * units * F.mse_loss(table(rows).squeeze(1), values[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float(((table.weight.squeeze(1) - values) ** 2).mean() / values.var())


@scenario("healthy", ok_below=0.1)
def ok_wide_knee_on_tame_residuals(fixed=False, alpha=1.0, units=1.0):
    """Huber with a delta ten times the spread of the targets: a square in all but name, and there are no outliers."""
    x, y = waves(seed=23)
    model = dense(6, 32, 32, 1)
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * 1e-8)
    for inputs, targets in minibatches(x, y, 64, steps=400):
        loss = alpha * units * F.huber_loss(model(inputs), targets, delta=10.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario("healthy", ok_below=0.1)
def ok_unequal_terms_that_both_learn(fixed=False, alpha=1.0, units=1.0):
    """An auxiliary term with weight 0.05 on a head of its own; both are learned. The worse of the two counts."""
    x, y = waves(seed=24)
    second = torch.sin(x[:, 4:5] + x[:, 5:6])
    model = dense(6, 48, 48, 2)
    optimizer = Adam(model.parameters(), lr=4e-3, eps=units * 1e-8)
    for _ in range(500):
        outputs = model(x)
        loss = F.mse_loss(outputs[:, :1], y) + 0.05 * F.mse_loss(outputs[:, 1:], second)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    with torch.no_grad():
        outputs = model(x)
        errors = [((outputs[:, :1] - y) ** 2).mean() / y.var(), ((outputs[:, 1:] - second) ** 2).mean() / second.var()]
    return float(max(errors))


@scenario("healthy", ok_below=1e-6, lawful=False)
def ok_quasi_newton_that_converged(fixed=False, alpha=1.0, units=1.0):
    """L-BFGS stops long before its last iteration, because there is nothing left to do."""
    x, y = plane(seed=3)
    torch.manual_seed(0)
    model = nn.Linear(5, 1)
    optimizer = LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    return unexplained(model, x, y)


@scenario("healthy", ok_below=0.08)
def ok_labels_with_noise(fixed=False, alpha=1.0, units=1.0):
    """A third of the labels is wrong: the loss stays high at the least there can be. True classes count."""
    x, y = clusters(items=2000, seed=16)
    source = seeded(6)
    drawn = torch.randint(4, (2000,), generator=source)
    noisy = torch.where(torch.rand(2000, generator=source) < 0.4, drawn, y)
    model = dense(8, 32, 4)
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * 1e-8)
    for inputs, labels in minibatches(x, noisy, 64, steps=300):
        optimizer.zero_grad()
        loss = alpha * units * F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario("healthy", ok_below=0.1)
def ok_small_loss_above_epsilon(fixed=False, alpha=1.0, units=1.0):
    """A loss of 1e-4 looks small; its gradients are a hundred times eps, which is all that matters."""
    x, y = waves(seed=25)
    model = dense(6, 32, 32, 1)
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * 1e-9)
    for inputs, targets in minibatches(x, y, 64, steps=400):
        optimizer.zero_grad()
        loss = alpha * units * 1e-4 * F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario("healthy", ok_below=0.1, lawful=False)
def ok_scaler_that_finds_its_scale(fixed=False, alpha=1.0, units=1.0):
    """GradScaler starts far too high: the first steps overflow and are skipped, which is how it works."""
    x, y = clusters(kinds=5, seed=17)
    model = dense(8, 32, 5, activation=nn.ReLU)
    optimizer = AdamW(model.parameters(), lr=5e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**26)
    for inputs, labels in minibatches(x, y, 64, steps=200):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            logits = model(inputs)
        loss = alpha * units * F.cross_entropy(logits.float(), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return mistakes(model, x, y)


@scenario("healthy", ok_below=0.1, lawful=False)
def ok_rectified_adam_on_an_ordinary_loss(fixed=False, alpha=1.0, units=1.0):
    """RAdam has no law, and on a loss of size 1 that does no harm."""
    x, y = clusters(kinds=5, seed=18)
    model = dense(8, 32, 5)
    optimizer = RAdam(model.parameters(), lr=1e-2, eps=units * 1e-8)
    for inputs, labels in minibatches(x, y, 64, steps=250):
        optimizer.zero_grad()
        (alpha * units * F.cross_entropy(model(inputs), labels)).backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario("healthy", ok_below=0.1)
def ok_early_stop_when_nothing_is_left(fixed=False, alpha=1.0, units=1.0):
    """Early stopping with an absolute min_delta that fits the loss: it ends the training when it is done."""
    x, y = waves(seed=26)
    model = dense(6, 32, 32, 1)
    optimizer = Adam(model.parameters(), lr=5e-3, eps=units * 1e-8)
    best, waited = math.inf, 0
    for _ in range(1500):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if loss.item() < best - units * 1e-4:
            best, waited = loss.item(), 0
        else:
            waited += 1
        if waited == 30:
            break
    return unexplained(model, x, y)
