"""Losses as people write them, and what each of them is."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical, Normal, kl_divergence

ROWS, FEATURES = 8, 3
EVERYTHING = ROWS * FEATURES


@dataclass(frozen=True)
class Way:
    """A loss, and what a reading of it should say: kind, divisor, number of elements, factor."""

    name: str
    write: Callable[["Bench"], Tensor]
    kind: str
    items: int
    elements: int
    factor: float = 1.0


class Bench:
    """A small network with everything a loss may compare its output with."""

    def __init__(self):
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, FEATURES)
        self.model = nn.Sequential(self.first, nn.Tanh(), self.last)
        self.x = torch.randn(ROWS, 6)
        self.y = torch.randn(ROWS, FEATURES)
        self.labels = torch.tensor([0, 1, 2, 0, 1, 0, 2, 1])
        self.shares = F.softmax(torch.randn(ROWS, FEATURES), 1)
        self.mask = torch.tensor([1.0, 1, 1, 0, 1, 0, 1, 1])
        self.advantages = torch.randn(ROWS)
        self.before = torch.randn(ROWS)
        self.encoder = nn.Linear(6, 10)

    @property
    def out(self) -> Tensor:
        return self.model(self.x)

    @property
    def d(self) -> Tensor:
        return self.out - self.y

    @property
    def logs(self) -> Tensor:
        return F.log_softmax(self.out, 1)

    @property
    def picked(self) -> Tensor:
        return self.logs.gather(1, self.labels[:, None]).squeeze(1)

    @property
    def latent(self) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(self.x).chunk(2, 1)
        return mean, log_variance


def gaussian_divergence(b: Bench, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    mean, log_variance = b.latent
    return -0.5 * reduce(1 + log_variance - mean**2 - log_variance.exp())


def divergence_of_distributions(b: Bench) -> Tensor:
    mean, log_variance = b.latent
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    return kl_divergence(Normal(mean, (log_variance / 2).exp()), prior).sum(1).mean()


def divergence_of_deviations(b: Bench) -> Tensor:
    mean, raw = b.latent
    deviation = F.softplus(raw)
    return (-deviation.log() + (deviation**2 + mean**2) / 2 - 0.5).sum(1).mean()


def clipped_ratio(b: Bench) -> Tensor:
    ratio = (b.picked - b.before).exp()
    return -torch.min(ratio * b.advantages, ratio.clamp(0.8, 1.2) * b.advantages).mean()


def squared_by_itself(b: Bench, divisor: float) -> Tensor:
    d = b.d
    return (d * d).sum() / divisor


def written_huber(b: Bench) -> Tensor:
    d = b.d
    return torch.where(d.abs() < 1, 0.5 * d**2, d.abs() - 0.5).mean()


def written_binary(b: Bench) -> Tensor:
    p = torch.sigmoid(b.out)
    return -(b.shares * p.log() + (1 - b.shares) * (1 - p).log()).mean()


ALL, BATCH = EVERYTHING, ROWS
WAYS = [
    Way("square, mean", lambda b: (b.d**2).mean(), "regression", ALL, ALL),
    Way("target minus output", lambda b: ((b.y - b.out) ** 2).mean(), "regression", ALL, ALL),
    Way("square of what is scaled", lambda b: (1e-3 * b.d).square().mean(), "regression", ALL, ALL),
    Way("product, sum over all", lambda b: squared_by_itself(b, ALL), "regression", ALL, ALL),
    Way("product, sum over rows", lambda b: squared_by_itself(b, ROWS), "regression", BATCH, ALL),
    Way("mean of rows, sum", lambda b: b.d.pow(2).mean(0).sum(), "regression", BATCH, ALL),
    Way("sum, mean of rows", lambda b: 0.5 * b.d.pow(2).sum(1).mean(), "regression", BATCH, ALL, 0.5),
    Way("F.mse_loss", lambda b: F.mse_loss(b.out, b.y), "regression", ALL, ALL),
    Way("F.mse_loss turned round", lambda b: F.mse_loss(b.y, b.out), "regression", ALL, ALL),
    Way("nn.MSELoss sum", lambda b: nn.MSELoss(reduction="sum")(b.out, b.y), "regression", 1, ALL),
    Way("F.mse_loss sum by rows", lambda b: F.mse_loss(b.out, b.y, reduction="sum") / ROWS, "regression", BATCH, ALL),
    Way("F.mse_loss none", lambda b: F.mse_loss(b.out, b.y, reduction="none").mean(), "regression", ALL, ALL),
    Way("norm squared", lambda b: b.d.norm() ** 2, "regression", 1, ALL),
    Way("norm of rows", lambda b: b.d.norm(dim=1).mean(), "regression", BATCH, ALL),
    Way("mean absolute", lambda b: torch.mean(torch.abs(b.d)), "regression", ALL, ALL),
    Way("F.l1_loss", lambda b: F.l1_loss(b.out, b.y), "regression", ALL, ALL),
    Way("F.smooth_l1_loss", lambda b: 3 * F.smooth_l1_loss(b.out, b.y, beta=0.3), "regression", ALL, ALL, 3.0),
    Way("F.huber_loss", lambda b: F.huber_loss(b.out, b.y, delta=0.3), "regression", ALL, ALL),
    Way("Huber by hand", written_huber, "regression", ALL, ALL),
    Way("logarithm of cosh", lambda b: torch.log(torch.cosh(b.d)).mean(), "regression", ALL, ALL),
    Way("root of the mean", lambda b: torch.sqrt(F.mse_loss(b.out, b.y)), "regression", ALL, ALL),
    Way("Charbonnier", lambda b: torch.sqrt(b.d**2 + 1e-6).mean(), "regression", ALL, ALL),
    Way("masked", lambda b: (b.d**2 * b.mask[:, None]).sum() / (b.mask.sum() * 3), "regression", 18, 18),
    Way("Gaussian likelihood", lambda b: -Normal(b.out, 1.0).log_prob(b.y).mean(), "regression", ALL, ALL, -1.0),
    Way("F.cross_entropy", lambda b: F.cross_entropy(b.out, b.labels), "classification", 8, 8),
    Way("sum", lambda b: F.cross_entropy(b.out, b.labels, reduction="sum"), "classification", 1, 8),
    Way("ignored", lambda b: F.cross_entropy(b.out, b.labels, ignore_index=0), "classification", 5, 5),
    Way("smoothed", lambda b: F.cross_entropy(b.out, b.labels, label_smoothing=0.1), "classification", 8, 8),
    Way("class weights", lambda b: F.cross_entropy(b.out, b.labels, torch.rand(3)), "classification", 8, 8),
    Way("soft targets", lambda b: F.cross_entropy(b.out, b.shares), "classification", 8, 8, -1.0),
    Way("sequences", lambda b: F.cross_entropy(b.out.view(2, 4, 3).transpose(1, 2), b.labels.view(2, 4)),
        "classification", 8, 8),
    Way("picked", lambda b: -b.picked.mean(), "classification", 8, 8, -1.0),
    Way("picked by index", lambda b: -b.logs[range(ROWS), b.labels].mean(), "classification", 8, 8, -1.0),
    Way("picked and masked", lambda b: -(b.picked * b.mask).sum() / b.mask.sum(), "classification", 6, 6, -1.0),
    Way("Categorical", lambda b: -Categorical(logits=b.out).log_prob(b.labels).mean(), "classification", 8, 8, -1.0),
    Way("shares by hand", lambda b: -(b.shares * b.logs).sum(1).mean(), "classification", 8, 8, -1.0),
    Way("binary", lambda b: F.binary_cross_entropy_with_logits(b.out, b.shares), "classification", ALL, ALL),
    Way("binary of shares", lambda b: F.binary_cross_entropy(b.out.sigmoid(), b.shares), "classification", ALL, ALL),
    Way("binary by hand", written_binary, "classification", ALL, ALL, -1.0),
    Way("margin", lambda b: F.multi_margin_loss(b.out, b.labels), "classification", ALL, ALL),
    Way("two players", lambda b: F.softplus(-b.out).mean(), "classification", ALL, ALL),
    Way("divergence, sum", lambda b: gaussian_divergence(b, torch.sum), "divergence", 1, 40, -0.5),
    Way("divergence, rows", lambda b: gaussian_divergence(b, lambda t: t.sum(1).mean()), "divergence", 8, 40, -0.5),
    Way("divergence of deviations", divergence_of_deviations, "divergence", 8, 40),
    Way("divergence of distributions", divergence_of_distributions, "divergence", 8, 40, 0.5),
    Way("F.kl_div", lambda b: F.kl_div(b.logs, b.shares, reduction="batchmean"), "divergence", 8, ALL),
    Way("F.kl_div of logarithms", lambda b: F.kl_div(b.logs, b.shares.log(), reduction="sum", log_target=True),
        "divergence", 1, ALL),
    Way("policy", lambda b: -(b.picked * b.advantages).mean(), "policy", 8, 8, -1.0),
    Way("policy of Categorical", lambda b: -(Categorical(logits=b.out).log_prob(b.labels) * b.advantages).mean(),
        "policy", 8, 8, -1.0),
    Way("policy of Normal", lambda b: -(Normal(b.out, 1.0).log_prob(b.y).sum(1) * b.advantages).mean(),
        "policy", 8, ALL, -1.0),
    Way("clipped policy", clipped_ratio, "policy", 8, 8, -1.0),
    Way("entropy", lambda b: -0.01 * Categorical(logits=b.out).entropy().mean(), "other", 8, ALL, 0.01),
    Way("mean output", lambda b: -b.out.mean(), "other", ALL, ALL, -1.0),
]  # fmt: skip
