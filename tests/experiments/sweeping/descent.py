"""A small engine without a framework: real descent in float32 on a quadratic, so that processes start in no time.

Its law is that of SGD: lr −1, weight_decay +1. Numbers are rounded as float32 does it, after every operation.
"""

import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lossgauge.records.sweep import DIVERGED, FINISHED, Outcome, Setting, Workload

SIZE = 6


def run_settings(
    workload: Workload,
    settings: Sequence[Setting],
    *,
    tier: str = "auto",
    progress: Callable[[int], None] | None = None,
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for setting in settings:
        outcomes.append(train(workload, setting))
        if progress:
            progress(workload.steps)
    return outcomes


def train(workload: Workload, setting: Setting) -> Outcome:
    generator = np.random.default_rng(setting.seed)
    targets = np.random.default_rng(7).standard_normal((workload.steps, SIZE)).astype(np.float32)
    weights = generator.standard_normal(SIZE).astype(np.float32)
    values: dict[str, Any] = dict(setting.hyperparameters)
    alpha = np.float32(float(setting.alpha))
    rate, decay = (np.float32(values.get(name, 0.0)) for name in ("lr", "weight_decay"))
    losses: list[float] = []
    with np.errstate(all="ignore"):
        for step, target in enumerate(targets, 1):
            gap = weights - target
            loss = alpha * np.float32((gap * gap).sum()) / np.float32(2)
            weights = weights - rate * (alpha * gap + decay * weights)
            losses.append(float(loss) / float(setting.alpha))
            if not (math.isfinite(losses[-1]) and np.isfinite(weights).all()):
                return Outcome(DIVERGED, math.inf, step, tuple(losses), engine="descent")
    curve = tuple(losses[mark - 1] for mark in workload.marks())
    return Outcome(FINISHED, losses[-1], None, curve, hashlib.md5(weights.tobytes()).hexdigest(), "descent")


def deadly(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    """Kills its process at every setting with the seed 13, and at one with the seed 7 if it is the first time."""
    for setting in settings:
        once = Path(workload.data)
        if setting.seed == 13 or (setting.seed == 7 and not once.exists()):
            once.touch()
            print("out of memory, for example", flush=True)
            os.kill(os.getpid(), 9)
    return run_settings(workload, settings, **options)


def failing(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    print("what a model may print")
    if workload.steps == 13:
        raise RuntimeError("this model\ncannot be trained")
    return run_settings(workload, settings, **options)


def endless(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    Path(workload.data).write_text(str(os.getpid()))
    time.sleep(600)
    return []


def threads(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    return [Outcome(FINISHED, 0.0, message=" ".join(os.environ[name] for name in names)) for _ in settings]


def paced(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    """Takes a millisecond for every step."""
    time.sleep(1e-3 * workload.steps * len(settings))
    return run_settings(workload, settings, **options)


def place(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    """Says which process it was, and how it was asked."""
    time.sleep(0.05)
    return [Outcome(FINISHED, 0.0, engine=str(options["tier"]), message=str(os.getpid())) for _ in settings]
