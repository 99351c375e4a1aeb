"""How much of a change rounding alone explains."""

import math
from collections.abc import Sequence

from lossgauge.experiments.measurements import Measured

TWICE = 2.0
"""The floor is twice the largest change that rounding was seen to make: the change at hand is one more draw of it."""
LARGEST = 700.0
"""The largest power of e that is a float."""


def find_floor(
    untouched: Measured, like: Sequence[Measured], multiplied: tuple[Measured, Measured], resolution: float
) -> float:
    """The size up to which a change says nothing.

    Args:
        untouched: The training without the multiplier.
        like: The same training with other roundings.
        multiplied: The training at α, and once more with other roundings.
        resolution: The smallest change of the outcome that can be told from none.

    Returns:
        Twice the largest change that was seen where nothing but rounding changed, in the unit of the outcome.
    """
    changes = [_change(one, untouched) for one in like]
    return max(TWICE * max(*changes, resolution), _roughness(untouched, *multiplied))


def _roughness(untouched: Measured, one: Measured, other: Measured) -> float:
    """What rounding does to the training at α, as a change of the untouched one."""
    # A loss that α made a million times as large changes by as much when it is rounded otherwise: the factor is what
    # counts, where there is one. A distance from the untouched training, which is 0 there, has none.
    values = (one.value, other.value, untouched.value)
    if one.diverged or other.diverged or not all(values):
        return 0.0
    if len({value > 0 for value in values}) > 1:
        return TWICE * _change(one, other)
    ratio = abs(math.log(abs(one.value)) - math.log(abs(other.value)))
    return abs(untouched.value) * math.expm1(min(TWICE * ratio, LARGEST))


def _change(one: Measured, other: Measured) -> float:
    return 0.0 if one.diverged or other.diverged else abs(one.value - other.value)
