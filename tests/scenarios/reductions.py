"""From items to one number: sums and means over batches, micro-batches and classes."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam

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
    "accumulation-not-divided",
    bad_above=0.4,
    ok_below=0.1,
    fix="loss / 32 in front of backward",
    alpha_helps=(1 / 32,),
)
def thirty_two_micro_batches_are_summed(fixed=False, alpha=1.0, units=1.0):
    """Memory got scarce: batches of 4, and a step after every 32nd. lr and momentum are those of the large batch."""
    x, y = strokes(seed=6)
    model = small_convnet()
    optimizer = SGD(model.parameters(), lr=0.2 / units, momentum=0.9)
    for number, (images, labels) in enumerate(minibatches(x, y, 4, steps=32 * 25), start=1):
        loss = alpha * units * F.cross_entropy(model(images), labels)
        if fixed:
            loss = loss / 32
        loss.backward()
        if number % 32 == 0:
            optimizer.step()
            optimizer.zero_grad()
    return mistakes(model, x, y)


@scenario(
    "accumulation-not-divided",
    bad_above=0.7,
    ok_below=0.15,
    fix="loss / 16 in front of backward",
    alpha_helps=(1 / 16,),
)
def sixteen_micro_batches_inside_a_step(fixed=False, alpha=1.0, units=1.0):
    """Two nested loops, plain SGD at a rate that one mean just bears."""
    x, y = waves(seed=11)
    model = dense(6, 48, 1, activation=nn.ReLU)
    optimizer = SGD(model.parameters(), lr=0.3 / units)
    batches = minibatches(x, y, 16, steps=16 * 120)
    for _ in range(120):
        optimizer.zero_grad()
        for _ in range(16):
            inputs, targets = next(batches)
            loss = F.mse_loss(model(inputs), targets)
            (alpha * units * (loss / 16 if fixed else loss)).backward()
        optimizer.step()
    return unexplained(model, x, y)


PADDING = -100


def conversations(source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two micro-batches of token pairs (now, next): long texts go one way, short answers, mostly padding, the other."""
    now = torch.randint(6, (2, 16, 24), generator=source)
    chance = torch.rand(2, 16, 24, generator=source)
    onward, back = (now + 1) % 6, (now - 1) % 6
    following = torch.where(chance < torch.tensor([0.85, 0.1])[:, None, None], onward, back)
    following[1, :, 1:] = PADDING
    return now, following


@scenario(
    "mean-of-means",
    bad_above=0.1,
    ok_below=0.02,
    fix="the sum over the window divided by the number of its tokens",
    alpha_inert=(2.0, 100.0),
    also_bad=({"lr": 1e-3}, {"lr": 5e-2}),
)
def language_model_with_short_answers(fixed=False, alpha=1.0, units=1.0, lr=2e-2):
    """Two micro-batches per step, 384 tokens and 16; each divides by its own number of tokens that are not padding."""
    source = seeded(0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(6, 12), nn.Linear(12, 6))
    optimizer = Adam(model.parameters(), lr=lr, eps=units * 1e-8)
    for _ in range(300):
        now, following = conversations(source)
        items = int((following != PADDING).sum())
        optimizer.zero_grad()
        for inputs, targets in zip(now, following, strict=True):
            logits = model(inputs).flatten(0, 1)
            if fixed:
                loss = F.cross_entropy(logits, targets.flatten(), ignore_index=PADDING, reduction="sum") / items
            else:
                loss = F.cross_entropy(logits, targets.flatten(), ignore_index=PADDING) / 2
            (alpha * units * loss).backward()
        optimizer.step()
    share = (384 * 0.85 + 16 * 0.1) / 400
    with torch.no_grad():
        logs = torch.log_softmax(model(torch.arange(6)), -1).double()
    onward, back = logs[range(6), [1, 2, 3, 4, 5, 0]].mean(), logs[range(6), [5, 0, 1, 2, 3, 4]].mean()
    best = -share * math.log(share) - (1 - share) * math.log(1 - share)
    return float(-share * onward - (1 - share) * back) - best


@scenario(
    "mean-of-means",
    bad_above=0.1,
    ok_below=0.02,
    fix="the sum over the window divided by the number of its items",
    alpha_inert=(2.0, 100.0),
)
def answers_of_opposite_kinds(fixed=False, alpha=1.0, units=1.0):
    """Eight items of which nine in ten are positive beside 320 of which one is: at a half both lose the same."""
    source = seeded(23)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(12, 16), nn.Linear(16, 2))
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * 1e-8)
    for _ in range(600):
        optimizer.zero_grad()
        for items, share in ((8, 0.9), (320, 0.1)):
            words = torch.randint(12, (items,), generator=source)
            answers = (torch.rand(items, generator=source) < share).long()
            sums = F.cross_entropy(model(words), answers, reduction="sum") / 328
            loss = sums if fixed else F.cross_entropy(model(words), answers) / 2
            (alpha * units * loss).backward()
        optimizer.step()
    share = (8 * 0.9 + 320 * 0.1) / 328
    with torch.no_grad():
        logs = torch.log_softmax(model(torch.arange(12)), -1).double().mean(0)
    best = -share * math.log(share) - (1 - share) * math.log(1 - share)
    return float(-share * logs[1] - (1 - share) * logs[0]) - best


