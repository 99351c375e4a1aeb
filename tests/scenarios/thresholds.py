"""Numbers in units of the loss, or of the target, that stand outside of the optimizer's formula."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import LBFGS, SGD, Adam, AdamW
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tests.scenarios.data import clusters, dense, minibatches, mistakes, seeded, unexplained, waves
from tests.scenarios.scenario import scenario


@scenario(
    "absolute-stop-threshold",
    bad_above=0.5,
    ok_below=0.1,
    fix="min_delta 1e-4 → 1e-10, or progress relative to the best loss",
    alpha_helps=(1e6,),
    alpha_inert=(3.0, 0.01),
)
def early_stopping_by_an_absolute_gain(fixed=False, alpha=1.0, units=1.0):
    """Early stopping as everyone writes it, with min_delta = 1e-4; this loss starts at 1e-6."""
    x, y = waves(seed=13)
    model = dense(6, 32, 32, 1)
    optimizer = Adam(model.parameters(), lr=1e-3, eps=units * 1e-14)
    min_delta = units * (1e-10 if fixed else 1e-4)
    best, patience = math.inf, 10
    for _ in range(800):
        optimizer.zero_grad()
        loss = alpha * units * ((1e-3 * (model(x) - y)) ** 2).mean()
        loss.backward()
        optimizer.step()
        if loss.item() < best - min_delta:
            best, patience = loss.item(), 10
        else:
            patience -= 1
            if patience == 0:
                break
    return unexplained(model, x, y)


@scenario(
    "absolute-stop-threshold",
    bad_above=0.5,
    ok_below=0.1,
    fix="min_delta 1e-3 → 1e-12",
    alpha_helps=(1e9,),
    alpha_inert=(3.0, 0.01),
)
def options_of_a_training_loop(fixed=False, alpha=1.0, units=1.0):
    """The same where a loop keeps the number deep in its options."""
    options = {"lr": 5e-4, "early_stop": {"min_delta": units * (1e-12 if fixed else 1e-3), "patience": 30}}
    x, y = waves(seed=22)
    model = dense(6, 32, 32, 1)
    optimizer = Adam(model.parameters(), lr=options["lr"], eps=units * 1e-15)
    best, waited = math.inf, 0
    for _ in range(800):
        optimizer.zero_grad()
        loss = alpha * units * 1e-6 * F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        stop = options["early_stop"]
        best, waited = (loss.item(), 0) if loss.item() < best - stop["min_delta"] else (best, waited + 1)
        if waited == stop["patience"]:
            break
    return unexplained(model, x, y)


@scenario(
    "absolute-stop-threshold",
    bad_above=0.3,
    ok_below=0.01,
    fix="tolerance_grad and tolerance_change × 1e-8, or loss × 1e8",
    alpha_helps=(1e8,),
    lawful=False,
)
def decay_curve_by_quasi_newton(fixed=False, alpha=1.0, units=1.0):
    """Amplitude, rate and offset of a signal in volts by L-BFGS; with its defaults it stops where it starts."""
    time = torch.linspace(0, 4, 80, dtype=torch.float64)
    signal = 3e-4 * (2.0 * torch.exp(-1.3 * time) + 0.5)
    unknown = nn.Parameter(torch.tensor([1.0, 0.3, 0.0], dtype=torch.float64))
    of_gradient, of_change = (1e-15, 1e-17) if fixed else (1e-7, 1e-9)
    optimizer = LBFGS(
        [unknown],
        max_iter=50,
        tolerance_grad=of_gradient,
        tolerance_change=of_change,
        line_search_fn="strong_wolfe",
    )

    def curve():
        amplitude, rate, offset = unknown
        return 3e-4 * (amplitude * torch.exp(-rate * time) + offset)

    def closure():
        optimizer.zero_grad()
        loss = alpha * units * ((curve() - signal) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    with torch.no_grad():
        return float(((curve() - signal) ** 2).mean() / signal.var())


@scenario(
    "absolute-stop-threshold",
    bad_above=0.4,
    ok_below=0.15,
    fix="threshold_mode='rel'",
    alpha_inert=(1.5, 0.1),
)
def plateau_that_sees_no_progress(fixed=False, alpha=1.0, units=1.0):
    """SGD on a loss of 1e-5 with a learning rate to match; the scheduler waits for a gain of 1e-3 per epoch."""
    x, y = clusters(kinds=10, seed=14)
    model = dense(8, 32, 10, activation=nn.ReLU)
    optimizer = SGD(model.parameters(), lr=1e2 / units, momentum=0.9)
    mode, threshold = ("rel", 1e-3) if fixed else ("abs", units * 1e-3)
    schedule = ReduceLROnPlateau(optimizer, patience=2, threshold=threshold, threshold_mode=mode, eps=1e-8 / units)
    for epoch in range(50):
        for inputs, labels in minibatches(x, y, 64, steps=16, seed=epoch):
            loss = alpha * units * 1e-5 * F.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            schedule.step(alpha * units * 1e-5 * F.cross_entropy(model(x), y))
    return mistakes(model, x, y)


@scenario(
    "loss-knee-unit",
    bad_above=0.5,
    ok_below=0.05,
    fix="beta 1 → 0.002, a spread of the residuals",
    alpha_inert=(1e3, 1e-2),
)
def smooth_l1_on_displacements_in_metres(fixed=False, alpha=1.0, units=1.0):
    """Displacements of 3 mm with outliers of 20 cm, in metres; smooth L1 with beta = 1 is a square for all of them."""
    source = seeded(1)
    x = torch.randn(400, 3, generator=source)
    true = 3e-3 * (x @ torch.tensor([[0.7], [-0.6], [0.4]]))
    measured = true + 0.2 * (torch.rand(400, 1, generator=source) < 0.12).float()
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = AdamW(model.parameters(), lr=2e-3, eps=units * 1e-14, weight_decay=0.0)
    beta = 2e-3 if fixed else 1.0
    for step in range(800):
        if step == 500:
            optimizer.param_groups[0]["lr"] = 2e-4
        loss = alpha * units * F.smooth_l1_loss(model(x), measured, beta=beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unexplained(model, x, true)


@scenario(
    "loss-knee-unit",
    bad_above=0.3,
    ok_below=0.08,
    fix="delta 1 → 1000: above the residuals, as the mean is wanted",
    alpha_inert=(100.0, 0.01),
)
def demand_in_pieces_under_huber(fixed=False, alpha=1.0, units=1.0):
    """Expected sales of hundreds of pieces, skewed; Huber's delta of 1 turns the mean that is wanted into a median."""
    source = seeded(2)
    x = torch.randn(4000, 2, generator=source)
    expected = 100 * torch.exp(0.6 * x[:, :1] + 0.3 * x[:, 1:])
    sold = expected * torch.exp(torch.randn(4000, 1, generator=source) - 0.5)
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.bias.fill_(4.5)
    optimizer = Adam(model.parameters(), lr=1e-2, eps=units * 1e-8)
    delta = 1000.0 if fixed else 1.0
    for _ in range(600):
        loss = F.huber_loss(model(x).exp(), sold, delta=delta)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    with torch.no_grad():
        return float(((model(x).exp() - expected) ** 2).mean() / expected.var())


