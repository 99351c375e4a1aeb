"""A training with 1e5 parameter tensors: what the gauge costs at the first step, and at those it does not sample."""

import time
from pathlib import Path
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from lossgauge.frameworks.torch.gauging.gauge import Gauge
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal

STEPS = 6


def steps_of(count: int) -> list[float]:
    """Seconds of each step."""
    torch.manual_seed(0)
    weights = nn.ParameterList([nn.Parameter(torch.randn(2)) for _ in range(count)])
    optimizer = torch.optim.Adam(weights, lr=1e-2)
    seconds: list[float] = []
    for _ in range(STEPS):
        started = time.perf_counter()
        optimizer.zero_grad()
        torch.stack(list(weights)).square().sum().backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    return seconds


@pytest.mark.parametrize("count", [20_000, 100_000])
def bench_many_tensors(benchmark: BenchmarkFixture, tmp_path: Path, count: int) -> None:
    torch.set_num_threads(1)
    plain = steps_of(count)
    journal = Journal(tmp_path / "session.jsonl")
    journal.begin("many", [], {})
    gauge = Gauge(journal, GaugeSettings())
    with interpose(Injection(), gauge):
        observed = benchmark.pedantic(steps_of, (count,), rounds=1)
    benchmark.extra_info |= {"step": median(plain), "observed_seconds": gauge.schedule.spent}
    print(
        f"{count} tensors: a step {median(plain):.2f} s, {median(observed[1:]):.2f} s with the gauge; "
        f"the gauge took {gauge.schedule.spent:.2f} s in all, most of them at the first step"
    )
    assert gauge.schedule.spent < 2 * median(plain) + 1.5
