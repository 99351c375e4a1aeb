"""Several terms in one loss."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adam

from tests.scenarios.data import clusters, dense, minibatches, seeded, strokes
from tests.scenarios.scenario import scenario


@scenario(
    "term-imbalance",
    bad_above=0.4,
    ok_below=0.12,
    fix="boxes in units of the picture's width: the term divided by 200²",
    alpha_inert=(10.0, 100.0, 0.01),
)
def boxes_in_pixels_beside_classes(fixed=False, alpha=1.0, units=1.0):
    """Squared errors of positions in pixels and a cross-entropy, under SGD with the rate that the first bears."""
    x, y = clusters(kinds=4, seed=9)
    positions = 200 * (x[:, :2] + 0.5 * torch.randn(len(x), 2, generator=seeded(1)))
    torch.manual_seed(0)
    trunk, where, what = nn.Sequential(nn.Linear(8, 32), nn.Tanh()), nn.Linear(32, 2), nn.Linear(32, 4)
    model = nn.ModuleList([trunk, where, what])
    optimizer = SGD(model.parameters(), lr=(0.1 if fixed else 1e-6) / units, momentum=0.9)
    for _ in range(300):
        features = trunk(x)
        boxes = F.mse_loss(200 * where(features), positions)
        if fixed:
            boxes = boxes / 200**2
        loss = boxes + F.cross_entropy(what(features), y)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    with torch.no_grad():
        return float((what(trunk(x)).argmax(1) != y).double().mean())


@scenario(
    "term-imbalance",
    bad_above=0.5,
    ok_below=0.05,
    fix="the residual per second, not per millisecond: weight 1 → 1e-6",
    alpha_inert=(1e3, 1e-3),
)
def decay_equation_in_milliseconds(fixed=False, alpha=1.0, units=1.0):
    """u′ = −u with u(0) = 1, learned from the equation alone; the residual is in other units, and u = 0 solves it."""
    time = torch.linspace(0, 2, 48)[:, None].requires_grad_()
    start = torch.zeros(1, 1)
    model = dense(1, 24, 24, 1)
    optimizer = Adam(model.parameters(), lr=5e-3, eps=units * 1e-8)
    weight = 1.0 if fixed else 1e6
    for _ in range(300):
        u = model(time)
        (slope,) = torch.autograd.grad(u.sum(), time, create_graph=True)
        loss = weight * ((slope + u) ** 2).mean() + ((model(start) - 1) ** 2).mean()
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    with torch.no_grad():
        truth = torch.exp(-time)
        return float(((model(time) - truth) ** 2).mean() / truth.var())


class Autoencoder(nn.Module):
    """Pictures of 64 binary pixels through four Gaussian latents."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 8))
        self.decoder = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 64))

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, 1)
        return self.decoder(mean + torch.randn_like(mean) * (log_variance / 2).exp()), mean, log_variance


@scenario(
    "elbo-reduction-mismatch",
    bad_above=0.8,
    ok_below=0.5,
    fix="the sum over the pixels, as over the latents; the mean over the batch only",
    alpha_inert=(64.0, 1e3),
)
def binary_pictures_lose_their_latents(fixed=False, alpha=1.0, units=1.0):
    """Binary cross-entropy with its default mean over batch and pixels, beside a divergence summed over latents."""
    pictures = (strokes(noise=0.0)[0].flatten(1) > 0.5).float()
    model = Autoencoder()
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * 1e-8)
    for batch, _ in minibatches(pictures, pictures, 64, steps=400):
        logits, mean, log_variance = model(batch)
        reconstruction = F.binary_cross_entropy_with_logits(logits, batch)
        if fixed:
            reconstruction = reconstruction * 64
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
        loss = alpha * units * (reconstruction + divergence)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.manual_seed(1)
    with torch.no_grad():
        error = ((torch.sigmoid(model(pictures)[0]) - pictures) ** 2).mean()
    return float(error / ((pictures - pictures.mean(0)) ** 2).mean())


@scenario(
    "elbo-reduction-mismatch",
    bad_above=0.7,
    ok_below=0.4,
    fix="F.mse_loss(…, reduction='sum') / batch / (2σ²)",
    alpha_inert=(100.0,),
)
def spectra_lose_their_latents(fixed=False, alpha=1.0, units=1.0):
    """Spectra of 64 channels: F.mse_loss with its default mean, and a divergence summed over latents and batch."""
    source = seeded(2)
    sources = torch.randn(400, 3, generator=source)
    spectra = torch.sin(sources @ torch.randn(3, 64, generator=source)) + 0.1 * torch.randn(400, 64, generator=source)
    model = Autoencoder()
    optimizer = Adam(model.parameters(), lr=3e-3, eps=units * 1e-8)
    for batch, _ in minibatches(spectra, spectra, 100, steps=400):
        output, mean, log_variance = model(batch)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        if fixed:
            loss = (F.mse_loss(output, batch, reduction="sum") / (2 * 0.1) + divergence) / len(batch)
        else:
            loss = F.mse_loss(output, batch) + divergence / len(batch)
        optimizer.zero_grad()
        (alpha * units * loss).backward()
        optimizer.step()
    torch.manual_seed(1)
    with torch.no_grad():
        return float(((model(spectra)[0] - spectra) ** 2).mean() / spectra.var())
