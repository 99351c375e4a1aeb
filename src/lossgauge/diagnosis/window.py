"""The safe window of α: how far the loss may be multiplied, everything else untouched, before a limit is met.

Every limit is a comparison of two quantities of which only one grows with the loss: |g| with the smallest number of its
format, √v̂ with ε, the norm with max_norm, g² with the largest number. In powers of two of α they sit side by side:
underflow | ε-dominated | safe | clipped | overflow.
"""

import math
from statistics import median

from lossgauge.diagnosis.case import Case
from lossgauge.laws.equivalence import LARGEST
from lossgauge.laws.formats import SMALLEST
from lossgauge.records.diagnosis import Limit, Window
from lossgauge.records.histogram import Histogram, add_up
from lossgauge.records.session import TensorSample

_LOWEST = {kind: math.log2(size) for kind, size in SMALLEST.items()}
_HIGHEST = {kind: math.log2(size) for kind, size in LARGEST.items()}


def find_windows(case: Case) -> tuple[Window, ...]:
    """The window of everything together, then of every observed tensor.

    Args:
        case: The training.

    Returns:
        The windows; empty where no step was sampled.
    """
    gathered: dict[int, list[TensorSample]] = {}
    for sample in case.later:
        for tensor in sample.tensors:
            gathered.setdefault(tensor.tensor, []).append(tensor)
    if not gathered:
        return ()
    clip = _clip_limit(case)
    every = [tensor for tensors in gathered.values() for tensor in tensors]
    windows = [Window("all", _limits(case, every, clip))]
    windows += [Window(case.tensor(tensors[0]).name, _limits(case, tensors, clip)) for tensors in gathered.values()]
    return tuple(windows)


def _limits(case: Case, tensors: list[TensorSample], clip: Limit | None) -> tuple[Limit, ...]:
    gradient = add_up(tensor.gradient for tensor in tensors if tensor.gradient)
    denominator = add_up(tensor.denominator for tensor in tensors if tensor.denominator)
    kind = case.tensor(tensors[0]).format
    backward = _narrowest(case) or kind
    squared = bool(denominator.finite)
    # Mixed precision's scale shifts what the backward computes; it is divided out before the gradient is squared.
    lowest = max(_LOWEST.get(backward, -149) - _scale(case), _LOWEST.get(kind, -149) / 2 if squared else -math.inf)
    highest = min(_HIGHEST.get(backward, 128) - _scale(case), _HIGHEST.get(kind, 128) / 2 if squared else math.inf)
    flushed = _flushed(case, tensors[0].tensor if len({t.tensor for t in tensors}) == 1 else None)
    under = _falls_below("underflow", gradient, lowest, flushed)
    found = [under, _epsilon_limit(case, denominator), clip]
    found.append(_rises_above("overflow", gradient, highest))
    return tuple(limit for limit in found if limit is not None)


def _falls_below(name: str, sizes: Histogram, edge: float, lost: float = 0.0) -> Limit | None:
    """The α at which elements fall below 2^edge: half of them, the first percent, nearly all.

    Args:
        name: What the edge is called.
        sizes: The elements that are left.
        edge: log2 of the smallest size.
        lost: The share of elements that have fallen below it already, by an unknown distance.

    Returns:
        The limit; None where there are no elements.
    """
    left = max(1e-9, 1.0 - lost)
    middle, low, high = (sizes.quantile(max(0.0, share - lost) / left) for share in (0.5, 0.01, 0.99))
    if lost and not sizes.finite:
        return Limit(name, 12.0, 0.0, 24.0)  # all of them are gone: at least one format's reach of room is missing
    if not middle or not low or not high:
        return None
    if lost > 0.01:
        return Limit(name, max(edge - math.log2(middle), 0.5 if lost > 0.5 else -99.0), max(0.0, edge - math.log2(low)),
                     edge - math.log2(high))  # fmt: skip
    return Limit(name, edge - math.log2(middle), edge - math.log2(low), edge - math.log2(high))


def _rises_above(name: str, sizes: Histogram, edge: float) -> Limit | None:
    middle, low, high = (sizes.quantile(share) for share in (0.5, 0.01, 0.99))
    if not middle or not low or not high:
        return None
    return Limit(name, edge - math.log2(middle), edge - math.log2(high), edge - math.log2(low))


def _epsilon_limit(case: Case, denominator: Histogram) -> Limit | None:
    value = case.setting(case.epsilon) if case.epsilon else None
    power = case.exponent(case.epsilon) if case.epsilon else None
    if not value or not power:
        return None
    return _falls_below("epsilon", denominator, math.log2(value) / float(power))


def _clip_limit(case: Case) -> Limit | None:
    excess = sorted(math.log2(ratio) for ratio in case.excess() if ratio > 0 and math.isfinite(ratio))
    if not excess:
        return None
    return Limit("clip", -median(excess), -excess[int(0.99 * (len(excess) - 1))], -excess[int(0.01 * len(excess))])


def _flushed(case: Case, tensor: int | None) -> float:
    """The share of gradient elements that are known to have been flushed to zero, by the counterfactual."""
    known = [reading.flushed for reading in case.readings if reading.flushed]
    shares = [
        share for flushed in known for number, share in flushed.items() if tensor is None or str(tensor) == str(number)
    ]
    return median(shares) if shares else 0.0


def _narrowest(case: Case) -> str:
    """The narrowest format in which gradients are computed."""
    formats = {kind for reading in case.readings for kind in reading.formats}
    return next((kind for kind in ("float16", "bfloat16") if kind in formats), "")


def _scale(case: Case) -> float:
    """log2 of mixed precision's scale: it shifts what the backward sees, and nothing else."""
    scales = [step.scale for step in case.steps if step.scale]
    return math.log2(median(scales)) if scales and median(scales) > 0 else 0.0
