"""Running many settings of one workload: grouped by what can run side by side, each group in the fastest way it can."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.stacking.chunks import Chunk, replicas_in_cache
from lossgauge.frameworks.torch.stacking.groups import grouped, key_of
from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.native.training import (
    NoCompiler,
    Untranslatable,
    native_refusal,
    train_natively,
)
from lossgauge.frameworks.torch.stacking.precisions import weight_format
from lossgauge.frameworks.torch.stacking.program import Recording, Unstackable
from lossgauge.frameworks.torch.stacking.recording import record
from lossgauge.frameworks.torch.stacking.replicated import Divided
from lossgauge.frameworks.torch.stacking.serial import run_serially
from lossgauge.frameworks.torch.stacking.trial import acts_elementwise, examine
from lossgauge.frameworks.torch.stacking.workloads import Material, check_workload, load_material
from lossgauge.records.sweep import Outcome, Setting, Workload

__all__ = ["TIERS", "check_workload", "run_settings"]

TIERS = ("auto", "compiled", "stacked", "serial")
SLAB, FEWEST = 256, 16
"""How many settings are recorded together, at most and at least."""
KEPT = 2_000_000
"""The scalars of all steps are kept meanwhile: fewer settings go together where their steps are more than this."""
Progress = Callable[[int], None]


def run_settings(
    workload: Workload,
    settings: Sequence[Setting],
    *,
    tier: str = "auto",
    chunk: int | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Train with each setting.

    Args:
        workload: What is trained.
        settings: Any mix of optimizers, precisions and seeds.
        tier: `auto` (the fastest that can), or the fastest one allowed: `compiled`, `stacked`, `serial`. Within a tier
            a setting gives the same bits whatever runs beside it.
        chunk: How many trainings are stacked at a time; by default what fits into the cache.
        progress: Told how many training steps were made since it was told last.

    Returns:
        The outcome of each setting, in their order.

    Raises:
        InputError: When the tier is unknown, the chunk is not positive, or the workload cannot be loaded.
    """
    if tier not in TIERS:
        raise InputError(f"tier is {tier!r}, expected one of {', '.join(TIERS)}")
    if chunk is not None and chunk < 1:
        raise InputError(f"chunk is {chunk}, expected at least 1 training at a time")
    run = _Run(load_material(workload), tier, chunk, progress or (lambda steps: None))
    outcomes: dict[int, Outcome] = {}
    with torch.random.fork_rng(devices=[]):
        for places in grouped(settings):
            together = min(SLAB, max(FEWEST, KEPT // workload.steps))
            for start in range(0, len(places), together):
                slab = places[start : start + together]
                outcomes |= zip(slab, run.group([settings[place] for place in slab]), strict=True)
    return [outcomes[place] for place in range(len(settings))]


_TRIALS: dict[tuple[object, ...], bool] = {}


@dataclass
class _Run:
    """One call of `run_settings`."""

    material: Material
    tier: str
    chunk: int | None
    progress: Progress

    def group(self, settings: Sequence[Setting]) -> list[Outcome]:
        """Train the settings of one group, together where that is possible."""
        precision = settings[0].precision
        way = self._way(precision)
        if way == "serial":
            return self._serially(settings)
        layout = Layout.of(self.material.model(settings[0].seed, weight_format(precision)))
        try:
            recording = record(settings, layout.width, self.material.workload.steps, weight_format(precision))
            if not self._tried(settings, layout):
                return self._serially(settings)
        except Divided as division:
            return self._divided(settings, division.mask)
        except Unstackable:
            return self._serially(settings)
        except Exception:  # of one setting's numbers: found by halving, and told by its own serial run
            if len(settings) == 1:
                return self._serially(settings)
            return self._divided(settings, np.arange(len(settings)) < len(settings) // 2)
        if way == "compiled":
            try:
                return train_natively(self.material, settings, recording, self.progress)
            except (NoCompiler, Untranslatable):
                pass
        return self._stacked(settings, layout, recording)

    def _way(self, precision: str) -> str:
        """The fastest way the model can go; it depends on nothing else, so that a setting always goes the same."""
        workload = self.material.workload
        if self.tier in ("auto", "compiled") and not native_refusal(workload, precision):
            return "compiled"
        if self.tier == "serial":
            return "serial"
        found = examine(workload, precision)
        return "stacked" if not found.refusal and (found.light or self.tier == "stacked") else "serial"

    def _stacked(self, settings: Sequence[Setting], layout: Layout, recording: Recording) -> list[Outcome]:
        most = self.chunk or replicas_in_cache(layout, recording)
        count = -(-len(settings) // most)
        outcomes: list[Outcome] = []
        for members in np.array_split(np.arange(len(settings)), count):
            part = [int(place) for place in members]
            told = self.progress
            if len(part) == 1:  # torch calls other code for one matrix than for several: the only one runs twice
                part, told = part * 2, lambda steps: self.progress(steps // 2)
            chosen = [settings[place] for place in part]
            outcomes += Chunk(self.material, chosen, layout, recording, part).train(told)[: len(members)]
        return outcomes

    def _serially(self, settings: Sequence[Setting]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for setting in settings:
            outcomes.append(run_serially(self.material, setting))
            self.progress(self.material.workload.steps)
        return outcomes

    def _divided(self, settings: Sequence[Setting], mask: np.ndarray) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        for side in (mask, ~mask):
            places = [int(place) for place in np.flatnonzero(side)]
            if places:
                outcomes |= zip(places, self.group([settings[place] for place in places]), strict=True)
        return [outcomes[place] for place in range(len(settings))]

    def _tried(self, settings: Sequence[Setting], layout: Layout) -> bool:
        key = (*key_of(settings[0]), layout)
        if key not in _TRIALS:
            _TRIALS[key] = acts_elementwise(settings, layout)
        return _TRIALS[key]
