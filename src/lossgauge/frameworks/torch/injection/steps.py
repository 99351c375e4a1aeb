"""Co-scaling optimizers around each of their steps.

Only while `step` itself runs do the hyperparameters have their co-scaled values; before and after it, schedulers, hooks
and logging see the user's own. So a schedule needs no exponents at all.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from numbers import Number
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lossgauge.errors import ObservationError
from lossgauge.frameworks.torch.injection.bits import OptimizerView
from lossgauge.frameworks.torch.injection.co_scaling import co_scaled, scale_states
from lossgauge.frameworks.torch.injection.observation import Observer
from lossgauge.frameworks.torch.injection.patches import enclosed, replaced_inside
from lossgauge.records.injection import Injection


class Steps:
    """Every step of every optimizer while an injection lasts."""

    def __init__(self, injection: Injection, observer: Observer) -> None:
        """Prepare; nothing is touched yet.

        Args:
            injection: The loss multiplier and the law of each optimizer.
            observer: Told of every first step and of every finished one.
        """
        self.injection = injection
        self.observer = observer
        self._optimizers: list[torch.optim.Optimizer] = []  # kept alive, so that an identity is never used twice
        self._at_work: set[int] = set()
        self._stack = ExitStack()
        self._intercepted: set[int] = set()

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        """Intercept the steps of all optimizers, also of those built or written later.

        Yields:
            Nothing.
        """
        with self._stack:
            handle = register_optimizer_step_pre_hook(self._intercept)
            self._stack.callback(handle.remove)
            yield

    def _intercept(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Replace what torch's own wrapper around `step` is about to call; hooks the user registered stay outside."""
        cell = enclosed(type(optimizer).step)
        if cell is None:
            raise ObservationError(
                f"{type(optimizer).__name__}.step is decorated in a way that hides the step itself; expected a "
                "decorator that uses functools.wraps"
            )
        if id(cell) not in self._intercepted:
            self._intercepted.add(id(cell))
            self._stack.enter_context(replaced_inside(cell, self._observed(cell.cell_contents)))

    def _observed(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def step_observed(optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
            if id(optimizer) in self._at_work:  # a subclass that calls the step of its parent
                return step(optimizer, *args, **kwargs)
            self._at_work.add(id(optimizer))
            try:
                index = self._index(optimizer)
                outcome = self._step(step, index, optimizer, args, kwargs)
            finally:
                self._at_work.discard(id(optimizer))
            self.observer.step(index, OptimizerView(optimizer))
            return outcome

        return step_observed

    def _index(self, optimizer: torch.optim.Optimizer) -> int:
        for index, known in enumerate(self._optimizers):
            if known is optimizer:
                return index
        self._optimizers.append(optimizer)
        index = len(self._optimizers) - 1
        self.observer.enter(index, OptimizerView(optimizer))
        law = self.injection.law_at(index)
        if self.injection.active and law is not None:
            scale_states(optimizer, law, self.injection.laws[index], self.injection)
        return index

    def _step(
        self, step: Callable[..., Any], index: int, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any
    ) -> Any:
        law = self.injection.law_at(index)
        if not self.injection.active:
            return step(optimizer, *args, **kwargs)
        loss = _Loss(float(self.injection.alpha))
        with co_scaled(optimizer, law, self.injection.alpha):
            return loss.own(step(optimizer, *map(loss.around, args), **{n: loss.around(v) for n, v in kwargs.items()}))


class _Loss:
    """The loss a closure returns: multiplied on the way into the optimizer, the user's own on the way back."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._own: list[tuple[Any, Any]] = []

    def around(self, argument: Any) -> Any:
        """A closure that returns the multiplied loss; any other argument as it is."""
        if not callable(argument) or isinstance(argument, torch.nn.Module):
            return argument

        @wraps(argument)
        def closure(*args: Any, **kwargs: Any) -> Any:
            own = argument(*args, **kwargs)
            if not isinstance(own, (Number, torch.Tensor)):
                return own
            multiplied: Any = own * self.factor  # pyright: ignore[reportOperatorIssue]
            self._own.append((multiplied, own))
            return multiplied

        return closure

    def own(self, returned: Any) -> Any:
        """What the step returns to the user, in the user's units where it is a loss."""
        for multiplied, own in self._own:
            if returned is multiplied:
                return own
        if self._own and isinstance(returned, (float, torch.Tensor)):
            return returned / self.factor
        return returned
