"""Counting elements by the power of two they lie in, read off the bits of their exponents: nothing is rounded."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.elements import to_host
from lossgauge.records.histogram import Histogram

_BIAS = 1023  # of float64's exponent field
_FIELDS = 2048
_LAST = _FIELDS - 1  # the field of what is not finite
_SMALLEST = -1074  # the exponent of float64's smallest subnormal


def histogram(values: Tensor) -> Histogram:
    """How the sizes of a tensor's elements are distributed over the powers of two.

    Args:
        values: A real tensor of any floating-point format, in any unit.

    Returns:
        Exact counts of |x|; subnormal is what lies below the smallest normal number of the tensor's own format.
    """
    return count(to_host([values.detach()])[0], values.dtype)


def count(values: np.ndarray, dtype: torch.dtype) -> Histogram:
    """The same for numbers that are on the CPU in float64 already.

    Args:
        values: A flat float64 array, contiguous; signs do not matter.
        dtype: The number format they came from.

    Returns:
        Exact counts of |x| by binary exponent.
    """
    fields = (values.view(np.int64) >> 52) & _LAST
    counts = np.bincount(fields, minlength=_FIELDS)
    low, bins, zero = _split(values, fields, counts)
    infinite = int(np.isinf(values).sum()) if counts[_LAST] else 0
    filled = np.flatnonzero(bins)
    nan = int(counts[_LAST]) - infinite
    if not len(filled):
        return Histogram(zero=zero, infinite=infinite, nan=nan)
    first, last = int(filled[0]), int(filled[-1])
    below = max(0, smallest_exponent(dtype) - low)
    return Histogram(low + first, tuple(bins[first : last + 1].tolist()), zero, int(bins[:below].sum()), infinite, nan)


@lru_cache(maxsize=16)
def smallest_exponent(dtype: torch.dtype) -> int:
    """The binary exponent of the smallest normal number of a format.

    Args:
        dtype: A floating-point format.

    Returns:
        −126 for float32.
    """
    return int(np.frexp(torch.finfo(dtype).smallest_normal)[1]) - 1


def _split(values: np.ndarray, fields: np.ndarray, counts: np.ndarray) -> tuple[int, np.ndarray, int]:
    """The exponent of the first bin, the bins and the zeros; float64's own subnormals share their field with zero."""
    bins = counts[1:_LAST]
    if not counts[0]:
        return 1 - _BIAS, bins, 0
    small = values[fields == 0]
    small = small[small != 0]
    zero = int(counts[0]) - len(small)
    if not len(small):
        return 1 - _BIAS, bins, zero
    depths = np.bincount(np.frexp(small)[1] - 1 - _SMALLEST, minlength=1 - _BIAS - _SMALLEST)
    return _SMALLEST, np.concatenate([depths, bins]), zero
