"""Running recorded programs on stacked tensors."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.stacking.operations import TABLE, TRUTHS
from lossgauge.frameworks.torch.stacking.program import Operation, Program, Recording


class Update(Protocol):
    """Weights and gradients of a chunk of replicas, and the steps of their optimizer."""

    slots: list[Tensor]

    @property
    def gradient(self) -> Tensor:
        """Where the gradient of the next step is written."""
        ...

    def step(self, number: int) -> None:
        """Make one step."""
        ...

    def bury(self, place: int) -> None:
        """Set everything a replica has to zero."""
        ...


class StackedUpdate:
    """Weights, gradients and states of a chunk of replicas, and the steps of their optimizer.

    Args:
        recording: What the optimizer does, for a whole group.
        members: The places of this chunk's replicas in the group.
        rows: Their weights, (replicas, width); changed in place.
    """

    def __init__(self, recording: Recording, members: Sequence[int], rows: Tensor) -> None:
        self.recording, self.members = recording, list(members)
        self.slots = [rows, *(torch.zeros_like(rows) for _ in range(recording.slots - 1))]
        self._plans = [_Plan(program, self.slots) for program in recording.programs]
        self._temporary: dict[tuple[int, bool], Tensor] = {}
        self._last: np.ndarray | None = None
        most = max((len(scalars) for scalars in recording.scalars), default=0)
        self._numbers = torch.zeros(most, len(self.members), dtype=rows.dtype, device=rows.device)
        self._scalars = self._numbers.unsqueeze(-1).unbind(0)

    @property
    def gradient(self) -> Tensor:
        """Where the gradient of the next step is written."""
        return self.slots[1]

    def step(self, number: int) -> None:
        """Make one step.

        Args:
            number: Its number, from 0.
        """
        self.prepare(number)
        self.apply(self.recording.steps[number])

    def prepare(self, number: int) -> None:
        """Put the scalars of a step where its program reads them.

        Args:
            number: The step's number, from 0.
        """
        rows = self.recording.scalars[number]
        if rows is not self._last:
            self._numbers[: len(rows)].copy_(torch.from_numpy(np.ascontiguousarray(rows[:, self.members])))
            self._last = rows

    def apply(self, program: int) -> None:
        """Run a program on what is there: always the same calls on the same memory.

        Args:
            program: Its number in the recording.
        """
        self._plans[program].run(self._scalars, self._buffer)

    def bury(self, place: int) -> None:
        """Set everything a replica has to zero: it does not count any more.

        Args:
            place: Its place.
        """
        for slot in self.slots:
            slot[place].zero_()

    def _buffer(self, number: int, truth: bool) -> Tensor:
        key = (number, truth)
        if key not in self._temporary:
            self._temporary[key] = torch.empty_like(self.slots[0], dtype=torch.bool if truth else None)
        return self._temporary[key]


class _Plan:
    """Which memory each operation of a program writes to: the slot its result ends up in, or one that is free."""

    def __init__(self, program: Program, slots: list[Tensor]) -> None:
        self.program, self.slots = program, slots
        self._needed = program.needed()
        self._last_use = self._last_uses()
        self._homes: dict[int, tuple[str, int, bool]] = {n: ("slot", n, False) for n in range(program.inputs)}
        self._free: list[int] = []
        self._temporaries = 0
        self.steps = [self._placed(place) for place in self._needed]
        self.copies = [
            (slot, self._homes[value])
            for slot, value in enumerate(program.outputs)
            if self._homes[value] != ("slot", slot, False)
        ]

    def run(self, scalars: Sequence[Tensor], buffer: Any) -> None:
        def memory(home: tuple[str, int, bool]) -> Tensor:
            return self.slots[home[1]] if home[0] == "slot" else buffer(home[1], home[2])

        for operation, homes, target in self.steps:
            operands = [
                memory(homes[i]) if kind == "value" else scalars[int(x)] if kind == "scalar" else x
                for i, (kind, x) in enumerate(operation.operands)
            ]
            if operation.name == "fill":
                fill = operands[0]
                memory(target).copy_(fill) if isinstance(fill, Tensor) else memory(target).fill_(fill)
            else:
                TABLE[operation.name](*operands, out=memory(target))
        waiting = [(slot, memory(home).clone() if home[0] == "slot" else memory(home)) for slot, home in self.copies]
        for slot, value in waiting:
            self.slots[slot].copy_(value)

    def _last_uses(self) -> dict[int, int]:
        last = dict.fromkeys(self.program.outputs, len(self.program.operations))
        for place in self._needed:
            for kind, x in self.program.operations[place].operands:
                if kind == "value":
                    last[int(x)] = max(last.get(int(x), -1), place)
        return last

    def _placed(self, place: int) -> tuple[Operation, dict[int, Any], tuple[str, int, bool]]:
        operation, result = self.program.operations[place], self.program.inputs + place
        homes = {i: self._homes[int(x)] for i, (kind, x) in enumerate(operation.operands) if kind == "value"}
        truth = operation.name in TRUTHS
        target = None if truth else self._own_slot(result, place)
        for kind, x in operation.operands:
            home = self._homes.get(int(x)) if kind == "value" else None
            if (
                home
                and home[0] == "temporary"
                and self._last_use.get(int(x), -1) <= place
                and home[1] not in self._free
            ):
                self._free.append(home[1])
        if target is None:
            target = ("temporary", self._take(truth), truth)
        self._homes[result] = target
        return operation, homes, target

    def _own_slot(self, result: int, place: int) -> tuple[str, int, bool] | None:
        """The slot a result ends up in, where nobody needs the slot's old value or an earlier tenant any more."""
        for slot, value in enumerate(self.program.outputs):
            if value != result:
                continue
            tenants = [v for v, home in self._homes.items() if home == ("slot", slot, False)]
            if all(self._last_use.get(v, -1) <= place for v in tenants):
                return ("slot", slot, False)
        return None

    def _take(self, truth: bool) -> int:
        if self._free and not truth:
            return self._free.pop()
        self._temporaries += 1
        return self._temporaries - 1
