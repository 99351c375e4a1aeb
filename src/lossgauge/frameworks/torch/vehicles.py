"""Clip functions and schedules as optimizers: the thing studied, mounted on plain descent so that it moves weights.

`ClippedDescent` clips and then steps w ← w − lr·g; `ScheduledDescent` steps a torch optimizer and then its schedule.
Their own `lr` is a carrier and is left out of the law.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch

CLIP_FUNCTIONS = ("clip_grad_norm_", "clip_grad_value_")
SCHEDULES: dict[str, dict[str, Any]] = {
    "ReduceLROnPlateau": {"patience": 1, "factor": 0.6, "min_lr": 0.002},
    "CosineAnnealingLR": {"T_max": 40, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 7, "eta_min": 0.01},
    "OneCycleLR": {"max_lr": 0.2, "total_steps": 100_000},
    "CyclicLR": {"base_lr": 0.02, "max_lr": 0.2, "step_size_up": 5, "cycle_momentum": False},
}
"""Schedules with quantities in units of the learning rate or the loss, and settings at which those matter."""


class ClippedDescent(torch.optim.Optimizer):
    """w ← w − lr·clip(g).

    Args:
        params: The weights, in W.
        clip: The clip function; it changes gradients (L/W) in place.
        lr: Learning rate of the vehicle, in W²/L.
        settings: Arguments of the clip function, such as `max_norm` in L/W.
    """

    def __init__(self, params: Any, clip: Callable[..., Any], lr: float, settings: dict[str, Any]) -> None:
        self.clip, self.settings = clip, settings
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Clip, then descend.

        Args:
            closure: Unused.
        """
        for group in self.param_groups:
            self.clip(group["params"], **self.settings)
            with torch.no_grad():
                for weight in group["params"]:
                    weight.add_(weight.grad, alpha=-group["lr"])


class ScheduledDescent:
    """A torch optimizer followed by its schedule, which is fed the loss where it asks for one.

    Args:
        optimizer: The optimizer.
        schedule: The schedule.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Any) -> None:
        self.optimizer, self.schedule = optimizer, schedule
        self.param_groups, self.state = optimizer.param_groups, optimizer.state

    def step(self, closure: Callable[[], torch.Tensor]) -> None:
        """One optimizer step and one schedule step.

        Args:
            closure: Writes the gradients and returns the loss.
        """
        loss = closure()
        self.optimizer.step()
        if "metrics" in inspect.signature(type(self.schedule).step).parameters:
            self.schedule.step(loss.item())
        else:
            self.schedule.step()


def clip_factory(function: Callable[..., Any]) -> Callable[..., Any]:
    """A factory of `ClippedDescent` with the clip function's own settings.

    Args:
        function: A function of (parameters, threshold, …) that changes gradients in place.

    Returns:
        A factory whose signature is `(params, lr, <settings of the function>)`.
    """
    own = [_with_default(p) for p in list(inspect.signature(function).parameters.values())[1:]]
    values = {p.name: p.default for p in own}

    def build(params: Any, lr: float = 0.1, **settings: Any) -> ClippedDescent:
        return ClippedDescent(params, function, lr, {**values, **settings})

    return _described(build, function, own, 0.1)


def schedule_factory(schedule: type, carrier: str = "SGD") -> Callable[..., Any]:
    """A factory of `ScheduledDescent` with the schedule's own settings.

    Args:
        schedule: A class of `torch.optim.lr_scheduler`.
        carrier: The torch optimizer it is mounted on.

    Returns:
        A factory whose signature is `(params, lr, <settings of the schedule>)`.
    """
    values = SCHEDULES.get(schedule.__name__, {})

    def build(params: Any, lr: float = 0.1, **settings: Any) -> ScheduledDescent:
        optimizer = getattr(torch.optim, carrier)(params, lr=lr, foreach=False)
        return ScheduledDescent(optimizer, schedule(optimizer, **{**values, **settings}))

    own = list(inspect.signature(schedule).parameters.values())[1:]
    kept = [p.replace(default=values.get(p.name, p.default)) for p in own if p.name not in ("last_epoch", "verbose")]
    return _described(build, schedule, kept, 0.1)


def _described(
    build: Callable[..., Any], subject: Any, settings: list[inspect.Parameter], lr: float
) -> Callable[..., Any]:
    first = inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rate = inspect.Parameter("lr", inspect.Parameter.KEYWORD_ONLY, default=lr, annotation=float)
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in settings if p.name != "lr"]
    build.__signature__ = inspect.Signature([first, rate, *own])  # type: ignore[attr-defined]
    build.__module__ = inspect.unwrap(subject).__module__
    return build


def _with_default(parameter: inspect.Parameter) -> inspect.Parameter:
    """Thresholds have no default; at 2 the quadratic's gradients are clipped in some steps and not in others."""
    return parameter.replace(default=2.0) if parameter.default is inspect.Parameter.empty else parameter
