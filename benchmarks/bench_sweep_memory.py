"""Memory of a sweep, against the weights and states of its replicas: at most twice as much is promised.

Each figure is that of a child process: by how much its peak grew over what it was after the same model had been trained
with two settings. In native code replicas run one after the other and only their weights are kept; stacked, the numbers
between the layers of all replicas of a chunk lie in memory at once, which for a small network is more than its weights:
there the promise is told, not kept.
"""

import json
import resource
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from lossgauge.records.sweep import Setting, Workload

W1 = Workload("mlp-16-64-64-1", "mse", "regression", 3)
W2 = Workload("mlp-784-256-256-10", "cross-entropy", "classification", 2)
WEIGHTS = {W1.model: 16 * 64 + 64 + 64 * 64 + 64 + 64 + 1, W2.model: 784 * 256 + 256 + 256 * 256 + 256 + 2560 + 10}
KEPT = 3
"""Adam keeps two numbers for each weight."""
NOISE = 8.0
"""MB by which the peaks of two equal processes differ."""
PROMISE = 2.0


def peak() -> float:
    """The most memory this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def settings(count: int) -> list[Setting]:
    return [Setting("torch.optim:Adam", {"lr": 1e-4 * 10 ** (2 * k / count)}, seed=k % 4) for k in range(count)]


def grown(model: str, tier: str, count: int, chunk: int | None) -> dict[str, Any]:
    """Measured in a child process: MB that training so many settings at a time takes."""
    import torch

    from lossgauge.frameworks.torch.stacking.engine import run_settings

    torch.set_num_threads(1)
    work = W1 if model == W1.model else W2
    run_settings(replace(work, steps=2), settings(2), tier=tier)
    before = peak()
    outcomes = run_settings(work, settings(count), tier=tier, chunk=chunk)
    return {"grown": peak() - before, "total": peak(), "engines": sorted({outcome.engine for outcome in outcomes})}


def in_child(model: str, tier: str, count: int, chunk: int | None) -> dict[str, Any]:
    command = [sys.executable, __file__, model, tier, str(count), str(chunk or 0)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    return json.loads(found.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is given in other units elsewhere")
@pytest.mark.parametrize("tier", ["compiled", "stacked"])
@pytest.mark.parametrize(("work", "counts"), [(W1, (64, 256, 1024, 4096)), (W2, (64, 256))], ids=["small", "wide"])
def bench_memory_of_a_chunk(benchmark: Any, work: Workload, counts: tuple[int, ...], tier: str) -> None:
    """The chunk is the one the engine chooses; however many settings there are, no more are in memory at a time."""
    over: list[str] = []
    for count in counts:
        found = in_child(work.model, tier, count, None)
        assert found["engines"] == [tier]
        needed = count * WEIGHTS[work.model] * KEPT * 4 / 2**20
        ratio = found["grown"] / needed
        print(
            f"{work.model} {tier}, {count} settings: +{found['grown']:.0f} MB of {found['total']:.0f} MB, "
            f"{ratio:.2f} of their weights and states together ({needed:.0f} MB)"
        )
        benchmark.extra_info[f"{count}"] = found | {"ratio": ratio}
        if found["grown"] > PROMISE * needed + NOISE:
            over.append(f"{count} settings: {ratio:.2f}")
    benchmark.pedantic(in_child, (work.model, tier, 2, None), rounds=1)
    if tier == "compiled":
        assert not over, f"promised is {PROMISE} times the weights and states"


if __name__ == "__main__":
    print(json.dumps(grown(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) or None)))
