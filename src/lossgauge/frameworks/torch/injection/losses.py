"""Where the loss enters a training: the start of a backward, the scaler of mixed precision, a plateau's metric."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch

from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.injection.passages import Proceed, Start, starts_through
from lossgauge.frameworks.torch.injection.patches import replaced
from lossgauge.laws.equivalence import scaled
from lossgauge.records.injection import Injection


def multiply_backward(factor: float, observer: Observer) -> AbstractContextManager[None]:
    """Multiply the loss where a backward starts.

    Args:
        factor: α, dimensionless.
        observer: Told of every start.

    Returns:
        The context in which it is.
    """

    def start_multiplied(start: Start, proceed: Proceed) -> Any:
        if start.nested:
            return proceed()
        observer.backward(start.roots, start.gradients)
        if factor != 1.0:
            start.gradients = tuple(None if gradient is None else gradient * factor for gradient in start.gradients)
        outcome = proceed()
        observer.after_backward()
        return outcome

    return starts_through(start_multiplied, observer.rest)


@contextmanager
def observe_scalers(observer: Observer) -> Iterator[None]:
    """Tell of everything that mixed precision's scalers do.

    Args:
        observer: Told of scaled losses and of steps left out.

    Yields:
        Nothing.
    """
    scaler = torch.amp.GradScaler
    scale, maybe_step = (vars(scaler)[name] for name in ("scale", "_maybe_opt_step"))

    def scale_observed(self: Any, *args: Any, **kwargs: Any) -> Any:
        outcome = scale(self, *args, **kwargs)
        if self.is_enabled() and not observer.rest.steps:
            observer.scaled(self, outcome)
        return outcome

    def maybe_step_observed(self: Any, optimizer: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        outcome = maybe_step(self, optimizer, state, *args, **kwargs)
        if sum(found.item() for found in state["found_inf_per_device"].values()):
            observer.skipped(self, optimizer)
        return outcome

    with ExitStack() as stack:
        stack.enter_context(replaced(scaler, "scale", scale_observed))
        stack.enter_context(replaced(scaler, "_maybe_opt_step", maybe_step_observed))
        yield


@contextmanager
def cancel_in_scaler(injection: Injection) -> Iterator[None]:
    """Divide the scale of every `GradScaler` by α, so that what reaches the half-precision gradients stays the same.

    Whoever reads or sets the scale sees, and sets, the user's own.

    Args:
        injection: The loss multiplier and the exponent of `init_scale`.

    Yields:
        Nothing.
    """
    factor = scaled(1.0, injection.companion("init_scale"), injection.alpha)
    scaler = torch.amp.GradScaler
    begin, load, update, get = (
        vars(scaler)[name] for name in ("_lazy_init_scale_growth_tracker", "load_state_dict", "update", "get_scale")
    )

    def begin_scaled(self: Any, *args: Any, **kwargs: Any) -> Any:
        outcome = begin(self, *args, **kwargs)
        self._scale.mul_(factor)
        return outcome

    def load_scaled(self: Any, *args: Any, **kwargs: Any) -> Any:
        outcome = load(self, *args, **kwargs)
        if self.is_enabled() and self._scale is not None:
            self._scale.mul_(factor)
        return outcome

    def update_scaled(self: Any, new_scale: Any = None) -> Any:
        return update(self, None if new_scale is None else new_scale * factor)

    def get_unscaled(self: Any) -> float:
        begun = self.is_enabled() and self._scale is not None
        return get(self) / factor if begun else get(self)

    with ExitStack() as stack:
        stack.enter_context(replaced(scaler, "_lazy_init_scale_growth_tracker", begin_scaled))
        stack.enter_context(replaced(scaler, "load_state_dict", load_scaled))
        stack.enter_context(replaced(scaler, "update", update_scaled))
        stack.enter_context(replaced(scaler, "get_scale", get_unscaled))
        yield


@contextmanager
def feed_plateaus(injection: Injection, factor: float, observer: Observer) -> Iterator[None]:
    """Multiply the loss that `ReduceLROnPlateau` is fed, and co-scale its threshold where that is absolute.

    A schedule that waits for a maximum is fed no loss, and is left alone.

    Args:
        injection: The loss multiplier and the exponent of `threshold`.
        factor: α as a number.
        observer: Told of every absolute threshold in use, and of what the schedule did.

    Yields:
        Nothing.
    """
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    step = vars(plateau)["step"]

    def step_observed(self: Any, metrics: Any, *args: Any, **kwargs: Any) -> Any:
        before = _rates(self)
        outcome = step_multiplied(self, metrics, *args, **kwargs)
        observer.plateau(self, float(metrics), before, _rates(self))
        return outcome

    def step_multiplied(self: Any, metrics: Any, *args: Any, **kwargs: Any) -> Any:
        if self.mode == "max":
            return step(self, metrics, *args, **kwargs)
        absolute = self.threshold_mode == "abs"
        if absolute:
            observer.threshold("threshold", float(self.threshold))
        if not injection.active:
            return step(self, metrics, *args, **kwargs)
        own = self.threshold
        self.best *= factor  # outside this call the best loss so far is the user's own
        try:
            if absolute:
                self.threshold = scaled(float(own), injection.companion("threshold"), injection.alpha)
            return step(self, float(metrics) * factor, *args, **kwargs)
        finally:
            self.threshold = own
            self.best /= factor

    with replaced(plateau, "step", step_observed):
        yield


def _rates(scheduler: Any) -> list[float]:
    return [float(group["lr"]) for group in scheduler.optimizer.param_groups]
