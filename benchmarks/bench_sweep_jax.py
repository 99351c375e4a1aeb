"""A whole sweep, from starting the processes to their end: lossgauge in two against JAX's `jit(vmap(scan))` in one.

JAX and optax are taken from the interpreter that LOSSGAUGE_JAX_PYTHON names, so that they need not be installed here.
The two take turns, and what they trained is compared: losses agree over the first steps.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossgauge.records.sweep import Setting, Workload

WORK = Workload("mlp-16-64-64-1", "mse", "regression", 500)
COUNT, PROCESSES, ROUNDS, PROMISE = 256, 2, 3, 1.5
AGREEMENT = 1e-4
"""optax computes bias corrections in single precision, which makes 2e-5 in the first steps."""
INTERPRETER = os.environ.get("LOSSGAUGE_JAX_PYTHON", "")


def settings() -> list[Setting]:
    return [Setting("torch.optim:Adam", {"lr": 1e-4 * 10 ** (2 * k / COUNT)}, seed=k % 4) for k in range(COUNT)]


def train(first: int, target: str) -> None:
    """In a child process: every so many-th setting."""
    import torch

    from lossgauge.frameworks.torch.stacking.engine import run_settings

    torch.set_num_threads(1)
    outcomes = run_settings(WORK, settings()[first::PROCESSES])
    np.save(target, np.array([outcome.curve for outcome in outcomes]))


def write(target: Path) -> None:
    """Weights, data and rates as JAX reads them."""
    import torch

    from lossgauge.frameworks.torch.stacking.workloads import load_material

    material = load_material(WORK)
    parameters = [list(material.model(setting.seed, torch.float32).parameters()) for setting in settings()]
    held: dict[str, Any] = {}
    for number, name in enumerate(name for k in range(3) for name in (f"matrix{k}", f"bias{k}")):
        held[name] = np.stack([own[number].detach().numpy() for own in parameters])
    batches = [np.stack([pair[side].numpy() for pair in material.batches]) for side in (0, 1)]
    rates = np.array([setting.hyperparameters["lr"] for setting in settings()], dtype=np.float32)
    np.savez(target, **held, inputs=batches[0], targets=batches[1], rates=rates, steps=WORK.steps)


def timed(commands: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Wall time and processor time of processes that run at the same time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    running = [subprocess.Popen(command, env=os.environ | {"JAX_PLATFORMS": "cpu"}) for command in commands]
    assert all(process.wait(timeout=600) == 0 for process in running)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def has_jax() -> bool:
    command = [INTERPRETER, "-c", "import jax, optax"]
    return bool(INTERPRETER) and subprocess.run(command, capture_output=True).returncode == 0


def difference(folder: Path) -> float:
    """The largest relative difference of losses over the first ten steps."""
    theirs = np.load(folder / "jax.npy")
    marks = [mark for mark in WORK.marks() if mark <= 10]
    worst = 0.0
    for first in range(PROCESSES):
        ours = np.load(folder / f"{first}.npy")[:, : len(marks)]
        worst = max(worst, float(np.abs(ours / theirs[first::PROCESSES][:, [mark - 1 for mark in marks]] - 1).max()))
    return worst


def bench_whole_sweep(benchmark: Any, tmp_path: Path) -> None:
    if not has_jax():
        pytest.skip("LOSSGAUGE_JAX_PYTHON names no interpreter with jax and optax")
    write(tmp_path / "workload.npz")
    ours = [[sys.executable, __file__, str(first), str(tmp_path / f"{first}.npy")] for first in range(PROCESSES)]
    script = str(Path(__file__).with_name("jax_sweep.py"))
    theirs = [[INTERPRETER, script, str(tmp_path / "workload.npz"), str(tmp_path / "jax.npy")]]
    timed(ours[:1])  # native code is compiled once for a workload and kept
    pairs = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
    worst = difference(tmp_path)
    walls = sorted(b[0] / a[0] for a, b in pairs)
    processor = sorted(b[1] / a[1] for a, b in pairs)
    for (wall, used), (wall_jax, used_jax) in pairs:
        print(f"{wall:.2f} s ({used:.2f} s of processors) against {wall_jax:.2f} s ({used_jax:.2f} s) of JAX")
    print(
        f"JAX takes {walls[ROUNDS // 2]:.2f} times as long and {processor[ROUNDS // 2]:.2f} times the processor time "
        f"(medians of pairs); largest difference of losses over ten steps {worst:.1e}"
    )
    benchmark.extra_info.update(wall=walls[ROUNDS // 2], processor=processor[ROUNDS // 2], difference=worst)
    assert worst < AGREEMENT
    benchmark.pedantic(timed, (ours,), rounds=1)
    assert walls[ROUNDS // 2] >= PROMISE, f"promised is {PROMISE} times"


if __name__ == "__main__":
    train(int(sys.argv[1]), sys.argv[2])
