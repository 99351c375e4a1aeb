"""Treatments of a number the user set: a hyperparameter, or how a plateau schedule compares."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.injection.co_scaling import placed
from lossgauge.frameworks.torch.injection.passages import Proceed, Stepping
from lossgauge.frameworks.torch.injection.patches import replaced
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.records.treatment import Treatment

_FLAT = re.compile(r"^(?P<name>.+?)(?:\[(?P<entry>\d+)\])?$")


class Setting(Change):
    """`setting`: a hyperparameter has another value while a step is made, so that schedules go on with the user's."""

    def __init__(self, treatment: Treatment) -> None:
        """Prepare.

        Args:
            treatment: The change; `betas[1]` is an entry of a tuple.
        """
        super().__init__(treatment)
        found = _FLAT.match(treatment.name)
        self.name = found["name"] if found else ""
        self.entry = None if found is None or found["entry"] is None else int(found["entry"])
        self._busy: set[tuple[int, str]] = set()

    def step(self, stepping: Stepping, proceed: Proceed) -> Any:
        """Put the value in, and the user's own back afterwards; see `Change`."""
        if not self.concerns(stepping.index):
            return proceed()
        if stepping.first:
            self._check(stepping)
            self._fill_states(stepping.optimizer)
        with placed(stepping.optimizer, {self.name}, self._changed, self._own, self._busy):
            return proceed()

    def _check(self, stepping: Stepping) -> None:
        """Refuse a name the optimizer does not have, where the treatment means this very optimizer."""
        places = (*stepping.optimizer.param_groups, vars(stepping.optimizer))
        if self.treatment.optimizer is not None and not any(self.name in place for place in places):
            known = ", ".join(name for name in stepping.optimizer.param_groups[0] if name != "params")
            raise InputError(
                f"optimizer {stepping.index}, {type(stepping.optimizer).__name__}, has no setting "
                f"{self.treatment.name!r} to change; expected one of {known}"
            )

    def _fill_states(self, optimizer: torch.optim.Optimizer) -> None:
        """Change what was filled with the user's value at construction: Adagrad's `initial_accumulator_value`."""
        for group in optimizer.param_groups:
            own = group.get(self.name)
            if not isinstance(own, float) or not own or _another_source(group, self.name, own):
                continue
            for tensor in group["params"]:
                for value in optimizer.state.get(tensor, {}).values():
                    if _filled(value, tensor, own):
                        value.fill_(self.treatment.changed(own))

    def _changed(self, name: str, own: Any) -> Any:
        if isinstance(own, (tuple, list)) and self.entry is not None:
            entries = [self._number(e) if i == self.entry else e for i, e in enumerate(own)]
            return tuple(entries) if isinstance(own, tuple) else entries
        return self._number(own)

    def _number(self, own: Any) -> Any:
        if isinstance(own, torch.Tensor):  # learning rates may be tensors
            return _like(own, self.treatment.value) if self.treatment.value is not None else own * self.factor
        return self.treatment.changed(own) if isinstance(own, (int, float)) and not isinstance(own, bool) else own

    def _own(self, name: str, left: Any) -> Any:
        """The user's own for a value that the step itself moved."""
        if self.treatment.value is not None or not self.factor or not isinstance(left, (int, float, torch.Tensor)):
            return left
        return left / self.factor


def _another_source(group: dict[str, Any], name: str, own: float) -> bool:
    """Whether another setting has the same value and is more likely what a state was filled with."""
    return "init" not in name and any(
        isinstance(value, float) and value == own for other, value in group.items() if other != name
    )


def _filled(value: Any, tensor: torch.Tensor, own: float) -> bool:
    """Whether a state of a weight tensor has that value everywhere; a count of steps is no such state."""
    if not isinstance(value, torch.Tensor) or value.shape != tensor.shape or value.dtype != tensor.dtype:
        return False
    return bool(value.numel()) and bool((value == _like(value, own)).all())


def _like(tensor: torch.Tensor, value: float) -> torch.Tensor:
    return torch.full_like(tensor, value)


class PlateauMode(Change):
    """`plateau-mode`: how `ReduceLROnPlateau` compares its metric with the best one."""

    @contextmanager
    def laid(self) -> Iterator[None]:
        """Only while the schedule makes its step does it have the other mode; see `Change`."""
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
        step = vars(plateau)["step"]

        def step_compared(schedule: Any, *args: Any, **kwargs: Any) -> Any:
            own, schedule.threshold_mode = schedule.threshold_mode, self.treatment.choice
            try:
                return step(schedule, *args, **kwargs)
            finally:
                schedule.threshold_mode = own

        with replaced(plateau, "step", step_compared):
            yield
