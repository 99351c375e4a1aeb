"""Learning rate and coupled weight decay: right for a loss of another size."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import ASGD, SGD, Adam, NAdam, RMSprop

from tests.scenarios.data import (
    clusters,
    dense,
    minibatches,
    mistakes,
    seeded,
    small_convnet,
    strokes,
    unexplained,
    waves,
)
from tests.scenarios.scenario import scenario


@scenario(
    "l2-dominates",
    bad_above=0.4,
    ok_below=0.1,
    fix="weight_decay 5e-4 → 5e-9, or one that is decoupled",
    alpha_helps=(1e5,),
    also_bad=({"lr": 1e-2}, {"lr": 1e-4}),
)
def rmsprop_with_decay_of_a_larger_loss(fixed=False, alpha=1.0, units=1.0, lr=2e-3):
    """RMSprop with the weight decay of a recipe in which the loss was not multiplied by 1e-5."""
    x, y = clusters(kinds=5, seed=6)
    model = dense(8, 32, 5)
    decay = 5e-9 if fixed else 5e-4
    optimizer = RMSprop(model.parameters(), lr=lr, eps=units * 1e-13, weight_decay=units * decay)
    for inputs, labels in minibatches(x, y, 64, steps=300):
        loss = alpha * units * 1e-5 * F.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "l2-dominates",
    bad_above=0.6,
    ok_below=0.1,
    fix="weight_decay 0.05 → 1e-6",
    alpha_helps=(1e4,),
)
def factors_pulled_to_zero(fixed=False, alpha=1.0, units=1.0):
    """Factors of a matrix under NAdam; a row has few entries in a batch, the decay acts on all of it in every step."""
    source = seeded(2)
    table = torch.randn(60, 4, generator=source) @ torch.randn(4, 50, generator=source) / 2
    torch.manual_seed(2)
    rows, columns = nn.Embedding(60, 8), nn.Embedding(50, 8)
    for side in (rows, columns):
        nn.init.normal_(side.weight, std=0.3)
    decay = 1e-6 if fixed else 0.05
    parameters = [*rows.parameters(), *columns.parameters()]
    optimizer = NAdam(parameters, lr=1e-2, eps=units * 1e-8, weight_decay=units * decay)
    for _ in range(400):
        i, j = torch.randint(60, (256,), generator=source), torch.randint(50, (256,), generator=source)
        loss = alpha * units * F.mse_loss((rows(i) * columns(j)).sum(1), table[i, j])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float(((rows.weight @ columns.weight.T - table) ** 2).mean() / table.var())


@scenario(
    "lr-too-small-for-loss",
    bad_above=0.4,
    ok_below=0.1,
    fix="lr 0.1 → 0.1 · 255, as the loss was divided by it",
    alpha_helps=(255.0,),
)
def loss_divided_by_gray_levels(fixed=False, alpha=1.0, units=1.0):
    """Nesterov momentum and a loss that somebody divided by 255 together with the images."""
    x, y = strokes(seed=1)
    model = small_convnet()
    optimizer = SGD(model.parameters(), lr=(0.1 * 255 if fixed else 0.1) / units, momentum=0.8, nesterov=True)
    for images, labels in minibatches(x, y, 32, steps=150):
        loss = alpha * units * F.cross_entropy(model(images), labels) / 255
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "lr-too-small-for-loss",
    bad_above=0.3,
    ok_below=0.1,
    fix="lr 2e-4 → 0.1",
    alpha_helps=(500.0,),
)
def averaged_sgd_after_sum_became_mean(fixed=False, alpha=1.0, units=1.0):
    """ASGD, tuned when the loss was a sum over 500 items; it is a mean now."""
    x, y = waves(items=500, seed=8)
    model = dense(6, 48, 1)
    lr = 0.1 if fixed else 2e-4
    optimizer = ASGD(model.parameters(), lr=lr / units, lambd=units * 1e-4)
    for _ in range(700):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        (alpha * units * loss).backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "lr-too-large-for-loss",
    bad_above=0.7,
    ok_below=0.1,
    fix="reduction='mean', or lr / 128",
    alpha_helps=(1 / 128,),
)
def sum_with_the_rate_of_a_mean(fixed=False, alpha=1.0, units=1.0):
    """reduction='sum' was chosen to get rid of a small loss; the learning rate stayed."""
    x, y = waves(seed=9)
    model = dense(6, 32, 32, 1)
    optimizer = SGD(model.parameters(), lr=0.1 / units, momentum=0.9)
    for inputs, targets in minibatches(x, y, 128, steps=400):
        loss = F.mse_loss(model(inputs), targets, reduction="mean" if fixed else "sum")
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "lr-too-large-for-loss",
    bad_above=0.4,
    ok_below=0.1,
    fix="a loss weight of 1 instead of 300, or lr / 300",
    alpha_helps=(1 / 300,),
)
def heavy_weight_on_the_only_term(fixed=False, alpha=1.0, units=1.0):
    """A weight of 300 on the classification term, once meant against a term that is gone; plain SGD."""
    x, y = strokes(seed=3)
    model = small_convnet()
    optimizer = SGD(model.parameters(), lr=0.1 / units)
    weight = 1.0 if fixed else 300.0
    for images, labels in minibatches(x, y, 64, steps=200):
        loss = alpha * units * weight * F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "lr-too-high",
    bad_above=0.4,
    ok_below=0.15,
    fix="lr 1 → 3e-3",
    alpha_inert=(1e-3, 1e3),
)
def adam_with_the_rate_of_sgd(fixed=False, alpha=1.0, units=1.0):
    """SGD was replaced by Adam, and lr = 1 was kept."""
    x, y = clusters(kinds=12, seed=5)
    model = dense(8, 24, 24, 24, 24, 12)
    optimizer = Adam(model.parameters(), lr=3e-3 if fixed else 1.0, eps=units * 1e-8)
    for inputs, labels in minibatches(x, y, 32, steps=200):
        optimizer.zero_grad()
        (alpha * units * F.cross_entropy(model(inputs), labels)).backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "lr-too-high",
    bad_above=0.3,
    ok_below=0.1,
    fix="lr 0.3 → 2e-3",
    alpha_inert=(1e-2, 1e2),
)
def rmsprop_that_saturates_its_units(fixed=False, alpha=1.0, units=1.0):
    """RMSprop at lr = 0.3: after a few steps every tanh is at its end."""
    x, y = waves(seed=10)
    model = dense(6, 32, 32, 1)
    optimizer = RMSprop(model.parameters(), lr=2e-3 if fixed else 0.3, eps=units * 1e-8)
    for inputs, targets in minibatches(x, y, 64, steps=400):
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "lr-too-high",
    bad_above=0.2,
    ok_below=0.1,
    fix="lr 0.3 → 1e-3",
)
def leaps_of_a_saturated_network(fixed=False, alpha=1.0, units=1.0):
    """NAdam with the rate of another network: most losses are low, and time and again one is far above the first."""
    x, y = waves(seed=24)
    model = dense(6, 64, 64, 1)
    optimizer = NAdam(model.parameters(), lr=1e-3 if fixed else 0.3, eps=units * 1e-8)
    for inputs, targets in minibatches(x, y, 64, steps=500):
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        (alpha * units * loss).backward()
        optimizer.step()
    return unexplained(model, x, y)
