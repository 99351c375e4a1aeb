"""How long a sweep will take: a few settings of each optimizer, timed for a few steps."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lossgauge.experiments.sweeping.batches import LARGE
from lossgauge.experiments.sweeping.executors.executor import ACCELERATOR, ENGINE, Task
from lossgauge.experiments.sweeping.executors.local import LocalExecutor
from lossgauge.records.sweep import Plan, Setting

SAMPLE = 16
"""Settings that are timed side by side on a processor; on an accelerator as many as it has at work at once."""
FEW, MORE = 4, 24
"""Steps of the two timings; the difference leaves out what happens once only."""


def estimate_seconds(
    plan: Plan, numbers: Iterable[int], jobs: int, engine: str = ENGINE, tiers: Mapping[int, str] | None = None
) -> float:
    """Estimate the time of a sweep on this machine.

    Args:
        plan: The plan.
        numbers: The settings that will be run.
        jobs: How many processes there will be.
        engine: `module:function` that runs the settings of a task.
        tiers: The engine's tier for settings that an accelerator trains.

    Returns:
        Wall time in seconds: the slowest tier that is sure to work, so that it is rather too long than too short.
    """
    kinds: dict[tuple[str, str, str], list[Setting]] = {}
    for number in numbers:
        setting, tier = plan.settings[number], (tiers or {}).get(number, "stacked")
        kinds.setdefault((setting.optimizer, setting.precision, tier), []).append(setting)
    tasks = [
        Task(f"{place}-{steps}", replace(plan.workload, steps=steps), tuple(members[: _most(tier)]), tier)
        for place, ((*_, tier), members) in enumerate(kinds.items())
        for steps in (1, FEW, MORE)
    ]
    begin = last = time.perf_counter()
    spans: dict[str, float] = {}
    with LocalExecutor(1, engine) as executor:
        for key, _ in executor.run(tasks):
            now = time.perf_counter()
            spans[key], last = now - last, now
    if not spans:
        return 0.0
    start = next(iter(spans.values()))
    work = 0.0
    for place, ((*_, tier), members) in enumerate(kinds.items()):
        step = max(spans[f"{place}-{MORE}"] - spans[f"{place}-{FEW}"], 0.0) / (MORE - FEW)
        workers = 1 if tier == ACCELERATOR else jobs
        work += len(members) * plan.workload.steps * step / min(_most(tier), len(members)) / workers
    return min(start, last - begin) + work


def _most(tier: str) -> int:
    """How many settings are timed side by side."""
    return LARGE if tier == ACCELERATOR else SAMPLE
