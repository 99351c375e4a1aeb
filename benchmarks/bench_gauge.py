"""What the statistics of one step cost, in units of the training's own step on the same machine in the same round.

The promise is at most one step for a sample without trial steps; the schedule then decides how many samples a
training can afford. Trial steps (elasticity, lost updates) are counted apart. For comparison, what others do: a
histogram of every gradient, as experiment trackers take it, and a dozen statistics for each tensor, each of them
fetched at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from lossgauge.frameworks.torch.gauging.statistics import Before, after, before
from lossgauge.laws.table import read_table

ADAM = read_table()["torch.optim:Adam"].law


class Block(nn.Module):
    """One layer of a transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        normal = self.first(tokens)
        tokens = tokens + self.attention(normal, normal, normal, need_weights=False)[0]
        return tokens + self.feed(self.second(tokens))


def mlp() -> tuple[nn.Module, Tensor]:
    layers = [nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)]
    return nn.Sequential(*layers), torch.randn(128, 784)


def cnn() -> tuple[nn.Module, Tensor]:
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(400, 20)), torch.randn(128, 1, 28, 28)


def gpt() -> tuple[nn.Module, Tensor]:
    blocks = [Block(256) for _ in range(4)]
    return nn.Sequential(nn.Embedding(256, 256), *blocks, nn.Linear(256, 256)), torch.randint(0, 256, (8, 128))


class Training:
    """A model under Adam, on one thread."""

    def __init__(self, build: Callable[[], tuple[nn.Module, Tensor]]) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.model, self.batch = build()
        self.optimizer = torch.optim.Adam(self.model.parameters())
        group = self.optimizer.param_groups[0]
        self.watched = [(number, tensor, group) for number, tensor in enumerate(group["params"])]
        self.gradients = lambda: [tensor.grad for _, tensor, _ in self.watched if tensor.grad is not None]

    def backward(self) -> None:
        self.optimizer.zero_grad()
        self.model(self.batch).square().mean().backward()


def seconds(action: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    outcome = action()
    return time.perf_counter() - started, outcome


@dataclass
class Round:
    """One step and one sample of it, in seconds."""

    step: float
    sample: float

    @classmethod
    def of(cls, training: Training, deep: bool) -> "Round":
        backward, _ = seconds(training.backward)
        looking, start = seconds(lambda: before(training.optimizer, training.watched, ADAM, deep))
        step, _ = seconds(training.optimizer.step)
        looking_again, _ = seconds(lambda: after(start))
        return cls(backward + step, looking + looking_again)


def median(ratios: list[float]) -> float:
    return sorted(ratios)[len(ratios) // 2]


def report(benchmark: BenchmarkFixture, what: str, ratio: float) -> None:
    benchmark.extra_info[what] = ratio
    print(f"{what}: {ratio:.3f} of a step")


@pytest.mark.parametrize("deep", [False, True], ids=["statistics", "with trial steps"])
@pytest.mark.parametrize("build", [mlp, cnn, gpt], ids=lambda build: build.__name__)
def bench_sample(benchmark: BenchmarkFixture, build: Callable[[], tuple[nn.Module, Tensor]], deep: bool) -> None:
    """A sample against the step it was taken of, one by one."""
    training = Training(build)
    rounds = [Round.of(training, deep) for _ in range(4 if build is gpt else 20)][1:]
    ratio = median([one.sample / one.step for one in rounds])
    report(benchmark, f"{build.__name__}, sample{' with trial steps' if deep else ''}", ratio)
    if not deep:
        assert ratio <= 1.0, f"a sample took {ratio:.2f} steps, promised is 1"

    def seen() -> tuple[tuple[Before], dict[str, Any]]:
        start = before(training.optimizer, training.watched, ADAM, deep)
        training.optimizer.step()
        return (start,), {}

    benchmark.pedantic(after, setup=seen, rounds=3)


def histograms(training: Training) -> None:
    """What trackers of experiments do with every gradient."""
    for gradient in training.gradients():
        low, high = gradient.min().item(), gradient.max().item()
        torch.histc(gradient, 64, low, high).tolist()


def fetched_one_by_one(training: Training) -> list[float]:
    """A dozen statistics for each tensor, each brought to the CPU by itself."""
    found: list[float] = []
    for _, weight, _ in training.watched:
        state = training.optimizer.state[weight]
        for values in (weight.grad, weight.detach(), state["exp_avg"], state["exp_avg_sq"].sqrt()):
            assert values is not None
            found += [values.norm().item(), values.abs().max().item(), (values.abs() < 1e-8).float().mean().item()]
    return found


@pytest.mark.parametrize("look", [histograms, fetched_one_by_one], ids=lambda look: look.__name__)
@pytest.mark.parametrize("build", [mlp, cnn, gpt], ids=lambda build: build.__name__)
def bench_others(benchmark: BenchmarkFixture, build: Callable[[], Any], look: Callable[[Training], Any]) -> None:
    training = Training(build)
    ratios: list[float] = []
    for _ in range(4 if build is gpt else 20):
        backward, _ = seconds(training.backward)
        step, _ = seconds(training.optimizer.step)
        taken, _ = seconds(lambda: look(training))
        ratios.append(taken / (backward + step))
    report(benchmark, f"{build.__name__}, {look.__name__}", median(ratios[1:]))
    benchmark.pedantic(look, (training,), rounds=3, warmup_rounds=1)
