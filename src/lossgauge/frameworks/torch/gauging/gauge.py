"""The gauge: watches a training from the places where torch itself passes, and writes down what it sees.

It only reads. Whatever goes wrong in here is noted and ends the observing, never the training.
"""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from lossgauge.frameworks.observer import Observer, Rest, Stop
from lossgauge.frameworks.torch.gauging import guard
from lossgauge.frameworks.torch.gauging.elements import evenly
from lossgauge.frameworks.torch.gauging.happenings import Happenings
from lossgauge.frameworks.torch.gauging.ledger import Ledger
from lossgauge.frameworks.torch.gauging.participants import PROBED, Participant, enlist
from lossgauge.frameworks.torch.gauging.reading import read_loss
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.gauging.schedule import Schedule
from lossgauge.frameworks.torch.gauging.series import largest_gradient, numbers_of
from lossgauge.frameworks.torch.gauging.statistics import Before, after, before
from lossgauge.frameworks.torch.injection.bits import OptimizerView, names_in
from lossgauge.frameworks.torch.machine import frames_compiled
from lossgauge.laws.law import Law
from lossgauge.records.journal import Journal
from lossgauge.records.session import Ending, Event, Sample, Tensor

MICRO = 8
"""Backwards of a sampled step that are read; accumulation may have hundreds."""
COMPILED = """torch.compile is in use, and a step that is compiled together with what is around it is not seen: call \
optimizer.step() outside of the compiled function"""


