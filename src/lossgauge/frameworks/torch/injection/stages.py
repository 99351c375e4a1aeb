"""Which gradients carry mixed precision's scale: those of a scaled loss, until they are unscaled or used up."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch

from lossgauge.frameworks.torch.injection.bits import tensors_of
from lossgauge.frameworks.torch.injection.patches import replaced


class Stage:
    """Follows scalers: in use from `scale` to `update`, and done with what was unscaled in between."""

    def __init__(self) -> None:
        """Start where nothing is scaled."""
        self._scaler: Any = None
        self._unscaled: list[torch.optim.Optimizer] = []

    def scaler_on(self, parameters: Sequence[torch.Tensor]) -> Any:
        """The scaler whose scale gradients carry.

        Args:
            parameters: The tensors whose gradients they are.

        Returns:
            The scaler; None where they are in units of the loss alone.
        """
        unscaled = {id(tensor) for optimizer in self._unscaled for tensor in tensors_of(optimizer)}
        return None if any(id(tensor) in unscaled for tensor in parameters) else self._scaler

    def begin(self, scaler: Any, loss: Any) -> None:
        """A loss was scaled."""
        self._scaler = scaler

    def unscale(self, scaler: Any, optimizer: torch.optim.Optimizer) -> None:
        """The gradients of an optimizer were unscaled."""
        self._unscaled.append(optimizer)

    def end(self, scaler: Any, scale: Any) -> None:
        """The steps are made."""
        self._scaler = None
        self._unscaled.clear()


@contextmanager
def follow_scalers() -> Iterator[Stage]:
    """Follow every scaler of mixed precision.

    Yields:
        What tells which gradients carry a scale.
    """
    scaler, stage = torch.amp.GradScaler, Stage()
    told = {"scale": stage.begin, "unscale_": stage.unscale, "update": stage.end}
    with ExitStack() as stack:
        for name, tell in told.items():
            stack.enter_context(replaced(scaler, name, _followed(vars(scaler)[name], tell)))
        yield stage


def _followed(own: Callable[..., Any], tell: Callable[[Any, Any], None]) -> Callable[..., Any]:
    """A method of a scaler that tells what it has done and with what; a scaler that is switched off does nothing."""

    @wraps(own)
    def method(scaler: Any, argument: Any = None, **named: Any) -> Any:
        given = () if argument is None else (argument,)
        outcome = own(scaler, *given, **named)
        if scaler.is_enabled():
            tell(scaler, argument if argument is not None else next(iter(named.values()), None))
        return outcome

    return method
