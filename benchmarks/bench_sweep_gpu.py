"""The sweep's engine on a GPU, against the plain loop and against all processors of the same machine.

Wall time, for a GPU has no processor time; what is compared is the same work, and losses agree up to rounding over the
first ten steps. The engine's time is that of a whole call; the first one, which starts the device, is told apart.
"""

import time
from dataclasses import replace

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bench_sweep_engine import FLOPS, OPTIMIZERS, W1, W2, W3, agreement, settings
from lossgauge.experiments.sweeping.executors.executor import Task
from lossgauge.experiments.sweeping.executors.local import LocalExecutor
from lossgauge.frameworks.torch.stacking.devices import KIND, accelerator
from lossgauge.frameworks.torch.stacking.engine import run_settings
from lossgauge.records.sweep import Outcome, Setting, Workload

pytestmark = pytest.mark.skipif(accelerator() is None, reason="no GPU")


def timed(work: Workload, chosen: list[Setting], tier: str) -> tuple[float, list[Outcome]]:
    begun = time.perf_counter()
    outcomes = run_settings(work, chosen, tier=tier)
    assert {outcome.engine for outcome in outcomes} == {tier}
    return len(chosen) * work.steps / (time.perf_counter() - begun), outcomes


def compare(benchmark: BenchmarkFixture, work: Workload, name: str, counts: tuple[int, ...]) -> None:
    torch.set_num_threads(1)
    begun = time.perf_counter()
    run_settings(replace(work, steps=3), settings(name, 2), tier=KIND)
    first = time.perf_counter() - begun
    plain, expected = timed(work, settings(name, counts[-1])[:2], "serial")
    for count in counts:
        chosen = settings(name, count)
        rates, outcomes = zip(*(timed(work, chosen, KIND) for _ in range(3)), strict=True)
        rate, memory = sorted(rates)[1], torch.cuda.max_memory_allocated() / 2**20
        if count == counts[-1]:
            assert agreement(outcomes[0][:2], expected) < 2e-6
        print(
            f"{work.model} {name}, {count} settings: {rate:.0f} replica-steps/s, {rate / plain:.0f} times the plain "
            f"loop ({plain:.0f}), {rate * FLOPS[work.model] / 1e12:.2f} TFLOP/s, {memory:.0f} MB; "
            f"first call {first:.1f} s"
        )
        benchmark.extra_info[f"{count}"] = {"rate": rate, "plain": plain, "memory": memory}
    benchmark.pedantic(run_settings, (replace(work, steps=5), settings(name, 8)), dict(tier=KIND), rounds=1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def bench_small_network_on_a_gpu(benchmark: BenchmarkFixture, name: str) -> None:
    compare(benchmark, W1, name, (256, 4096) if name == "adam" else (4096,))


@pytest.mark.parametrize(
    ("work", "count"), [(replace(W2, steps=200), 512), (replace(W3, steps=200), 128)], ids=["wide", "convolutional"]
)
def bench_where_products_dominate_on_a_gpu(benchmark: BenchmarkFixture, work: Workload, count: int) -> None:
    compare(benchmark, work, "adam", (count,))


def bench_against_all_processors(benchmark: BenchmarkFixture) -> None:
    """Whole executors, processes and all: two that use the device, and one per core."""
    rates: dict[str, float] = {}
    for tier, size, count in ((KIND, 2048, 16384), ("auto", 64, 4096)):
        chosen = settings("adam", count)
        parts = [tuple(chosen[start : start + size]) for start in range(0, count, size)]
        tasks = [Task(f"{tier}-{place}", W1, part, tier) for place, part in enumerate(parts)]
        with LocalExecutor() as executor:
            first = [replace(task, workload=replace(W1, steps=3), settings=task.settings[:2]) for task in tasks]
            assert list(executor.run(first))  # processes are there, and what is compiled is compiled
            begun = time.perf_counter()
            engines = {outcome.engine for _, outcomes in executor.run(tasks) for outcome in outcomes}
            rates[tier] = len(chosen) * W1.steps / (time.perf_counter() - begun)
            print(f"{tier} ({', '.join(engines)}), up to {executor.jobs} processes: {rates[tier]:.0f} replica-steps/s")
    benchmark.extra_info.update(rates)
    benchmark.pedantic(lambda: None, rounds=1)
