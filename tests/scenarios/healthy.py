"""Trainings in which nothing is wrong and nothing looks it."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

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


@scenario("healthy", ok_below=0.1, alpha_inert=(100.0, 0.1))
def ok_convnet_under_adamw(fixed=False, alpha=1.0, units=1.0):
    """A convnet under AdamW with a cosine schedule."""
    x, y = strokes(seed=8)
    model = small_convnet()
    optimizer = AdamW(model.parameters(), lr=5e-3, eps=units * 1e-8, weight_decay=0.05)
    schedule = CosineAnnealingLR(optimizer, T_max=200)
    for images, labels in minibatches(x, y, 32, steps=200):
        optimizer.zero_grad()
        (alpha * units * F.cross_entropy(model(images), labels)).backward()
        optimizer.step()
        schedule.step()
    return mistakes(model, x, y)


@scenario("healthy", ok_below=0.1)
def ok_regression_under_sgd(fixed=False, alpha=1.0, units=1.0):
    """Nesterov momentum with a little coupled weight decay."""
    x, y = waves(seed=20)
    model = dense(6, 32, 32, 1)
    optimizer = SGD(model.parameters(), lr=0.05 / units, momentum=0.9, nesterov=True, weight_decay=units * 1e-4)
    for inputs, targets in minibatches(x, y, 64, steps=500):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario("healthy", ok_below=0.1)
def ok_factors_under_adagrad(fixed=False, alpha=1.0, units=1.0):
    """Adagrad with an initial accumulator that is small beside the gradients."""
    x, y = clusters(kinds=6, seed=14)
    model = dense(8, 32, 6, activation=nn.ReLU)
    optimizer = Adagrad(model.parameters(), lr=5e-2, initial_accumulator_value=units**2 * 1e-6, eps=units * 1e-10)
    for inputs, labels in minibatches(x, y, 64, steps=200):
        optimizer.zero_grad()
        loss = alpha * units * F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario("healthy", ok_below=0.15)
def ok_bfloat16_autocast(fixed=False, alpha=1.0, units=1.0):
    """bfloat16 for the activations, float32 for the weights."""
    x, y = waves(seed=21)
    model = dense(6, 48, 48, 1)
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * 1e-8)
    for inputs, targets in minibatches(x, y, 64, steps=300):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = model(inputs)
        loss = alpha * units * F.mse_loss(outputs.float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario("healthy", ok_below=0.1)
def ok_accumulation_with_an_uneven_end(fixed=False, alpha=1.0, units=1.0):
    """Micro-batches of 26 images, five to a step and divided by five; the last of an epoch has 22."""
    x, y = strokes(seed=9)
    source = seeded(3)
    model = small_convnet()
    optimizer = SGD(model.parameters(), lr=0.2 / units, momentum=0.9)
    for _ in range(25):
        order = torch.randperm(len(x), generator=source)
        parts = list(zip(x[order].split(26), y[order].split(26), strict=True))
        for number, (images, labels) in enumerate(parts, start=1):
            loss = alpha * units * F.cross_entropy(model(images), labels) / 5
            loss.backward()
            if number % 5 == 0 or number == len(parts):
                optimizer.step()
                optimizer.zero_grad()
    return mistakes(model, x, y)


@scenario("healthy", ok_below=0.3)
def ok_two_players(fixed=False, alpha=1.0, units=1.0):
    """A generator and a critic with an optimizer each; what counts is the mean and spread of what is generated."""
    source = seeded(4)
    generator, critic = dense(2, 32, 1, seed=1), dense(1, 32, 1, activation=nn.LeakyReLU, seed=2)
    of_generator = Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9), eps=units * 1e-8)
    of_critic = Adam(critic.parameters(), lr=3e-3, betas=(0.5, 0.9), eps=units * 1e-8)
    for _ in range(350):
        real = 1.5 + 0.5 * torch.randn(128, 1, generator=source)
        false = generator(torch.randn(128, 2, generator=source))
        judgement = F.softplus(-critic(real)).mean() + F.softplus(critic(false.detach())).mean()
        of_critic.zero_grad()
        (alpha * units * judgement).backward()
        of_critic.step()
        deception = F.softplus(-critic(false)).mean()
        of_generator.zero_grad()
        (alpha * units * deception).backward()
        of_generator.step()
    with torch.no_grad():
        made = generator(torch.randn(4000, 2, generator=source))
    return abs(float(made.mean()) - 1.5) + abs(float(made.std()) - 0.5)
