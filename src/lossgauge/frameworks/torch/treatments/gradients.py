"""Treatments of gradients: those nobody set to zero, and those a custom function handed on without its own factor."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from lossgauge.frameworks.torch.injection.bits import tensors_of
from lossgauge.frameworks.torch.injection.passages import Proceed, Start, Stepping
from lossgauge.frameworks.torch.injection.patches import replaced
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.frameworks.torch.treatments.graph import nodes_of
from lossgauge.records.treatment import Treatment


class ZeroGrad(Change):
    """`zero-grad`: what an optimizer's step has used is gone when the next backward starts."""

    def __init__(self, treatment: Treatment) -> None:
        """Prepare.

        Args:
            treatment: The change.
        """
        super().__init__(treatment)
        self._used: list[torch.optim.Optimizer] = []
        self._others: set[int] = set()

    @contextmanager
    def laid(self) -> Iterator[None]:
        """A step that mixed precision's scaler leaves out has used its gradients, too; see `Change`."""
        step = vars(torch.amp.GradScaler)["step"]

        def step_counted(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            outcome = step(scaler, optimizer, *args, **kwargs)
            if id(optimizer) not in self._others:
                self._used.append(optimizer)
            return outcome

        with replaced(torch.amp.GradScaler, "step", step_counted):
            yield

    def start(self, start: Start, proceed: Proceed) -> Any:
        """Forget the used gradients; see `Change`."""
        if not start.nested:
            for optimizer in self._used:
                for tensor in tensors_of(optimizer):
                    tensor.grad = None
            self._used.clear()
        return proceed()

    def step(self, stepping: Stepping, proceed: Proceed) -> Any:
        """Note who has used its gradients; a closure's earlier evaluations are used by the next; see `Change`."""
        optimizer = stepping.optimizer
        if not self.concerns(stepping.index):
            self._others.add(id(optimizer))
            return proceed()

        def evaluate(proceed: Proceed) -> Any:
            self._used.append(optimizer)
            return proceed()

        stepping.closures_through(evaluate)
        try:
            return proceed()
        finally:
            self._used.append(optimizer)


class GradOutput(Change):
    """`grad-output`: what the backward of a custom function returns, multiplied by the gradient it was handed."""

    def start(self, start: Start, proceed: Proceed) -> Any:
        """Hold a hook behind every node of that name for this one backward; see `Change`."""
        with ExitStack() as hooks:
            for node in nodes_of(start.roots):
                if self.treatment.name in (type(node).__name__, node.name()):
                    hooks.callback(node.register_hook(_with_its_factor).remove)
            return proceed()


def _with_its_factor(returned: tuple[Any, ...], handed: tuple[Any, ...]) -> tuple[Any, ...]:
    """Only a single number can be a factor that was left out; anything larger has another meaning."""
    if len(handed) != 1 or handed[0] is None or handed[0].numel() != 1:
        return returned
    factor = handed[0].reshape(())
    return tuple(None if gradient is None else gradient * factor for gradient in returned)
