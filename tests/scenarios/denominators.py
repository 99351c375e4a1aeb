"""Epsilon and the accumulator: numbers that stand beside the second moment and have its units."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adadelta, Adagrad, Adam, AdamW, RMSprop

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
    "eps-dominates",
    bad_above=0.4,
    ok_below=0.1,
    fix="eps 1e-8 → 1e-17, or the mean over the batch instead of the corpus",
    alpha_helps=(3e8,),
    alpha_inert=(10.0,),
)
def topics_divided_by_corpus(fixed=False, alpha=1.0, units=1.0):
    """Texts are classified by their words; the loss is divided by the words of the whole corpus, 300 million."""
    source = seeded(0)
    labels = torch.randint(5, (400,), generator=source)
    words = torch.where(
        torch.rand(400, 12, generator=source) < 0.4,
        labels[:, None] * 40 + torch.randint(40, (400, 12), generator=source),
        torch.randint(200, (400, 12), generator=source),
    )
    torch.manual_seed(0)
    model = nn.Sequential(nn.EmbeddingBag(200, 16), nn.Linear(16, 5))
    optimizer = AdamW(model.parameters(), lr=1e-2, eps=units * (1e-17 if fixed else 1e-8), weight_decay=1e-2)
    for texts, topics in minibatches(words, labels, 64, steps=200):
        loss = alpha * units * F.cross_entropy(model(texts), topics) / 3e8
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return mistakes(model, words, labels)


@scenario(
    "eps-dominates",
    bad_above=0.7,
    ok_below=0.1,
    fix="eps 1e-8 → 1e-18, or metres instead of kilometres",
    alpha_helps=(1e10,),
    alpha_inert=(10.0, 0.1),
)
def wave_heights_in_kilometres(fixed=False, alpha=1.0, units=1.0):
    """Heights of waves, of centimetres, predicted in kilometres under RMSprop; the network's output is scaled along."""
    x, y = waves()
    kilometres = 1e-5
    model = dense(6, 32, 32, 1)
    optimizer = RMSprop(model.parameters(), lr=2e-3, eps=units * (1e-18 if fixed else 1e-8))
    for _ in range(400):
        error = kilometres * model(x) - kilometres * y
        loss = alpha * units * (error**2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "eps-dominates",
    bad_above=0.4,
    ok_below=0.1,
    fix="eps 1 → 1e-8",
    alpha_inert=(3.0,),
)
def convnet_with_inceptions_epsilon(fixed=False, alpha=1.0, units=1.0):
    """A convnet under Adam with the eps = 1 of a famous recipe, but not with the learning rate that went with it."""
    x, y = strokes()
    model = small_convnet()
    optimizer = Adam(model.parameters(), lr=2e-3, eps=units * (1e-8 if fixed else 1.0), amsgrad=True)
    for images, labels in minibatches(x, y, 32, steps=250):
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(images), labels)
        (alpha * units * loss).backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "eps-placement",
    bad_above=0.7,
    ok_below=0.1,
    fix="eps 0.01 → √0.01 = 0.1, its meaning where the recipe comes from",
)
def value_network_of_the_atari_recipe(fixed=False, alpha=1.0, units=1.0):
    """Centred RMSprop with eps = 0.01, written for a framework where epsilon stands inside the root."""
    x, y = waves(seed=3)
    model = dense(6, 64, 64, 1)
    eps = math.sqrt(0.01) if fixed else 0.01
    optimizer = RMSprop(model.parameters(), lr=0.3, alpha=0.95, momentum=0.9, eps=units * eps, centered=True)
    for states, returns in minibatches(x, y, 32, steps=400):
        values = model(states)
        loss = alpha * units * 0.03 * F.smooth_l1_loss(values, returns)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "eps-placement",
    bad_above=0.4,
    ok_below=0.1,
    fix="eps 1e-3 → √1e-3 = 0.032",
)
def convnet_of_the_mobile_recipe(fixed=False, alpha=1.0, units=1.0):
    """RMSprop with decay 0.9, momentum 0.9 and eps = 1e-3 from a paper whose framework has it inside the root."""
    x, y = strokes(seed=2)
    model = small_convnet()
    eps = math.sqrt(1e-3) if fixed else 1e-3
    optimizer = RMSprop(model.parameters(), lr=0.2, alpha=0.9, momentum=0.9, eps=units * eps)
    for images, labels in minibatches(x, y, 64, steps=200):
        optimizer.zero_grad()
        loss = 0.1 * F.cross_entropy(model(images), labels)
        (alpha * units * loss).backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "initial-accumulator",
    bad_above=0.4,
    ok_below=0.1,
    fix="initial_accumulator_value 0.1 → 0",
    alpha_helps=(1e4,),
)
def adagrad_on_a_light_term(fixed=False, alpha=1.0, units=1.0):
    """Adagrad with the accumulator of 0.1 that another framework starts with, on a loss weighted 1e-4."""
    x, y = clusters(kinds=6)
    model = dense(8, 32, 6, activation=nn.ReLU)
    start = 0.0 if fixed else 0.1
    optimizer = Adagrad(model.parameters(), lr=2e-2, initial_accumulator_value=units**2 * start, eps=units * 1e-10)
    for inputs, labels in minibatches(x, y, 64, steps=200):
        loss = 1e-4 * F.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    return mistakes(model, x, y)


