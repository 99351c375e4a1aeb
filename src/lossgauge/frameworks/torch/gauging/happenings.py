"""What happens once in a training and matters: a broken number, a schedule that gives up, a line search that stops."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from lossgauge.frameworks.torch.gauging.elements import plain
from lossgauge.frameworks.torch.gauging.norms import finite
from lossgauge.frameworks.torch.gauging.participants import Participant
from lossgauge.frameworks.torch.gauging.sighting import FORMATS
from lossgauge.frameworks.torch.treatments.stop_deltas import find_stop_deltas
from lossgauge.records.journal import Journal
from lossgauge.records.plain import to_plain
from lossgauge.records.session import Event

MOST = 64
"""Events of one kind that are written down."""


class Happenings:
    """Notices what happens once and writes it down."""

    def __init__(self, journal: Journal) -> None:
        """Start with nothing.

        Args:
            journal: Where events are written.
        """
        self.journal = journal
        self._written: dict[str, int] = {}
        self._broken: set[int] = set()

    def note(self, kind: str, number: int, text: str, data: dict[str, Any]) -> None:
        """Write an event down, unless there are very many of its kind.

        Args:
            kind: One of the kinds of `Event`.
            number: The step.
            text: One line for people.
            data: Its numbers.
        """
        self._written[kind] = self._written.get(kind, 0) + 1
        if self._written[kind] <= MOST:
            self.journal.add(Event(kind, number, text, data))

    def look_for_breaks(self, number: int, participant: Participant) -> None:
        """Note the first sampled step after which a weight is not finite.

        Args:
            number: The step.
            participant: The optimizer that made it.
        """
        if participant.index in self._broken:
            return
        pairs = zip(participant.watched, participant.names, strict=True)
        named = [(plain(tensor), name) for (_, tensor, _), name in pairs if tensor.dtype in FORMATS]
        whole = finite([numbers for numbers, _ in named])
        broken = [name for (_, name), fine in zip(named, whole, strict=True) if not fine]
        if broken:
            self._broken.add(participant.index)
            text = f"{broken[0]} is not finite after step {number}"
            self.note("non-finite", number, text, {"what": "weights", "tensor": broken[0]})

    def plateau(
        self, number: int, scheduler: Any, metric: float, before: Sequence[float], after: Sequence[float]
    ) -> None:
        """Note a cut of the learning rate.

        Args:
            number: The step.
            scheduler: The schedule.
            metric: What it was fed, in its own units.
            before: The learning rates before.
            after: And after.
        """
        data = {
            "metric": metric,
            "best": float(scheduler.best),
            "threshold": float(scheduler.threshold),
            "mode": scheduler.threshold_mode,
            "patience": scheduler.patience,
            "before": list(before),
            "after": list(after),
        }
        if list(before) != list(after):
            self.note("plateau", number, f"the learning rate was cut from {before[0]:g} to {after[0]:g}", data)

    def after_step(self, number: int, participant: Participant) -> None:
        """Note how a step with a line search ended.

        Args:
            number: The step.
            participant: The optimizer that made it.
        """
        optimizer = participant.view.optimizer
        group = optimizer.param_groups[0]
        if "tolerance_grad" not in group or not participant.watched:
            return
        state = optimizer.state.get(participant.watched[0][1], {})
        gradients = [tensor.grad.abs().max() for _, tensor, _ in participant.watched if tensor.grad is not None]
        data = {
            "iterations": state.get("n_iter", 0),
            "evaluations": state.get("func_evals", 0),
            "max_iter": group.get("max_iter", 0),
            "gradient": max((float(largest) for largest in gradients), default=0.0),
            "tolerance_grad": float(group["tolerance_grad"]),
            "tolerance_change": float(group.get("tolerance_change", 0.0)),
        }
        self.note("line-search", number, f"{data['iterations']} iterations in all", data)

    def find_stop_deltas(self, number: int) -> None:
        """Note the smallest improvements that an early stop in the calling code asks for.

        Args:
            number: The step that is about to be made.
        """
        for where, value in find_stop_deltas(sys._getframe(1)):
            text = f"min_delta = {value:g} at {where}"
            self.note("stop-delta", number, text, {"where": where, "value": value})

    def elsewhere(self) -> None:
        """In a process forked from the observed one: say, in a single write, that the training is there."""
        text = f"optimizer steps were made in a process of the script's own ({os.getpid()}), which is not observed"
        line = {"kind": "Event", "record": to_plain(Event("process", 0, text))}
        try:
            descriptor = os.open(self.journal.path, os.O_WRONLY | os.O_APPEND)
        except OSError:
            return
        os.write(descriptor, (json.dumps(line) + "\n").encode())
        os.close(descriptor)
