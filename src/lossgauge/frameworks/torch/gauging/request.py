"""What a gauge is asked to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lossgauge.frameworks.torch.gauging.schedule import Schedule


@dataclass
class GaugeSettings:
    """What a gauge is asked to do.

    Args:
        stop_after: Optimizer steps after which the training is ended; None lets it go on.
        only: The optimizers to observe; None for all.
        names: Names of tensors that are known beforehand, by identity.
        schedule: When to sample.
        sink: Told, at every sample, of its step and of numbers by name; None for nobody.
    """

    stop_after: int | None = None
    only: tuple[Any, ...] | None = None
    names: dict[int, str] | None = None
    schedule: Schedule | None = None
    sink: Callable[[int, dict[str, float]], None] | None = None
