"""Where the loss enters a training: the start of a backward, the scaler of mixed precision, a plateau's metric."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from lossgauge.frameworks.torch.injection.observation import Observer
from lossgauge.frameworks.torch.injection.patches import replaced
from lossgauge.laws.equivalence import scaled
from lossgauge.records.injection import Injection


@contextmanager
def multiply_backward(factor: float, observer: Observer) -> Iterator[None]:
    """Multiply the loss where a backward starts.

    `Tensor.backward` and `torch.autograd.backward` both hand the gradient of the loss with respect to itself to one
    function; `autograd.grad` passes there too but does not accumulate, and is left alone: it belongs to the loss.

    Args:
        factor: α, dimensionless.
        observer: Told of every start.

    Yields:
        Nothing.
    """
    start: Callable[..., Any] = vars(torch.autograd)["_engine_run_backward"]

    def start_multiplied(outputs: Any, gradients: Any, *args: Any, **kwargs: Any) -> Any:
        # A backward inside a backward (reentrant checkpointing) passes on gradients that carry α already. The engine
        # knows whether it is at work in this thread, also in the threads of its own that it uses for devices.
        if kwargs.get("accumulate_grad") and torch._C._current_graph_task_id() == -1:
            observer.backward()
            if factor != 1.0:
                gradients = tuple(None if gradient is None else gradient * factor for gradient in gradients)
        return start(outputs, gradients, *args, **kwargs)

    with replaced(torch.autograd, "_engine_run_backward", start_multiplied):
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

    Args:
        injection: The loss multiplier and the exponent of `threshold`.
        factor: α as a number.
        observer: Told of every absolute threshold in use.

    Yields:
        Nothing.
    """
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    step = vars(plateau)["step"]

    def step_multiplied(self: Any, metrics: Any, *args: Any, **kwargs: Any) -> Any:
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

    with replaced(plateau, "step", step_multiplied):
        yield
