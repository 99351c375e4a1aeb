"""Co-scaling the thresholds of clip functions."""

from contextlib import AbstractContextManager
from typing import Any

from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.injection.passages import Clipping, Proceed, clips_through
from lossgauge.laws.equivalence import scaled
from lossgauge.records.injection import Injection


def co_scale_thresholds(injection: Injection, observer: Observer) -> AbstractContextManager[None]:
    """Let every clip function of torch see its threshold in the units of the multiplied loss.

    Args:
        injection: The loss multiplier and the exponents of `max_norm` and `clip_value`.
        observer: Told of every threshold in use.

    Returns:
        The context in which they do.
    """

    def clip_co_scaled(clipping: Clipping, proceed: Proceed) -> Any:
        own = clipping.threshold
        observer.threshold(clipping.name, own)
        observer.before_clip(clipping.name, own, clipping.parameters)
        if injection.active:
            clipping.threshold = scaled(own, injection.companion(clipping.name), injection.alpha)
        outcome = proceed()
        arguments = clipping.bound.arguments
        observer.after_clip(arguments.get("total_norm", outcome), float(arguments.get("norm_type", 2.0)))
        return outcome

    return clips_through(clip_co_scaled)
