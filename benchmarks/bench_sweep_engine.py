"""The sweep's engine against the loop a user would write, per processor: replica-steps in a second of processor time.

The two take turns in one process on one thread, and processor time is compared, for these machines are shared. What is
compared is the same work: losses agree up to rounding over the first ten steps. The engine's time is that of a whole
call, recording and models included; compiling is told apart, for it happens once for a workload.
"""

import resource
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from lossgauge.frameworks.torch.stacking.engine import run_settings
from lossgauge.records.sweep import Outcome, Setting, Workload

W1 = Workload("mlp-16-64-64-1", "mse", "regression", 500)
W2 = Workload("mlp-784-256-256-10", "cross-entropy", "classification", 40)
W3 = Workload("cnn-1-8-16", "cross-entropy", "images", 20)
OPTIMIZERS = {
    "momentum": ("torch.optim:SGD", {"momentum": 0.9}),
    "adam": ("torch.optim:Adam", {}),
    "adamw": ("torch.optim:AdamW", {}),
    "nadam": ("torch.optim:NAdam", {}),
}
FLOPS = {W1.model: 1.860e6, W2.model: 155.1e6, W3.model: 104.2e6}
"""Floating-point operations of a replica-step: the products of matrices and the convolutions alone."""
ROUNDS = 3


def settings(name: str, count: int) -> list[Setting]:
    target, extra = OPTIMIZERS[name]
    return [Setting(target, {"lr": 1e-4 * 10 ** (2 * k / count), **extra}, seed=k % 4) for k in range(count)]


def timed(work: Workload, chosen: list[Setting], tier: str) -> tuple[float, list[Outcome]]:
    begun = time.process_time()
    outcomes = run_settings(work, chosen, tier=tier)
    return len(chosen) * work.steps / (time.process_time() - begun), outcomes


def peak() -> float:
    """The most memory this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def roofline() -> float:
    """Floating-point operations in a second of processor time, in products of large matrices."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    rates: list[float] = []
    for _ in range(5):
        begun = time.process_time()
        for _ in range(3):
            torch.mm(a, b)
        rates.append(3 * 2 * 1024**3 / (time.process_time() - begun))
    return max(rates)


def agreement(fast: list[Outcome], plain: list[Outcome]) -> float:
    pairs = [(a.curve[:10], b.curve[:10]) for a, b in zip(fast, plain, strict=True)]
    return max(float(np.abs(np.array(a) / np.array(b) - 1).max()) for a, b in pairs)


def compare(benchmark: BenchmarkFixture, work: Workload, name: str, tier: str, count: int, alone: int) -> float:
    """Ratios of pairs: the engine with all settings, the plain loop with a few of them."""
    torch.set_num_threads(1)
    chosen = settings(name, count)
    begun = time.process_time()
    run_settings(replace(work, steps=2), chosen[:2], tier=tier)
    first = time.process_time() - begun
    pairs: list[tuple[float, float]] = []
    worst = 0.0
    for _ in range(ROUNDS):
        fast, outcomes = timed(work, chosen, tier)
        plain, expected = timed(work, chosen[:alone], "serial")
        worst = max(worst, agreement(outcomes[:alone], expected))
        assert {outcome.engine for outcome in outcomes} == {tier}
        pairs.append((fast, plain))
    fast, plain = sorted(pairs)[ROUNDS // 2]
    ratio = sorted(a / b for a, b in pairs)[ROUNDS // 2]
    share = fast * FLOPS[work.model] / roofline()
    print(
        f"{work.model} {name} {tier}: {fast:.0f} against {plain:.0f} replica-steps per CPU second, {ratio:.1f} times "
        f"(pairs {', '.join(f'{a / b:.1f}' for a, b in pairs)}); {share:.0%} of the roofline; "
        f"first call {first:.1f} s; largest difference {worst:.1e}"
    )
    benchmark.extra_info.update(ratio=ratio, rate=fast, plain=plain, roofline=share, difference=worst)
    assert worst < 2e-6
    benchmark.pedantic(run_settings, (replace(work, steps=5), chosen[:8]), dict(tier=tier), rounds=1)
    return ratio


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("tier", "promise"), [("compiled", 12.5), ("stacked", 7.5)])
def bench_small_network(benchmark: BenchmarkFixture, name: str, tier: str, promise: float) -> None:
    """Two processes then give twice as much, against one plain loop."""
    ratio = compare(benchmark, W1, name, tier, 256, 4)
    assert ratio >= promise, f"promised is {promise} times the plain loop"


@pytest.mark.parametrize(("work", "count"), [(W2, 64), (W3, 32)], ids=["wide", "convolutional"])
def bench_where_products_dominate(benchmark: BenchmarkFixture, work: Workload, count: int) -> None:
    ratio = compare(benchmark, work, "adam", "compiled", count, 3)
    assert ratio >= 0.9, "two processes were to be 1.8 times as fast as one plain loop"


def bench_growth(benchmark: BenchmarkFixture) -> None:
    """Cost for each replica, and memory, from 64 to 4096 of them."""
    torch.set_num_threads(1)
    work = replace(W1, steps=100)
    rates: dict[int, float] = {}
    memory: dict[int, float] = {}
    run_settings(work, settings("adam", 2))
    for count in (64, 256, 1024, 4096):
        rates[count], _ = timed(work, settings("adam", count), "compiled")
        memory[count] = peak()
        print(f"{count} replicas: {rates[count]:.0f} replica-steps per CPU second, peak {memory[count]:.0f} MB")
    benchmark.extra_info.update({f"rate of {count}": rate for count, rate in rates.items()})
    assert rates[4096] > 0.75 * max(rates.values())
    assert memory[4096] - memory[64] < 64
    benchmark.pedantic(run_settings, (work, settings("adam", 8)), rounds=1)