class Gauge(Observer):
    """Told of everything that happens in one training."""

    def __init__(self, journal: Journal, settings: GaugeSettings | None = None) -> None:
        """Begin with an empty record.

        Args:
            journal: Where everything is written as it happens.
            settings: What is asked for.
        """
        self.journal = journal
        self.settings = settings or GaugeSettings()
        self.schedule = self.settings.schedule or Schedule()
        self.ledger = Ledger(journal)
        self.happenings = Happenings(journal)
        self.participants: dict[int, Participant] = {}
        self.process = os.getpid()
        self.blind, self._compiled = False, frames_compiled()
        self.lock = threading.RLock()
        self._tensors: list[Tensor] = []
        self._held: dict[int, int] = {}
        self._names: dict[int, str] = dict(self.settings.names or {})
        self._sampling = False
        self.noting = self._noting_next = True
        self.resting = False
        self.rest = Rest()
        self.rest.again = partial(guard.rest_again, self)
        self._micro = 0
        self.stepped: set[int] = {-1}  # optimizers that have stepped in this window; not empty: it is over
        self._begun: dict[int, Before] = {}
        self._scale: Any = None
        self._clip: tuple[str, float, str] | None = None
        self._largest: torch.Tensor | None = None
        self._ended = False

    @guard.guarded(guard.nothing)
    def scaled(self, scaler: Any, outcome: Any) -> None:
        """A loss was multiplied by mixed precision's scale; see `Observer`."""
        if not self._open_window(bool(self.stepped)):
            return
        scale = scaler._scale
        self._scale = None if scale is None else scale.item() if scale.device.type == "cpu" else scale.clone()

    @guard.guarded()
    def skipped(self, scaler: Any, optimizer: Any) -> None:
        """The scaler left a step out; see `Observer`."""
        index = next((i for i, p in self.participants.items() if p.view.optimizer is optimizer), 0)
        self.ledger.close_step(index, True, None)
        self.stepped.add(index)

    @guard.guarded(guard.count_backward)
    def backward(self, roots: Sequence[Any] = (), gradients: Sequence[Any] = ()) -> None:
        """A backward is about to start; see `Observer`."""
        if not self._open_window(bool(self.stepped)):
            self.ledger.backwards += 1
            return
        self.ledger.backward(roots, gradients, self._scale)
        for participant in self.participants.values():
            participant.look_at_gradients()
        if self._sampling and self._micro < MICRO and len(roots) == 1:
            with self.schedule.charged():
                self._read(roots[0])
        self._micro += 1

    @guard.guarded(guard.nothing)
    def before_clip(self, name: str, threshold: float, parameters: Sequence[Any], scaled: bool) -> None:
        """A clip function is about to be called; see `Observer`."""
        if not self.noting:
            return
        self._clip = (name, threshold, "scaled" if scaled else "unscaled")
        self._largest = largest_gradient(parameters) if name == "clip_value" and self._sampling else None

    @guard.guarded(guard.nothing)
    def after_clip(self, norm: Any, norm_type: float) -> None:
        """A clip function has been called; see `Observer`."""
        if self._clip is not None:
            name, threshold, stage = self._clip
            self.ledger.clip(name, threshold, norm if name == "max_norm" else self._largest, stage, norm_type)

    @guard.guarded()
    def enter(self, index: int, optimizer: OptimizerView) -> None:
        """An optimizer is about to make its first step; see `Observer`."""
        if self.settings.only is not None and not any(optimizer.optimizer is own for own in self.settings.only):
            return
        with self.schedule.charged(once=True):
            self._enlist(index, optimizer)

    def _enlist(self, index: int, optimizer: OptimizerView) -> None:
        participant, records = enlist(index, optimizer, len(self._tensors), self._names)
        self.participants[index] = participant
        self._tensors += records
        self._held.update((id(t), -1) for group in optimizer.optimizer.param_groups for t in group["params"])
        self._held.update((id(tensor), number) for number, tensor, _ in participant.watched)
        self.journal.add(participant.record())
        for record in records:
            self.journal.add(record)
        self.happenings.find_stop_deltas(self.ledger.number + 1)

    @guard.guarded(guard.begin_step)
    def before_step(self, index: int, optimizer: OptimizerView, closure: bool) -> None:
        """An optimizer is about to make a step; see `Observer`."""
        participant = self.participants.get(index)
        if participant is None:
            return
        if self._open_window(closure or index in self.stepped) and self._sampling:
            with self.schedule.charged():
                self._begun[index] = before(
                    optimizer.optimizer, participant.watched, participant.law, True, closure, participant.own
                )

    @guard.guarded(guard.count_step)
    def step(self, index: int, optimizer: OptimizerView) -> None:
        """An optimizer has made a step; see `Observer`."""
        participant = self.participants.get(index)
        if participant is None:
            return
        participant.own += 1
        self.stepped.add(index)
        number = self._close_step(index, participant) if self.noting else self.ledger.pass_step()
        self.move_on(participant, number)

    def move_on(self, participant: Participant, number: int) -> None:
        """Between a step and what follows: go on resting or not, and end where that was asked for.

        Args:
            participant: The optimizer that made the step.
            number: The step's number, from 1.

        Raises:
            Stop: After the last step that was asked for.
        """
        self.resting = self.resting and self.schedule.rests(number + 1)
        if self.resting:
            self.rest.asked = self.spare(number)
        else:
            self._noting_next = self.schedule.affords_row()
            participant.remember_gradients(self._noting_next)
        if self.settings.stop_after is not None and number >= self.settings.stop_after:
            self.close("stopped", f"after {number} steps, as asked")
            raise Stop

    def spare(self, number: int) -> int:
        """How many steps after this one need not even be told of.

        Args:
            number: Its number, from 1.

        Returns:
            That many; none of them is the last that was asked for.
        """
        spare = self.schedule.spare(number)
        last = self.settings.stop_after
        return spare if last is None else min(spare, max(last - number - 1, 0))

    def catch_up(self) -> None:
        """Count what passed while nothing was told."""
        made = self.rest.passed() if self.rest.made else []
        self.schedule.passed += len(made)
        for index in set(made):
            self.stepped.add(index)
            if index in self.participants:
                count = made.count(index)
                self.participants[index].own += count
                self.ledger.number += count

    def _close_step(self, index: int, participant: Participant) -> int:
        overflow = getattr(participant.view.optimizer, "found_inf", None)
        skipped = overflow is not None and bool(overflow)
        number = self.ledger.close_step(index, skipped, participant.stale())
        begun = self._begun.pop(index, None)
        if begun is not None:
            self._sample(participant, number, begun)
        self.happenings.after_step(number, participant)
        return number

    @guard.guarded()
    def plateau(self, scheduler: Any, metric: float, before: Sequence[float], after: Sequence[float]) -> None:
        """A plateau schedule was fed a metric; see `Observer`."""
        self.happenings.plateau(self.ledger.number, scheduler, metric, before, after)

    def finish(self, found: object = None, law_of: Callable[[Any], Law] | None = None) -> None:
        """Complete the record once the training is over: names of tensors, laws that had to be discovered.

        Args:
            found: What the training left behind; models in it name the tensors.
            law_of: Finds the law of a live optimizer.
        """
        if os.getpid() != self.process:
            return
        self.ledger.flush()
        known = names_in(found)
        for place, participant in enumerate(self.participants.values()):
            for number, name in participant.complete(self.journal, place, known, law_of).items():
                if name != self._tensors[number].name:
                    self._tensors[number] = replace(self._tensors[number], name=name)
                    self.journal.replace(number, self._tensors[number])

    def close(self, reason: str, detail: str = "") -> None:
        """Write the ending.

        Args:
            reason: `finished`, `failed`, `interrupted`, `stopped`.
            detail: The error in one line.
        """
        if self._ended or os.getpid() != self.process:
            return
        self._ended = self.blind = True
        self.rest.asked = self.rest.steps = 0
        self.catch_up()
        self.ledger.flush()
        schedule, ledger = self.schedule, self.ledger
        if ledger.first_broken is not None:
            text = f"the loss is not finite from step {ledger.first_broken} on"
            self.journal.add(Event("non-finite", ledger.first_broken, text, {"what": "loss"}))
        if not ledger.number and frames_compiled() > self._compiled:
            self.journal.add(Event("limit", 0, COMPILED))
        ending = Ending(reason, detail, ledger.number, ledger.backwards, schedule.elapsed, schedule.spent)
        self.journal.add(ending)

    def _read(self, root: torch.Tensor) -> None:
        scale = 1.0 if self._scale is None else float(self._scale)
        everything = [tensor for p in self.participants.values() for _, tensor, _ in p.watched]
        probed = [everything[place] for place in evenly(len(everything), PROBED)]
        deep = self._micro == 0 and self.schedule.deep()
        number = self.ledger.number + 1
        reading = read_loss(
            root, step=number, backward=self._micro, scale=scale, held=self._held, watched=probed, deep=deep
        )
        self.journal.add(reading)

    def _sample(self, participant: Participant, number: int, begun: Before) -> None:
        with self.schedule.charged():
            tensors = after(begun)
            settings = tuple(participant.view.settings()[: len(participant.view.optimizer.param_groups)])
            if participant.own == 1:
                self.journal.replace(list(self.participants).index(participant.index), participant.record())
            self.ledger.flush()
            sample = Sample(number, participant.index, participant.own, settings, tensors, self.schedule.running)
            self.journal.add(sample)
            self.happenings.look_for_breaks(number, participant)
            if self.settings.sink is not None:
                self.settings.sink(number, numbers_of(sample, [tensor.name for tensor in self._tensors]))
        self.schedule.settle()

    def _open_window(self, over: bool) -> bool:
        """Begin what leads to the next step if the one before is over; say whether more than its number is noted."""
        if over:
            self.stepped.clear()
            self._scale, self._clip, self._micro = None, None, 0
            self._sampling = self.schedule.due(self.ledger.number + 1)
            self.noting = self._noting_next or self._sampling
            self.resting = not self.noting
        return self.noting

    def decline(self, event: str) -> None:
        """What to do with an event that is not taken any more, or that happens in a process forked from ours."""
        if os.getpid() != self.process:
            if not self.blind:
                self.happenings.elsewhere()
                self.blind = True
        elif self._ended and self.settings.stop_after is not None and event == "step":
            raise Stop  # someone swallowed the first one
