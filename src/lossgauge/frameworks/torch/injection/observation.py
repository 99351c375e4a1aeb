"""What the one who watches a training is told while it runs."""

from typing import Protocol

from lossgauge.frameworks.torch.injection.bits import OptimizerView


class Observer(Protocol):
    """Told of everything an injection passes by. It may raise to end the training."""

    def enter(self, index: int, optimizer: OptimizerView) -> None:
        """An optimizer is about to make its first step.

        Args:
            index: Its number in the order of first steps, from 0.
            optimizer: The live optimizer, with the user's own settings.
        """
        ...

    def step(self, index: int, optimizer: OptimizerView) -> None:
        """An optimizer has made a step.

        Args:
            index: Its number.
            optimizer: The live optimizer, with the user's own settings.
        """
        ...

    def backward(self) -> None:
        """A backward is about to start."""
        ...

    def threshold(self, name: str, value: float) -> None:
        """A quantity beside the optimizers is used.

        Args:
            name: `max_norm`, `clip_value` or `threshold`.
            value: The user's own value, in its own units.
        """
        ...
