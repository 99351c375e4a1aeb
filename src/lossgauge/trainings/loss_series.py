"""The losses of a training, one for every optimizer step, in the user's own units."""

from collections.abc import Sequence
from typing import Any


class LossSeries:
    """Takes the losses as they pass and reads them when the training is over."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._steps: list[list[tuple[Any, Any]]] = []
        self._open: list[tuple[Any, Any]] = []
        self._scale: Any = None
        self._over = False
        self._first_only = False

    def scaled(self, scaler: Any) -> None:
        """A loss was multiplied by mixed precision's scale.

        Args:
            scaler: The live scaler.
        """
        self._begin()
        scale = scaler._scale
        self._scale = None if scale is None else scale.item() if scale.device.type == "cpu" else scale.clone()

    def backward(self, roots: Sequence[Any], gradients: Sequence[Any]) -> None:
        """A backward is about to start.

        Args:
            roots: The tensors it starts from.
            gradients: The gradients handed to them, before any multiplier.
        """
        from lossgauge.frameworks.torch.gauging.ledger import loss_of

        self._begin()
        loss = loss_of(roots, gradients)
        if loss is not None and not (self._first_only and self._open):
            self._open.append((loss, self._scale))

    def before_step(self, closure: bool) -> None:
        """An optimizer is about to make a step.

        Args:
            closure: Whether it evaluates the loss itself; then the loss it begins with is the one that counts.
        """
        self._over = self._over or closure
        self._begin()
        self._first_only = closure

    def step(self) -> None:
        """A step was made, or left out by the scaler."""
        if self._open:
            self._steps.append(self._open)
        self._open, self._over, self._first_only = [], True, False

    def read(self) -> list[float]:
        """All losses.

        Returns:
            For every step with a backward of its own the mean of its losses.
        """
        return [
            sum(float(loss) / (1.0 if scale is None else float(scale)) for loss, scale in losses) / len(losses)
            for losses in self._steps
        ]

    def _begin(self) -> None:
        """What was before the last step belongs to it."""
        if self._over:
            self._open, self._scale, self._over = [], None, False
