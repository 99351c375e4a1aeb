"""Co-scaling the thresholds of clip functions."""

from contextlib import AbstractContextManager
from typing import Any

from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.injection.passages import Clipping, Proceed, clips_through
from lossgauge.frameworks.torch.injection.stages import Stage
from lossgauge.laws.equivalence import scaled
from lossgauge.records.injection import Injection


def co_scale_thresholds(injection: Injection, observer: Observer, stage: Stage) -> AbstractContextManager[None]:
    """Let every clip function of torch see its threshold in the units of the multiplied loss.

    Where gradients still carry mixed precision's scale, whose exponent is −1, α cancels: there a threshold has no units
    of the loss, and is left alone.

    Args:
        injection: The loss multiplier and the exponents of `max_norm` and `clip_value`.
        observer: Told of every threshold in use.
        stage: Tells which gradients carry a scale.

    Returns:
        The context in which they do.
    """

    def clip_co_scaled(clipping: Clipping, proceed: Proceed) -> Any:
        own, parameters = clipping.threshold, clipping.parameters
        carried = stage.scaler_on(parameters) is not None
        if not carried:
            observer.threshold(clipping.name, own)
        observer.before_clip(clipping.name, own, parameters, carried)
        if injection.active and not carried:
            clipping.threshold = scaled(own, injection.companion(clipping.name), injection.alpha)
        outcome = proceed()
        arguments = clipping.bound.arguments
        observer.after_clip(arguments.get("total_norm", outcome), float(arguments.get("norm_type", 2.0)))
        return outcome

    return clips_through(clip_co_scaled, observer.rest)
