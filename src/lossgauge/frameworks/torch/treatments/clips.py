"""Treatments of gradient clipping: its threshold, its hidden constant, its units, and clipping where there was none."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lossgauge.frameworks.torch.injection.bits import tensors_of
from lossgauge.frameworks.torch.injection.passages import Clipping, Proceed, Stepping
from lossgauge.frameworks.torch.injection.stages import Stage, follow_scalers
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.records.treatment import Treatment


class Threshold(Change):
    """`threshold`: the threshold of the clip functions; a factor of infinity switches them off."""

    def clip(self, clipping: Clipping, proceed: Proceed) -> Any:
        """Change the threshold; see `Change`."""
        if self.named(clipping.name):
            own = clipping.threshold
            clipping.threshold = math.inf if self.factor == math.inf else self.treatment.changed(own)
        return proceed()


class ExactClip(Change):
    """`exact-clip`: global-norm clipping by min(1, max_norm/‖g‖), without the constant torch adds to ‖g‖."""

    inner = frozenset({"clip"})

    def clip(self, clipping: Clipping, proceed: Proceed) -> Any:
        """Clip in place of torch; see `Change`."""
        if clipping.name != "max_norm":
            return proceed()
        own, parameters = clipping.threshold, clipping.parameters
        norm, outcome = clipping.bound.arguments.get("total_norm"), None
        if norm is None:  # torch before 2.6 takes the norm and clips in one function, whose answer is the norm
            clipping.threshold = math.inf
            norm = outcome = proceed()
        with torch.no_grad():
            coefficient = torch.clamp(own / norm, max=1.0)
            for tensor in parameters:
                if tensor.grad is not None:
                    tensor.grad.mul_(coefficient.to(tensor.grad.device))
        return outcome


class UnscaledClip(Change):
    """`unscaled-clip`: thresholds multiplied by mixed precision's scale where the gradients still carry it."""

    def __init__(self, treatment: Treatment) -> None:
        """Prepare.

        Args:
            treatment: The change.
        """
        super().__init__(treatment)
        self._stage = Stage()

    @contextmanager
    def laid(self) -> Iterator[None]:
        """Follow the scalers; see `Change`."""
        with follow_scalers() as self._stage:
            yield

    def clip(self, clipping: Clipping, proceed: Proceed) -> Any:
        """Take the threshold in the units of the gradients; see `Change`."""
        scaler = self._stage.scaler_on(clipping.parameters)
        if scaler is not None:  # not get_scale, which answers in the user's units while the loss is multiplied
            clipping.threshold *= float(scaler._scale)
        return proceed()


class AddedClip(Change):
    """`added-clip`: global-norm clipping of all gradients of an optimizer just before it uses them."""

    def step(self, stepping: Stepping, proceed: Proceed) -> Any:
        """Clip before the step, or after each evaluation of its closure; see `Change`."""
        optimizer = stepping.optimizer
        if not self.concerns(stepping.index):
            return proceed()

        def evaluate(proceed: Proceed) -> Any:
            loss = proceed()
            self._clip(optimizer)
            return loss

        if stepping.closes:
            stepping.closures_through(evaluate)
        else:
            self._clip(optimizer)
        return proceed()

    def _clip(self, optimizer: torch.optim.Optimizer) -> None:
        # A fused optimizer divides by mixed precision's scale itself, inside its step.
        scale = getattr(optimizer, "grad_scale", None)
        own = math.inf if self.treatment.value is None else self.treatment.value
        torch.nn.utils.clip_grad_norm_(tensors_of(optimizer), own if scale is None else own * float(scale))