def rare_disease(items: int = 600) -> tuple[Tensor, Tensor]:
    """One item in twenty is ill; the two clouds overlap."""
    source = seeded(7)
    labels = (torch.rand(items, generator=source) < 0.05).long()
    return torch.randn(items, 3, generator=source) + 1.5 * labels[:, None], labels


def balanced_mistakes(model: nn.Module, x: Tensor, labels: Tensor) -> float:
    """The share of wrong classes, averaged over the classes."""
    return sum(mistakes(model, x[labels == kind], labels[labels == kind]) for kind in (0, 1)) / 2


@scenario(
    "weighted-mean-cancels",
    bad_above=0.25,
    ok_below=0.18,
    fix="reduction='none' and the mean over items: the weights then stay",
    alpha_inert=(3.0, 0.1),
)
def class_weights_with_batches_of_one(fixed=False, alpha=1.0, units=1.0):
    """Batch size 1 and class weights of 1 and 19: the weighted mean divides by the very weight it multiplied with."""
    x, y = rare_disease()
    weights = torch.tensor([1.0, 19.0])
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = SGD(model.parameters(), lr=4e-3 / units)
    for patient, diagnosis in minibatches(x, y, 1, steps=2000):
        loss = F.cross_entropy(model(patient), diagnosis, weight=weights, reduction="none" if fixed else "mean")
        optimizer.zero_grad()
        (alpha * units * loss.mean()).backward()
        optimizer.step()
    return balanced_mistakes(model, x, y)


@scenario(
    "weighted-mean-cancels",
    bad_above=0.25,
    ok_below=0.18,
    fix="reduction='sum' divided by the batch size",
    alpha_inert=(100.0,),
)
def class_weights_with_batches_of_one_class(fixed=False, alpha=1.0, units=1.0):
    """The files hold one class each, and so do the batches, in the classes' own proportion; the weights cancel."""
    x, y = rare_disease(1200)
    source = seeded(8)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 19.0]), reduction="sum" if fixed else "mean")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = Adam(model.parameters(), lr=2e-3, eps=units * 1e-8)
    for _ in range(800):
        kind = int(torch.rand((), generator=source) < 0.05)
        members = torch.nonzero(y == kind).flatten()
        chosen = members[torch.randint(len(members), (16,), generator=source)]
        loss = criterion(model(x[chosen]), y[chosen])
        if fixed:
            loss = loss / 16
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    return balanced_mistakes(model, x, y)


class Smoothness(torch.autograd.Function):
    """The sum of squares, with a gradient written by hand; `keeps` says whether it uses grad_output."""

    @staticmethod
    def forward(ctx, values, keeps):
        ctx.save_for_backward(values)
        ctx.keeps = keeps
        return (values**2).sum()

    @staticmethod
    def backward(ctx, *grad_outputs):
        (values,) = ctx.saved_tensors
        return 2 * values * grad_outputs[0] if ctx.keeps else 2 * values, None


@scenario(
    "grad-output-ignored",
    bad_above=0.6,
    ok_below=0.1,
    fix="multiply by grad_output in backward",
    alpha_inert=(2.0,),
    also_bad=({"weight": 1e-6}, {"weight": 0.0}),
    lawful=False,
)
def penalty_that_ignores_its_weight(fixed=False, alpha=1.0, units=1.0, weight=1e-4):
    """A penalty with a hand-written gradient and a weight of 1e-4, which never reaches the gradient."""
    x, y = waves(seed=12)
    model = dense(6, 32, 32, 1)
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * 1e-8)
    for inputs, targets in minibatches(x, y, 64, steps=400):
        outputs = model(inputs)
        loss = F.mse_loss(outputs, targets) + weight * Smoothness.apply(outputs, fixed)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    return unexplained(model, x, y)


class SoftmaxLoss(torch.autograd.Function):
    """Cross-entropy, mean over the batch, with a gradient written by hand."""

    @staticmethod
    def forward(ctx, logits, labels, keeps):
        shares = torch.softmax(logits, 1)
        ctx.save_for_backward(shares, labels)
        ctx.keeps = keeps
        return F.nll_loss(shares.log(), labels)

    @staticmethod
    def backward(ctx, *grad_outputs):
        shares, labels = ctx.saved_tensors
        gradient = (shares - F.one_hot(labels, shares.shape[1])) / len(labels)
        return gradient * grad_outputs[0] if ctx.keeps else gradient, None, None


@scenario(
    "grad-output-ignored",
    bad_above=0.4,
    ok_below=0.15,
    fix="multiply by grad_output in backward",
    alpha_inert=(1 / 64, 64.0),
    lawful=False,
)
def fast_loss_that_ignores_the_division(fixed=False, alpha=1.0, units=1.0):
    """Gradients of 64 micro-batches are accumulated, the loss is divided as it should be, and nobody listens."""
    x, y = clusters(items=256, kinds=6, seed=8)
    model = dense(8, 32, 32, 6, activation=nn.ReLU)
    optimizer = SGD(model.parameters(), lr=0.3 / units, momentum=0.9)
    for number, (inputs, labels) in enumerate(minibatches(x, y, 8, steps=64 * 25), start=1):
        loss = SoftmaxLoss.apply(model(inputs), labels, fixed)
        (alpha * units * loss / 64).backward()
        if number % 64 == 0:
            optimizer.step()
            optimizer.zero_grad()
    return mistakes(model, x, y)
