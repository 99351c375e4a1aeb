"""The optimizers of a training as the gauge knows them: which tensors it watches, and what these are called."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from lossgauge.errors import LossgaugeError
from lossgauge.frameworks.torch.gauging.elements import evenly, plain
from lossgauge.frameworks.torch.gauging.pieces import why_untried
from lossgauge.frameworks.torch.gauging.purity import doubt_about_step
from lossgauge.frameworks.torch.gauging.room import room_of
from lossgauge.frameworks.torch.injection.bits import OptimizerView, names_in
from lossgauge.laws.law import Law
from lossgauge.laws.table import find_row
from lossgauge.records.journal import Journal
from lossgauge.records.session import Optimizer, Tensor

MOST = 48
"""Tensors that are watched per optimizer; of more, the first, the last and as many in between."""
PROBED = 12
"""Of these, tensors the extra backwards of a reading go to."""


LOOKED_AT = 4
"""Tensors whose gradients are looked at on every step; only their place and version are asked for."""


@dataclass
class Participant:
    """One optimizer.

    Args:
        index: Its number in the order of first steps.
        view: The view of the live optimizer.
        law: Its law by the table; None where the table has none.
        watched: (number of the tensor in the session, tensor, its group).
        names: The watched tensors' names.
        own: Its own count of steps.
    """

    index: int
    view: OptimizerView
    law: Law | None
    watched: list[tuple[int, torch.Tensor, dict[str, Any]]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    own: int = 0
    obstacle: str = ""
    seen: list[tuple[int, int] | None] = field(default_factory=list)
    untouched: list[bool] = field(default_factory=list)

    def record(self) -> Optimizer:
        """The record of the optimizer.

        Returns:
            Plain data.
        """
        optimizer = self.view.optimizer
        groups = optimizer.param_groups
        flags = {n: v for n, v in groups[0].items() if isinstance(v, (bool, str)) and n != "params"}
        tensors = [tensor for group in groups for tensor in group["params"]]
        settings = tuple(self.view.settings()[: len(groups)])
        elements = sum(tensor.numel() for tensor in tensors)
        states = [state for state in optimizer.state.values() if isinstance(state, dict)][:1]
        formats = {n: name_format(v) for state in states for n, v in state.items() if isinstance(v, torch.Tensor)}
        untried = why_untried(optimizer)
        return Optimizer(
            self.view.target, settings, flags, len(tensors), elements, self.law, self.obstacle, formats, untried
        )

    def complete(
        self, journal: Journal, place: int, known: dict[int, str], law_of: Callable[[Any], Law] | None
    ) -> dict[int, str]:
        """Say again, and better, what became known only at the end.

        Args:
            journal: Where it is written.
            place: The place of this optimizer among those of the session.
            known: Names of tensors by identity.
            law_of: Finds the law of a live optimizer; asked where the table had none.

        Returns:
            New names by the number of the tensor.
        """
        if self.law is None and law_of is not None:
            doubt = doubt_about_step(self.view.optimizer)  # to find a law it is made and stepped, again and again
            if doubt:
                name = self.view.target.replace("__main__", "MODULE")
                self.obstacle = f"its code uses {doubt}, so it was not run for it here; see lossgauge discover {name}"
            else:
                self._look_up(law_of)
            journal.replace(place, self.record())
        named = {number: known.get(id(tensor), "") for number, tensor, _ in self.watched}
        return {number: name for number, name in named.items() if name}

    def _look_up(self, law_of: Callable[[Any], Law]) -> None:
        try:
            self.law = law_of(self.view.optimizer)
        except LossgaugeError as error:
            self.obstacle = str(error)

    def look_at_gradients(self) -> None:
        """At the start of a backward: whether the gradients of the step before are still there, untouched.

        Every change of a tensor in place raises its version, so nothing has to be read, and nothing is kept alive.
        """
        if self.seen:
            fresh = [
                before is not None and _mark(tensor.grad) == before
                for (_, tensor, _), before in zip(self.watched, self.seen, strict=False)
            ]
            self.untouched = [old and new for old, new in zip(self.untouched, fresh, strict=False)] or fresh

    def stale(self) -> bool | None:
        """Whether the step at hand adds to the gradients of the step before.

        Returns:
            None before there was a step before; True where every tensor that got a gradient kept the old one too.
        """
        if not self.seen or not self.untouched:
            return None
        grown = [
            kept
            for (_, tensor, _), before, kept in zip(self.watched, self.seen, self.untouched, strict=False)
            if tensor.grad is not None and _mark(tensor.grad) != before
        ]
        return all(grown) if grown else None

    def remember_gradients(self, wanted: bool = True) -> None:
        """After a step: note which gradients are there.

        Args:
            wanted: Whether anybody will ask whether they are still there; without, nothing is remembered.
        """
        self.seen = [_mark(tensor.grad) for _, tensor, _ in self.watched[:LOOKED_AT]] if wanted else []
        self.untouched = []


def _mark(gradient: torch.Tensor | None) -> tuple[int, int] | None:
    """What tells a gradient that was left alone from one that was not: its place in memory, and its version."""
    if gradient is None or gradient.layout != torch.strided:
        return None
    return gradient.data_ptr(), gradient._version


def enlist(index: int, view: OptimizerView, first: int, given: dict[int, str]) -> tuple[Participant, list[Tensor]]:
    """Take an optimizer into account.

    Args:
        index: Its number.
        view: The view of the live optimizer.
        first: The number the first of its tensors gets in the session.
        given: Names that are known beforehand, by the identity of the tensor.

    Returns:
        The participant, and the records of its watched tensors.
    """
    known = names_of_callers(sys._getframe(1)) | given
    row = find_row(view.target)
    settings = {n: v for n, v in view.optimizer.param_groups[0].items() if n != "params"}
    participant = Participant(index, view, row.law_for(settings) if row else None)
    names = view.names(known, index)
    everything = [(g, group, t) for g, group in enumerate(view.optimizer.param_groups) for t in group["params"]]
    records: list[Tensor] = []
    places = evenly(len(everything), MOST)
    most = room_of(view.optimizer, [everything[place][2] for place in places]).most
    for place in places:
        number, (g, group, tensor) = first + len(records), everything[place]
        participant.watched.append((number, tensor, group))
        participant.names.append(names[place])
        size, shape, observed = tensor.numel(), tuple(tensor.shape), min(plain(tensor).numel(), most)
        records.append(Tensor(names[place], shape, name_format(tensor), index, g, size, observed))
    return participant, records


def name_format(tensor: torch.Tensor) -> str:
    """The number format of a tensor.

    Args:
        tensor: Any tensor.

    Returns:
        `float32`, `bfloat16`, …
    """
    return str(tensor.dtype).removeprefix("torch.")


def names_of_callers(frame: FrameType | None) -> dict[int, str]:
    """The names that models found in the calling frames give their weights.

    Args:
        frame: The innermost frame.

    Returns:
        Names by the identity of the tensor.
    """
    known: dict[int, str] = {}
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith(("torch.", "lossgauge.")):
            names_in(dict(frame.f_locals), known)
            if frame.f_locals is not frame.f_globals:
                names_in(dict(frame.f_globals), known)
        frame = frame.f_back
    return known
