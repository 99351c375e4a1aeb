"""What a number format leaves of an update: below half the spacing of the weights, nothing."""

import math

import numpy as np
import torch

from lossgauge.frameworks.torch.gauging.histograms import smallest_exponent


def lost_share(weight: np.ndarray, update: np.ndarray, intended: np.ndarray, dtype: torch.dtype) -> float | None:
    """The share of elements that were to move and did not, because the step was below the spacing of the weights.

    Args:
        weight: w before the step, float64.
        update: What it really moved by, in W.
        intended: What it would have moved by without rounding, in W.
        dtype: The number format of w.

    Returns:
        Between 0 and 1; None without elements. A step in two parts, decay and update, may lose each of them: an
        intended update of up to one ulp of w counts as lost where the weight did not move.
    """
    if not len(weight):
        return None
    return float(((update == 0) & (intended != 0) & (np.abs(intended) < ulp(weight, dtype))).mean())


def ulp(weight: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """The spacing of the numbers of a format at each weight.

    Args:
        weight: w, float64.
        dtype: Its number format.

    Returns:
        In W; below the smallest normal number, and at zero, that of the subnormal numbers.
    """
    digits = -int(math.log2(torch.finfo(dtype).eps))
    exponents = np.maximum(np.frexp(weight)[1] - 1, smallest_exponent(dtype))
    exponents = np.where(weight == 0, smallest_exponent(dtype), exponents)
    return np.ldexp(1.0, exponents - digits)
