"""Co-scaling the thresholds of clip functions, however and whenever they were imported."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from torch.nn.utils import clip_grad

from lossgauge.frameworks.torch.injection.observation import Observer
from lossgauge.frameworks.torch.injection.patches import enclosed, replaced_inside
from lossgauge.laws.equivalence import scaled
from lossgauge.records.injection import Injection

# The public function calls the private one where that exists, and both are used by hand: the innermost is replaced.
PLACES = (("_clip_grads_with_norm_", "max_norm"), ("clip_grad_norm_", "max_norm"), ("clip_grad_value_", "clip_value"))


@contextmanager
def co_scale_thresholds(injection: Injection, observer: Observer) -> Iterator[None]:
    """Let every clip function of torch see its threshold in the units of the multiplied loss.

    Args:
        injection: The loss multiplier and the exponents of `max_norm` and `clip_value`.
        observer: Told of every threshold in use.

    Yields:
        Nothing.
    """
    with ExitStack() as stack:
        done: set[str] = set()
        for place, name in PLACES:
            function = vars(clip_grad).get(place)
            cell = enclosed(function)
            if name in done or cell is None:
                continue
            done.add(name)
            stack.enter_context(replaced_inside(cell, _co_scaled(cell.cell_contents, name, injection, observer)))
        yield


def _co_scaled(clip: Callable[..., Any], name: str, injection: Injection, observer: Observer) -> Callable[..., Any]:
    signature = inspect.signature(clip)

    @wraps(clip)
    def clip_co_scaled(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        own = float(bound.arguments[name])
        observer.threshold(name, own)
        if not injection.active:
            return clip(*args, **kwargs)
        bound.arguments[name] = scaled(own, injection.companion(name), injection.alpha)
        return clip(*bound.args, **bound.kwargs)

    return clip_co_scaled
