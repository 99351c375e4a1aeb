"""Laying a change of units over a training that knows nothing of it.

Everything is put in place where torch itself passes through, so it does not matter how, or when, the training imported
what it calls. Everything is taken back on the way out. With the default injection the training only is observed: no
number in it is touched.
"""

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from lossgauge.errors import InputError
from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.injection.clips import co_scale_thresholds
from lossgauge.frameworks.torch.injection.losses import (
    cancel_in_scaler,
    feed_plateaus,
    multiply_backward,
    observe_scalers,
)
from lossgauge.frameworks.torch.injection.stages import follow_scalers
from lossgauge.frameworks.torch.injection.steps import co_scale_steps
from lossgauge.laws.multiplier import spell
from lossgauge.records.injection import Injection


@contextmanager
def inject(injection: Injection, observer: Observer) -> Iterator[None]:
    """Run what is inside with the loss multiplied and everything else co-scaled.

    Args:
        injection: The loss multiplier and the exponents.
        observer: Told of every optimizer step, every start of a backward and every threshold in use.

    Yields:
        Nothing.

    Raises:
        InputError: When α is beyond the floating-point numbers.
    """
    factor = _factor(injection)
    observer.rest.allowed = not injection.active
    with ExitStack() as stack:
        stack.enter_context(multiply_backward(factor, observer))
        stack.enter_context(co_scale_steps(injection, observer))
        stack.enter_context(co_scale_thresholds(injection, observer, stack.enter_context(follow_scalers())))
        stack.enter_context(observe_scalers(observer))
        if injection.active:
            stack.enter_context(cancel_in_scaler(injection))
        stack.enter_context(feed_plateaus(injection, factor, observer))
        yield


def load_late_parts() -> None:
    """Load now what torch itself loads only at the first step of an optimizer, which takes as long as torch does."""
    with suppress(ImportError):
        importlib.import_module("torch._dynamo")


def _factor(injection: Injection) -> float:
    try:
        factor = float(injection.alpha)
    except OverflowError:
        factor = 0.0
    if factor == 0.0:
        raise InputError(
            f"alpha {spell(injection.alpha)} is beyond the floating-point numbers; expected one between 2**-1000 and "
            "2**1000"
        )
    return factor
