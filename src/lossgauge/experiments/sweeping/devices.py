"""Which device a sweep is trained on, and which of its settings that device can train."""

from collections.abc import Mapping
from typing import Any

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.executors.executor import ACCELERATOR
from lossgauge.records.sweep import Plan

AUTO, CPU = "auto", "cpu"
DEVICES = (AUTO, CPU, ACCELERATOR)


def find_device(asked: str, executor: str, begun_with: Mapping[str, Any] | None = None) -> str:
    """Settle on a device.

    Args:
        asked: One of `DEVICES`.
        executor: `local`, where this machine counts, or `ray`, where the nodes' own tell what they have.
        begun_with: The options of the store, where it has some.

    Returns:
        `cpu` or `cuda`. `auto` is what the store was begun with, else an accelerator of this machine if there is one.

    Raises:
        InputError: When an accelerator is needed here and there is none.
    """
    before = str((begun_with or {}).get("device", CPU)) if begun_with else ""
    if executor != "local":
        return before or CPU if asked == AUTO else asked
    found = _has_accelerator()
    device = before or (ACCELERATOR if found else CPU) if asked == AUTO else asked
    if device == ACCELERATOR and not found:
        if asked == AUTO:
            why = f"the store was begun on {device!r}, which torch does not find here"
            raise InputError(f"{why}; go on where there is one, or name another store")
        raise InputError(f"device is {device!r}, which torch does not find here; expected cpu or auto")
    return device


def choose_tiers(plan: Plan, device: str, executor: str) -> dict[int, str]:
    """The tier of the engine for each setting that does not have the default one.

    Args:
        plan: The plan.
        device: `cpu` or `cuda`.
        executor: On `local` one setting of each optimizer, structure and format is tried; on `ray` the nodes find out.

    Returns:
        Tiers by the number of the setting.
    """
    if device != ACCELERATOR:
        return {}
    from lossgauge.frameworks.torch.stacking.engine import runs_on_device
    from lossgauge.frameworks.torch.stacking.groups import grouped

    tiers: dict[int, str] = {}
    for places in grouped(plan.settings):
        if executor != "local" or runs_on_device(plan.workload, plan.settings[places[0]]):
            tiers |= dict.fromkeys(places, ACCELERATOR)
    return tiers


def _has_accelerator() -> bool:
    from lossgauge.frameworks.torch.stacking.engine import accelerator

    return accelerator() is not None
