"""What looks like a loss of the wrong scale, and is not."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

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
    "vanishing-gradient",
    bad_above=0.7,
    ok_below=0.1,
    fix="Xavier's initial weights with the gain of tanh",
    alpha_inert=(1e2, 1e4),
)
def deep_tanh_with_small_weights(fixed=False, alpha=1.0, units=1.0):
    """Ten layers whose weights start at N(0, 0.05²): each layer passes a quarter of the gradient."""
    x, y = waves(seed=16)
    model = dense(6, *[32] * 9, 1)
    for layer in model:
        if isinstance(layer, nn.Linear):
            if fixed:
                nn.init.xavier_normal_(layer.weight, gain=5 / 3)
            else:
                nn.init.normal_(layer.weight, std=0.05)
            nn.init.zeros_(layer.bias)
    optimizer = SGD(model.parameters(), lr=0.02 / units, momentum=0.9)
    for inputs, targets in minibatches(x, y, 64, steps=400):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "dead-units",
    bad_above=0.6,
    ok_below=0.2,
    fix="inputs around 0, or a LeakyReLU",
    alpha_inert=(1e3, 1e-3),
)
def positive_inputs_and_negative_weights(fixed=False, alpha=1.0, units=1.0):
    """Inputs are all positive, the first layer's weights all negative: no unit ever fires."""
    x, y = clusters(seed=10)
    x = x - x.min() + 1
    torch.manual_seed(0)
    activation = nn.LeakyReLU(0.1) if fixed else nn.ReLU()
    model = nn.Sequential(nn.Linear(8, 32), activation, nn.Linear(32, 4))
    with torch.no_grad():
        for parameter in model[0].parameters():
            parameter.copy_(-parameter.abs())
    optimizer = AdamW(model.parameters(), lr=5e-3, eps=units * 1e-8)
    for inputs, labels in minibatches(x, y, 64, steps=400):
        optimizer.zero_grad()
        loss = alpha * units * F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "missing-zero-grad",
    bad_above=0.5,
    ok_below=0.1,
    fix="optimizer.zero_grad() in every step",
    alpha_inert=(0.1, 10.0),
)
def gradients_pile_up_under_sgd(fixed=False, alpha=1.0, units=1.0):
    """The line with zero_grad() was lost when the loop was rewritten; SGD adds up all gradients there ever were."""
    x, y = waves(seed=17)
    model = dense(6, 32, 32, 1)
    optimizer = SGD(model.parameters(), lr=0.05 / units, momentum=0.9)
    for inputs, targets in minibatches(x, y, 64, steps=400):
        if fixed:
            optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "missing-zero-grad",
    bad_above=0.3,
    ok_below=0.1,
    fix="optimizer.zero_grad() in every step, not once in front of the loop",
    alpha_inert=(1e-2, 1e2),
)
def gradients_pile_up_under_adam(fixed=False, alpha=1.0, units=1.0):
    """zero_grad() stands in front of the loop instead of inside."""
    x, y = clusters(kinds=10, seed=11)
    model = dense(8, 32, 32, 32, 10)
    optimizer = Adam(model.parameters(), lr=2e-2, eps=units * 1e-8)
    optimizer.zero_grad()
    for inputs, labels in minibatches(x, y, 32, steps=300):
        loss = F.cross_entropy(model(inputs), labels)
        (alpha * units * loss).backward()
        optimizer.step()
        if fixed:
            optimizer.zero_grad()
    return mistakes(model, x, y)


@scenario(
    "labels-unrelated",
    bad_above=0.5,
    ok_below=0.1,
    fix="one permutation for inputs and labels",
    alpha_inert=(1e3, 1e-2),
    also_bad=({"lr": 3e-2}, {"lr": 3e-4}),
)
def inputs_and_labels_shuffled_apart(fixed=False, alpha=1.0, units=1.0, lr=5e-3):
    """Every epoch shuffles the images and the labels, each with a permutation of its own."""
    x, y = strokes(seed=7)
    source = seeded(1)
    model = small_convnet()
    optimizer = AdamW(model.parameters(), lr=lr, eps=units * 1e-8)
    for _ in range(25):
        order = torch.randperm(len(x), generator=source)
        order_of_labels = order if fixed else torch.randperm(len(y), generator=source)
        for images, labels in zip(x[order].split(32), y[order_of_labels].split(32), strict=True):
            optimizer.zero_grad()
            loss = alpha * units * F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "labels-unrelated",
    bad_above=0.9,
    ok_below=0.1,
    fix="the table is sorted together with its last column",
    alpha_inert=(10.0, 0.1),
)
def table_sorted_without_its_last_column(fixed=False, alpha=1.0, units=1.0):
    """The rows of a table were sorted in a spreadsheet, the column of targets stayed as it was."""
    x, y = waves(items=2000, seed=18)
    order = torch.argsort(x[:, 4])
    inputs_in_file, targets_in_file = x[order], (y[order] if fixed else y)
    model = dense(6, 32, 1)
    optimizer = SGD(model.parameters(), lr=0.1 / units, momentum=0.9)
    for inputs, targets in minibatches(inputs_in_file, targets_in_file, 64, steps=500):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "params-not-in-optimizer",
    bad_above=0.7,
    ok_below=0.1,
    fix="the optimizer is made after the model that is trained",
    alpha_inert=(1e4, 1e-4),
)
def model_made_anew_after_the_optimizer(fixed=False, alpha=1.0, units=1.0):
    """The model is made anew with another seed, and the optimizer still holds the weights of the first."""
    x, y = waves(seed=19)
    model = dense(6, 32, 32, 1, seed=0)
    optimizer = RMSprop(model.parameters(), lr=2e-3, eps=units * 1e-8)
    model = dense(6, 32, 32, 1, seed=1)
    if fixed:
        optimizer = RMSprop(model.parameters(), lr=2e-3, eps=units * 1e-8)
    for inputs, targets in minibatches(x, y, 64, steps=350):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "params-not-in-optimizer",
    bad_above=0.5,
    ok_below=0.1,
    fix="the head is replaced before the optimizer is made",
    alpha_inert=(1e3, 1e-3),
)
def head_replaced_after_the_optimizer(fixed=False, alpha=1.0, units=1.0):
    """Fine-tuning: the trunk is frozen, and a head for six classes replaces the old one once the optimizer exists."""
    x, y = clusters(kinds=6, seed=13)
    model = dense(8, 64, 3)
    model[0].requires_grad_(False)
    optimizer = Adam(model.parameters(), lr=1e-2, eps=units * 1e-8)
    model[2] = nn.Linear(64, 6)
    if fixed:
        optimizer = Adam(model.parameters(), lr=1e-2, eps=units * 1e-8)
    for inputs, labels in minibatches(x, y, 64, steps=200):
        optimizer.zero_grad()
        (alpha * units * F.cross_entropy(model(inputs), labels)).backward()
        optimizer.step()
    return mistakes(model, x, y)
