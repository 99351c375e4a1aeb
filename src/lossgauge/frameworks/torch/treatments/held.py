"""Treatment of trained tensors that no optimizer holds."""

from copy import deepcopy
from typing import Any

import torch

from lossgauge.frameworks.torch.injection.bits import live_optimizers, tensors_of
from lossgauge.frameworks.torch.injection.passages import Proceed, Start, Stepping
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.frameworks.torch.treatments.graph import leaves_of
from lossgauge.records.treatment import Treatment

OCCASIONS = 2
"""Steps of the first optimizer before which tensors are added: some are reached only by the second loss."""


class HeldParameters(Change):
    """`held-parameters`: tensors the loss reaches and no optimizer holds join the first group of the first optimizer.

    They join a group that is there already, since schedules count the groups. They stay in it.
    """

    def __init__(self, treatment: Treatment) -> None:
        """Prepare.

        Args:
            treatment: The change.
        """
        super().__init__(treatment)
        self._reached: dict[int, torch.Tensor] = {}
        self._begun: dict[str, Any] = {}
        self._occasions = 0

    def start(self, start: Start, proceed: Proceed) -> Any:
        """Remember what the loss reaches; see `Change`."""
        if self._occasions < OCCASIONS:
            self._reached.update((id(leaf), leaf) for _, leaf in leaves_of(start.roots) if leaf.requires_grad)
        return proceed()

    def step(self, stepping: Stepping, proceed: Proceed) -> Any:
        """Add them before the step, or after the first evaluation of its closure; see `Change`."""
        optimizer = stepping.optimizer
        if stepping.index != (self.treatment.optimizer or 0) or self._occasions >= OCCASIONS:
            return proceed()
        if stepping.first:
            self._begun = _beginnings(optimizer)

        def evaluate(proceed: Proceed) -> Any:
            loss = proceed()
            if self._occasions < OCCASIONS:  # a line search cannot take more tensors later on
                self._occasions = OCCASIONS
                self._add(optimizer)
            return loss

        if stepping.closes:
            stepping.closures_through(evaluate)
        else:
            self._occasions += 1
            self._add(optimizer)
        return proceed()

    def _add(self, optimizer: torch.optim.Optimizer) -> None:
        held = {id(tensor) for other in live_optimizers() for tensor in tensors_of(other)}
        kind = torch.Tensor if any(type(t) is torch.Tensor for t in tensors_of(optimizer)) else torch.nn.Parameter
        # Collocation points and inputs that are optimized want gradients, too; what is trained is of the kind held.
        strangers = [leaf for key, leaf in self._reached.items() if key not in held and isinstance(leaf, kind)]
        self._reached.clear()
        group = optimizer.param_groups[0]
        group["params"].extend(strangers)  # in place: L-BFGS keeps this very list
        if "param_names" in group:
            group["param_names"].extend(f"added.{number}" for number in range(len(strangers)))
        for tensor in strangers if self._begun else ():
            optimizer.state[tensor] = {n: _begin(value, tensor) for n, value in self._begun.items()}


def _beginnings(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What an optimizer remembers of a tensor from its construction on: one number for all elements (Adagrad's sum)."""
    beginnings: dict[str, Any] = {}
    for tensor in tensors_of(optimizer)[:1]:
        for name, value in optimizer.state.get(tensor, {}).items():
            alike = isinstance(value, torch.Tensor) and value.shape == tensor.shape and value.numel()
            if alike and not bool((value == value.flatten()[0]).all()):
                return {}  # a checkpoint was loaded
            beginnings[name] = value.flatten()[0].item() if alike else deepcopy(value)
    return beginnings


def _begin(beginning: Any, tensor: torch.Tensor) -> Any:
    return torch.full_like(tensor, beginning) if isinstance(beginning, float) else deepcopy(beginning)