@scenario(
    "target-unit",
    bad_above=0.9,
    ok_below=0.1,
    fix="targets standardised, predictions scaled back",
    alpha_inert=(1e4, 1e-4),
)
def house_prices_in_francs(fixed=False, alpha=1.0, units=1.0):
    """Prices of 400 000 ± 100 000, as they stand in the table, under Adam: a step of 1e-3 at a time."""
    x, y = waves(seed=14)
    prices = 400_000 + 100_000 * y
    mean, spread = (prices.mean(), prices.std()) if fixed else (0.0, 1.0)
    model = dense(6, 48, 48, 1, activation=nn.ReLU)
    optimizer = Adam(model.parameters(), lr=2e-3, eps=units * 1e-8)
    for inputs, targets in minibatches(x, (prices - mean) / spread, 64, steps=400):
        optimizer.zero_grad()
        loss = alpha * units * F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float(((model(x) * spread + mean - prices) ** 2).mean() / prices.var())


@scenario(
    "target-unit",
    bad_above=0.9,
    ok_below=0.15,
    fix="years counted from their mean, in units of their spread",
    alpha_inert=(1e2, 1e-2),
    also_bad=({"lr": 1e-2}, {"lr": 3e-4}),
)
def years_of_songs(fixed=False, alpha=1.0, units=1.0, lr=2e-3):
    """The year of a song, 1950 to 2020; the network starts at 0 and spends its time on the way to 1990."""
    x, y = waves(seed=15)
    years = 1990 + 12 * y
    origin, spread = (1990.0, 12.0) if fixed else (0.0, 1.0)
    model = dense(6, 64, 1)
    optimizer = AdamW(model.parameters(), lr=lr, eps=units * 1e-8)
    for _ in range(400):
        optimizer.zero_grad()
        loss = F.l1_loss(model(x), (years - origin) / spread)
        (alpha * units * loss).backward()
        optimizer.step()
    with torch.no_grad():
        return float(((model(x) * spread + origin - years) ** 2).mean() / years.var())