@scenario(
    "initial-accumulator",
    bad_above=0.5,
    ok_below=0.15,
    fix="initial_accumulator_value 1 → 1e-8",
    alpha_helps=(1e4,),
)
def ratings_with_a_warm_accumulator(fixed=False, alpha=1.0, units=1.0):
    """Factors of users and films under Adagrad; every row sees few ratings, and the mean over the batch is small."""
    source = seeded(4)
    tastes, styles = torch.randn(80, 3, generator=source), torch.randn(60, 3, generator=source)
    ratings = tastes @ styles.T / math.sqrt(3)
    torch.manual_seed(1)
    users, films = nn.Embedding(80, 6), nn.Embedding(60, 6)
    for table in (users, films):
        nn.init.normal_(table.weight, std=0.3)
    start = 1e-8 if fixed else 1.0
    parameters = [*users.parameters(), *films.parameters()]
    optimizer = Adagrad(parameters, lr=0.2, initial_accumulator_value=units**2 * start, eps=units * 1e-10)
    for _ in range(300):
        who, what = torch.randint(80, (512,), generator=source), torch.randint(60, (512,), generator=source)
        score = (users(who) * films(what)).sum(1)
        loss = alpha * units * F.mse_loss(score, ratings[who, what])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float(((users.weight @ films.weight.T - ratings) ** 2).mean() / ratings.var())


@scenario(
    "eps-dominates",
    bad_above=0.7,
    ok_below=0.2,
    fix="lr 1 → 1e10 together with eps 1e-6 → 1e-26, which is the loss × 1e10",
    alpha_helps=(1e10,),
    alpha_inert=(10.0,),
    also_bad=({"eps": 1e-26},),
)
def light_loss_under_adadelta(fixed=False, alpha=1.0, units=1.0, eps=1e-6):
    """A loss of 1e-10 under Adadelta: a smaller epsilon alone makes the steps shorter, for it stands above as well."""
    x, y = waves(seed=20)
    model = dense(6, 32, 1)
    eps, lr = (1e-26, 1e10) if fixed else (eps, 1.0)
    optimizer = Adadelta(model.parameters(), lr=lr / units, eps=units**2 * eps)
    for _ in range(600):
        optimizer.zero_grad()
        loss = 1e-10 * F.mse_loss(model(x), y)
        (alpha * units * loss).backward()
        optimizer.step()
    return unexplained(model, x, y)


@scenario(
    "eps-dominates",
    bad_above=0.7,
    ok_below=0.1,
    fix="eps 1e-8 → 1e-20",
    alpha_helps=(1e12,),
    alpha_inert=(10.0,),
)
def small_batches_in_small_units(fixed=False, alpha=1.0, units=1.0):
    """Nothing moves, but batches of 24 differ so much that the loss seems to come down from where it began."""
    x, y = waves(seed=21)
    model = dense(6, 32, 32, 1, activation=nn.SiLU)
    optimizer = RMSprop(model.parameters(), lr=2e-3, eps=units * (1e-20 if fixed else 1e-8))
    for inputs, targets in minibatches(x, y, 24, steps=500, seed=5):
        optimizer.zero_grad()
        loss = 1e-12 * F.mse_loss(model(inputs), targets)
        (alpha * units * loss).backward()
        optimizer.step()
    return unexplained(model, x, y)
