"""Running many settings of one workload: grouped by what can run side by side, each group in the fastest way it can."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.stacking.chunks import Chunk, replicas_in_cache
from lossgauge.frameworks.torch.stacking.devices import KIND, accelerator, repeatable
from lossgauge.frameworks.torch.stacking.groups import grouped, key_of, parts_of, trained_apart
from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.native.training import (
    NoCompiler,
    Untranslatable,
    native_refusal,
    train_natively,
)
from lossgauge.frameworks.torch.stacking.on_device import replicas_on_device, train_on_device
from lossgauge.frameworks.torch.stacking.precisions import weight_format
from lossgauge.frameworks.torch.stacking.program import Recording, Unstackable
from lossgauge.frameworks.torch.stacking.reasons import explained, is_built, is_refused, say_refusal
from lossgauge.frameworks.torch.stacking.recording import record
from lossgauge.frameworks.torch.stacking.replicated import Divided
from lossgauge.frameworks.torch.stacking.serial import run_serially
from lossgauge.frameworks.torch.stacking.tensorwise import TensorwiseUpdate, acts_tensorwise
from lossgauge.frameworks.torch.stacking.trial import acts_elementwise, examine
from lossgauge.frameworks.torch.stacking.updates import StackedUpdate, Update
from lossgauge.frameworks.torch.stacking.workloads import Material, check_workload, load_material
from lossgauge.records.sweep import Outcome, Setting, Workload

__all__ = ["KIND", "TIERS", "accelerator", "check_workload", "run_settings", "runs_on_device"]

TIERS = ("auto", "compiled", "stacked", "serial", KIND)
SLAB, FEWEST = 256, 16
"""How many settings are recorded together, at most and at least."""
KEPT = 2_000_000
"""The scalars of all steps are kept meanwhile: fewer settings go together where their steps are more than this."""
MANY, MORE_KEPT = 4096, 16_000_000
"""The same on an accelerator, which has so many settings at work at once."""
TENSORWISE_SLOTS = 4
"""As many numbers for each weight are counted with where nothing is known of an optimizer's states."""
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
        tier: `auto` (the fastest of the processor's that can), or the fastest one allowed: `compiled`, `stacked`,
            `serial`; `cuda` for the accelerator, and what it cannot do as `auto`. Within a tier a setting gives the
            same bits whatever runs beside it.
        chunk: How many trainings are stacked at a time; by default what fits into the cache. An accelerator always
            has the same number.
        progress: Told how many training steps were made since it was told last.

    Returns:
        The outcome of each setting, in their order.

    Raises:
        InputError: When the tier is unknown or has no device here, the chunk is not positive, or the workload cannot
            be loaded.
    """
    if tier not in TIERS:
        raise InputError(f"tier is {tier!r}, expected one of {', '.join(TIERS)}")
    if chunk is not None and chunk < 1:
        raise InputError(f"chunk is {chunk}, expected at least 1 training at a time")
    if tier == KIND and accelerator() is None:
        raise InputError(f"tier is {tier!r}, but torch finds no such device here; expected {', '.join(TIERS[:-1])}")
    most, kept = (MANY, MORE_KEPT) if tier == KIND else (SLAB, KEPT)
    together = min(most, max(FEWEST, kept // workload.steps))
    run = _Run(load_material(workload), tier, chunk, progress or (lambda steps: None))
    outcomes: dict[int, Outcome] = {}
    with torch.random.fork_rng(devices=[]):
        for places in grouped(settings):
            for start in range(0, len(places), together):
                slab = places[start : start + together]
                outcomes |= zip(slab, run.group([settings[place] for place in slab]), strict=True)
    return [outcomes[place] for place in range(len(settings))]


def runs_on_device(workload: Workload, setting: Setting) -> bool:
    """Whether the accelerator would train a setting, or the processor in its place.

    Args:
        workload: What is trained.
        setting: With which setting; others that differ in numbers only go the same way.

    Returns:
        True where there is an accelerator, and the model and the optimizer can be stacked there.
    """
    if accelerator() is None:
        return False
    return run_settings(replace(workload, steps=1), [setting], tier=KIND)[0].engine == KIND


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
            return self._serially(settings, self._why_not("stacked", precision))
        layout = Layout.of(self.material.model(settings[0].seed, weight_format(precision)))
        try:
            recording = record(settings, layout.width, self.material.workload.steps, weight_format(precision))
            if not self._tried(settings, layout):
                return self._tensorwise(settings, layout, "the optimizer does not act on every element alone")
        except Divided as division:
            return self._divided(settings, division.mask, self.group)
        except Unstackable as reason:
            return self._tensorwise(settings, layout, f"the optimizer: {reason}")
        except Exception:  # of one setting's numbers, or because weights are expected to have a shape
            refused = np.array([is_refused(setting, layout) for setting in settings])
            if len(settings) == 1 or refused.all():
                return self._tensorwise(settings, layout, "the optimizer takes no row of weights")
            half = np.arange(len(settings)) < len(settings) // 2
            return self._divided(settings, refused if refused.any() else half, self.group)
        if way == KIND:
            return self._on_device(settings, layout, recording)
        if way == "compiled":
            try:
                return train_natively(self.material, settings, recording, self.progress)
            except (NoCompiler, Untranslatable) as reason:
                return explained(self._stacked(settings, layout, recording), f"the optimizer: {reason}")
        return explained(self._stacked(settings, layout, recording), self._why_not("compiled", precision))

    def _way(self, precision: str) -> str:
        """The fastest way the model can go; it depends on nothing else, so that a setting always goes the same."""
        workload, device = self.material.workload, accelerator() if self.tier == KIND else None
        if device is not None and not examine(workload, precision, device).refusal:
            return KIND
        if self.tier in ("auto", "compiled", KIND) and not native_refusal(workload, precision):
            return "compiled"
        if self.tier == "serial":
            return "serial"
        found = examine(workload, precision)
        return "stacked" if not found.refusal and (found.light or self.tier == "stacked") else "serial"

    def _why_not(self, way: str, precision: str) -> str:
        """Why the model does not go this way; empty where it was not allowed to."""
        if self.tier == "serial" or (way == "compiled" and self.tier == "stacked"):
            return ""
        if way == "compiled":
            return say_refusal(native_refusal(self.material.workload, precision))
        found = examine(self.material.workload, precision)
        if not found.refusal:
            return f"the model: {found.work} numbers in a step, too many to gain by stacking"
        return say_refusal(found.refusal)

    def _stacked(self, settings: Sequence[Setting], layout: Layout, recording: Recording) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for part in self._parts(len(settings), replicas_in_cache(layout, recording.slots)):

            def updating(rows: Tensor, part: list[int] = part) -> Update:
                return StackedUpdate(recording, part, rows)

            chunk = Chunk(self.material, [settings[place] for place in part], layout, updating)
            alone = part[:1] == part[1:]
            found = chunk.train((lambda steps: self.progress(steps // 2)) if alone else self.progress)
            outcomes += found[:1] if alone else found
        return outcomes

    def _on_device(self, settings: Sequence[Setting], layout: Layout, recording: Recording) -> list[Outcome]:
        device = accelerator()
        assert device is not None
        work = examine(self.material.workload, settings[0].precision, device).work
        most = replicas_on_device(layout, recording.slots, work)
        outcomes: list[Outcome] = []
        for start in range(0, len(settings), most):
            places = list(range(start, min(start + most, len(settings))))
            share, filled = len(places), places + places[-1:] * (most - len(places))
            chosen, updating = [settings[place] for place in filled], partial(StackedUpdate, recording, filled)
            with repeatable():
                chunk = Chunk(self.material, chosen, layout, updating, device)
                found = train_on_device(chunk, lambda steps, share=share: self.progress(steps // most * share))
            outcomes += found[:share]
        return outcomes

    def _parts(self, count: int, most: int) -> list[list[int]]:
        """The places in each chunk; one alone is there twice, for torch calls other code for one matrix than for 2."""
        most = self.chunk or most
        parts = [[int(place) for place in part] for part in np.array_split(np.arange(count), -(-count // most))]
        return [part * 2 if len(part) == 1 else part for part in parts]

    def _tensorwise(self, settings: Sequence[Setting], layout: Layout, why: str) -> list[Outcome]:
        """Where an optimizer does not act on every element alone: by stacks of weight tensors, or one by one."""
        found = examine(self.material.workload, settings[0].precision)
        if found.refusal or not (found.light or self.tier == "stacked"):
            return self._serially(settings, f"{why}; {self._why_not('stacked', settings[0].precision)}")
        dtype = weight_format(settings[0].precision)
        built = np.array([is_built(setting, layout, dtype) for setting in settings])
        if not built.any():
            return self._serially(settings, why)
        if not built.all():
            return self._divided(settings, built, partial(self._tensorwise, layout=layout, why=why))
        for numbers in (True, False):
            parts = parts_of(settings, numbers)
            key = (*key_of(settings[0]), layout, numbers)
            if key not in _TRIALS:
                largest = [settings[place] for place in max(parts, key=len)]
                _TRIALS[key] = acts_tensorwise(largest, layout, dtype, numbers)
            if _TRIALS[key]:
                by_tensors = partial(self._by_tensors, layout=layout, numbers=numbers)
                return explained(trained_apart(settings, parts, by_tensors), "" if self.tier == "stacked" else why)
        return self._serially(settings, why)

    def _by_tensors(self, settings: Sequence[Setting], layout: Layout, numbers: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for part in self._parts(len(settings), replicas_in_cache(layout, TENSORWISE_SLOTS)):
            chosen = [settings[place] for place in part]
            several = chosen[: len(set(part))]

            def updating(rows: Tensor, chosen: list[Setting] = chosen) -> Update:
                return TensorwiseUpdate(chosen, layout, rows, numbers)

            try:
                found = Chunk(self.material, chosen, layout, updating).train(lambda steps: None)
            except Exception as error:  # weights decided something, or one replica's numbers: again, without the others
                if len(several) == 1:
                    outcomes += self._serially(several, f"the optimizer: {_name(error)}")
                    continue
                mask = error.mask if isinstance(error, Divided) else np.arange(len(several)) < len(several) // 2
                outcomes += self._divided(several, mask, lambda side: self._by_tensors(side, layout, numbers))
            else:
                outcomes += found[: len(several)]
                self.progress(len(several) * self.material.workload.steps)
        return outcomes

    def _serially(self, settings: Sequence[Setting], why: str) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for setting in settings:
            outcomes.append(run_serially(self.material, setting))
            self.progress(self.material.workload.steps)
        return explained(outcomes, "" if self.tier == "serial" else why)

    def _divided(
        self, settings: Sequence[Setting], mask: np.ndarray, train: Callable[[list[Setting]], list[Outcome]]
    ) -> list[Outcome]:
        sides = [[int(place) for place in np.flatnonzero(side)] for side in (mask, ~mask)]
        return trained_apart(settings, [side for side in sides if side], train)

    def _tried(self, settings: Sequence[Setting], layout: Layout) -> bool:
        key = (*key_of(settings[0]), layout)
        if key not in _TRIALS:
            _TRIALS[key] = acts_elementwise(settings, layout)
        return _TRIALS[key]


def _name(error: Exception) -> str:
    """What of an error does not depend on numbers."""
    return str(error) if isinstance(error, Unstackable) else type(error).__name__
