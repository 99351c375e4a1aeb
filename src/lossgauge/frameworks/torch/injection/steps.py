"""Co-scaling optimizers around each of their steps.

Only while `step` itself runs do the hyperparameters have their co-scaled values; before and after it, schedulers, hooks
and logging see the user's own. So a schedule needs no exponents at all.
"""

from contextlib import AbstractContextManager
from numbers import Number
from typing import Any

import torch

from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.injection.bits import OptimizerView
from lossgauge.frameworks.torch.injection.co_scaling import co_scaled, scale_states
from lossgauge.frameworks.torch.injection.passages import Proceed, Stepping
from lossgauge.frameworks.torch.injection.step_passage import steps_through
from lossgauge.records.injection import Injection


def co_scale_steps(injection: Injection, observer: Observer) -> AbstractContextManager[None]:
    """Let every optimizer make its steps in the units of the multiplied loss.

    Args:
        injection: The loss multiplier and the law of each optimizer.
        observer: Told of every first step and of every finished one.

    Returns:
        The context in which they do.
    """

    def step_observed(stepping: Stepping, proceed: Proceed) -> Any:
        index, optimizer = stepping.index, stepping.optimizer
        view = OptimizerView(optimizer)
        if stepping.first:
            observer.enter(index, view)
            law = injection.law_at(index)
            if injection.active and law is not None:
                scale_states(optimizer, law, injection.laws[index], injection)
        observer.before_step(index, view, stepping.closes)
        outcome = _step(injection, stepping, proceed)
        observer.step(index, view)
        return outcome

    return steps_through(step_observed, observer.rest)


def _step(injection: Injection, stepping: Stepping, proceed: Proceed) -> Any:
    if not injection.active:
        return proceed()
    loss = _Loss(float(injection.alpha))
    stepping.closures_through(loss.multiplied)
    with co_scaled(stepping.optimizer, injection.law_at(stepping.index), injection.alpha):
        return loss.own(proceed())


class _Loss:
    """The loss a closure returns: multiplied on the way into the optimizer, the user's own on the way back."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._own: list[tuple[Any, Any]] = []

    def multiplied(self, evaluate: Proceed) -> Any:
        """What the optimizer gets for the loss of one evaluation."""
        own = evaluate()
        if not isinstance(own, (Number, torch.Tensor)):
            return own
        multiplied: Any = own * self.factor  # pyright: ignore[reportOperatorIssue]
        self._own.append((multiplied, own))
        return multiplied

    def own(self, returned: Any) -> Any:
        """What the step returns to the user, in the user's units where it is a loss."""
        for multiplied, own in self._own:
            if returned is multiplied:
                return own
        if self._own and isinstance(returned, (float, torch.Tensor)):
            return returned / self.factor
        return returned
