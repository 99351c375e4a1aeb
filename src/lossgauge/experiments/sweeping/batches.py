"""Cutting what has to be run into tasks."""

from collections.abc import Iterable, Mapping

from lossgauge.experiments.sweeping.executors.executor import ACCELERATOR, AUTO, Task
from lossgauge.experiments.sweeping.store import Batch
from lossgauge.records.sweep import Outcome, Plan, Setting

LEAST, MOST = 16, 128
"""Settings of one task: enough to be stacked, few enough that a crash costs little."""
LARGE = 2048
"""Settings of one task of an accelerator, which trains many at once."""
PER_WORKER = 2
"""Tasks of one kind for each worker, so that none has to wait long for another at the end."""


def cut(
    plan: Plan, phase: str, numbers: Iterable[int], jobs: int, tiers: Mapping[int, str] | None = None
) -> list[Batch]:
    """Put settings together that can be run side by side.

    Args:
        plan: The plan.
        phase: The part of the sweep they belong to; begins their keys.
        numbers: The settings.
        jobs: How many workers there are.
        tiers: The engine's tier for each setting, where it is not `auto`.

    Returns:
        The batches; every setting is in one.
    """
    kinds: dict[tuple[object, ...], list[int]] = {}
    for number in numbers:
        tier = (tiers or {}).get(number, AUTO)
        kinds.setdefault((tier, *_kind(plan.settings[number])), []).append(number)
    batches: list[Batch] = []
    for (tier, *_), members in kinds.items():
        size = LARGE if tier == ACCELERATOR else min(MOST, max(LEAST, -(-len(members) // (jobs * PER_WORKER))))
        for start in range(0, len(members), size):
            key = f"{phase}-{len(batches):05d}"
            batches.append(Batch(key, phase, str(tier), tuple(members[start : start + size])))
    return batches


def prescribe(numbers: Iterable[int], runs: Mapping[int, int], outcomes: Mapping[int, Outcome]) -> dict[int, str]:
    """The tier that ran what stands for a setting: bits are equal within a tier only.

    Args:
        numbers: The settings.
        runs: The setting that stands for each.
        outcomes: What came of those.

    Returns:
        Tiers by setting.
    """
    return {number: outcomes[runs[number]].engine or AUTO for number in numbers}


def task_of(plan: Plan, batch: Batch) -> Task:
    """A batch with everything a worker needs.

    Args:
        plan: The plan.
        batch: The batch.

    Returns:
        The task.
    """
    return Task(batch.key, plan.workload, tuple(plan.settings[number] for number in batch.numbers), batch.tier)


def _kind(setting: Setting) -> tuple[object, ...]:
    """What has to be equal for settings to be stacked: all but numbers."""
    words = [
        (name, value)
        for name, value in setting.hyperparameters.items()
        if value is None or isinstance(value, (bool, str))
    ]
    return (setting.optimizer, setting.precision, *sorted(words, key=repr))
