"""Treatments that multiply a backward and divide where it ends: against small numbers, and to round in another way."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch

from lossgauge.frameworks.torch.injection.bits import live_optimizers, tensors_of
from lossgauge.frameworks.torch.injection.passages import Proceed, Start, Stepping
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.frameworks.torch.treatments.graph import leaves_of
from lossgauge.records.treatment import Treatment


class Scaler(Change):
    """`scaler`: the loss multiplied where backward starts, each gradient divided where it reaches its tensor.

    Whatever the training does with its gradients (accumulate, clip, look at them) it does with unscaled ones, since the
    division comes before anything is added to `.grad`. With a scaler of the user's own the two factors multiply, and
    each takes its own away.
    """

    inner = frozenset({"start"})

    def __init__(self, treatment: Treatment) -> None:
        """Prepare.

        Args:
            treatment: The change; its factor is a power of two.
        """
        super().__init__(treatment)
        self.scale = self.factor
        self._halved = False
        self._divided: set[Any] = set()
        self._held: set[int] | None = None

    def start(self, start: Start, proceed: Proceed) -> Any:
        """Multiply, and divide at the leaves; see `Change`."""
        scale = self.scale
        if not start.nested:
            self._halved, self._held = False, None
            start.gradients = tuple(None if g is None else g * scale for g in start.gradients)
        with ExitStack() as hooks:
            for node, leaf in leaves_of(start.roots):
                if node not in self._divided and (not start.nested or self._trained(leaf)):
                    self._divided.add(node)  # a nested backward may end where the outer one does
                    hooks.callback(self._divided.discard, node)
                    hooks.callback(node.register_prehook(lambda arriving: _divided(arriving, scale)).remove)
            return proceed()

    def _trained(self, leaf: torch.Tensor) -> bool:
        """Whether a nested backward ends here; its other leaves hand their gradient on to the outer one."""
        if isinstance(leaf, torch.nn.Parameter):
            return True
        if self._held is None:
            self._held = {id(tensor) for optimizer in live_optimizers() for tensor in tensors_of(optimizer)}
        return id(leaf) in self._held

    def step(self, stepping: Stepping, proceed: Proceed) -> Any:
        """Leave a step with a gradient that is not finite out, and halve the factor; see `Change`."""
        if stepping.closes or all(map(_finite, stepping.optimizer.param_groups)):
            return proceed()
        if not self._halved:  # once for all optimizers that step on this backward
            self.scale /= 2
            self._halved = True
        return None


class Summation(Scaler):
    """`summation`: a scaler that protects nothing: its factor is no power of two, so every sum is rounded anew.

    In exact arithmetic nothing changes. What does change in a training is what rounding does to it.
    """

    ELSEWHERE = 131 / 128
    """Exact in every number format, and so near 1 that next to nothing leaves the range of one."""

    def __init__(self, treatment: Treatment) -> None:
        """Prepare.

        Args:
            treatment: The change; it has no factor of its own.
        """
        super().__init__(replace(treatment, factor=self.ELSEWHERE))

    def step(self, stepping: Stepping, proceed: Proceed) -> Any:
        """Nothing is left out; see `Change`."""
        return proceed()


def _divided(arriving: Any, scale: float) -> tuple[Any, ...]:
    return tuple(None if gradient is None else gradient / scale for gradient in arriving)


def _finite(group: dict[str, Any]) -> bool:
    gradients = [tensor.grad for tensor in group["params"] if tensor.grad is not None]
    values = [g.coalesce().values() if g.layout is not torch.strided else g for g in gradients]
    return all(bool(torch.isfinite(value).all()) for value in values)
