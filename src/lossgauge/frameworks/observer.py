"""What the one who watches a training is told while it runs; every method of this class does nothing."""

from collections.abc import Callable, Sequence
from typing import Any


class Stop(BaseException):
    """Ends a training from inside one of its steps; no `except Exception` of the user's catches it."""


class Rest:
    """How long an observer need not be told of anything, and which steps passed meanwhile.

    Attributes:
        allowed: Whether nothing has to be done for an injection either, and a step never passes twice.
        aside: Whether the places are given back meanwhile in which the observer would be told.
        asked: For how many steps the observer would rest from now on.
        steps: How many more steps pass untold; of the one after them everything but its backwards is told.
        again: Asked when they have passed, for how many more the observer would rest.
        made: The numbers of the optimizers that made a step of which nothing was told, in order.
    """

    __slots__ = ("again", "allowed", "aside", "asked", "made", "steps")  # what is looked at each step lies together

    def __init__(self) -> None:
        """Begin awake."""
        self.allowed = self.aside = False
        self.asked = self.steps = 0
        self.again: Callable[[], int] = int
        self.made: list[int] = []

    def passed(self) -> list[int]:
        """What passed since this was last asked.

        Returns:
            The number of its optimizer for every step.
        """
        found = self.made[:]
        del self.made[: len(found)]  # what another thread adds in between stays
        return found


class Observer:
    """Told of everything an injection passes by. It may raise to end the training.

    What the framework owns (optimizers, tensors, scalers) is handed over as it is; it must only be read.
    """

    rest = Rest()
    """Where an observer asks for rest; this one is of those that never do."""

    def enter(self, index: int, optimizer: Any) -> None:
        """An optimizer is about to make its first step.

        Args:
            index: Its number in the order of first steps, from 0.
            optimizer: A view of the live optimizer, with the user's own settings.
        """

    def before_step(self, index: int, optimizer: Any, closure: bool) -> None:
        """An optimizer is about to make a step.

        Args:
            index: Its number.
            optimizer: A view of it.
            closure: Whether the step computes its gradients itself, so that those now held are stale.
        """

    def step(self, index: int, optimizer: Any) -> None:
        """An optimizer has made a step.

        Args:
            index: Its number.
            optimizer: A view of it, with the user's own settings.
        """

    def backward(self, roots: Sequence[Any] = (), gradients: Sequence[Any] = ()) -> None:
        """A backward is about to start.

        Args:
            roots: The tensors it starts from.
            gradients: The gradients handed to them, before any multiplier; None stands for 1.
        """

    def after_backward(self) -> None:
        """A backward has ended, and its gradients have been accumulated."""

    def threshold(self, name: str, value: float) -> None:
        """A quantity beside the optimizers is used.

        Args:
            name: `max_norm`, `clip_value` or `threshold`.
            value: The user's own value, in its own units.
        """

    def before_clip(self, name: str, threshold: float, parameters: Sequence[Any], scaled: bool) -> None:
        """A clip function is about to be called.

        Args:
            name: `max_norm` or `clip_value`.
            threshold: The user's own value, in L/W.
            parameters: The tensors whose gradients are clipped.
            scaled: Whether the gradients still carry mixed precision's scale.
        """

    def after_clip(self, norm: Any, norm_type: float) -> None:
        """A clip function has been called.

        Args:
            norm: The norm before clipping, as a tensor in L/W; None for value clipping.
            norm_type: The order of the norm.
        """

    def scaled(self, scaler: Any, outcome: Any) -> None:
        """A loss was multiplied by mixed precision's scale.

        Args:
            scaler: The scaler.
            outcome: What `scale` returned.
        """

    def skipped(self, scaler: Any, optimizer: Any) -> None:
        """The scaler left a step out because a gradient was not finite.

        Args:
            scaler: The scaler.
            optimizer: The optimizer that did not step.
        """

    def plateau(self, scheduler: Any, metric: float, before: Sequence[float], after: Sequence[float]) -> None:
        """A plateau schedule was fed a metric.

        Args:
            scheduler: The schedule.
            metric: The user's own value.
            before: The learning rate of each group before.
            after: And after.
        """
