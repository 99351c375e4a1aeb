"""What a number format leaves of an update: below half the spacing of the weights, nothing."""

import math

import numpy as np
import torch

from lossgauge.frameworks.torch.gauging.histograms import smallest_exponent


def slight(weight: np.ndarray, intended: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """Which elements are to move, but by less than the spacing of the weights, so that the step may be lost.

    Args:
        weight: w before the step, float64.
        intended: What it would move by without rounding, in W.
        dtype: The number format of w.

    Returns:
        One truth for each element. A step in two parts, decay and update, may lose each of them: so everything up to
        one ulp of w counts, where half of it would be enough for a step in one part.
    """
    return (intended != 0) & (np.abs(intended) < ulp(weight, dtype))


def lost_share(update: np.ndarray, slight: np.ndarray) -> float | None:
    """The share of elements that were to move and did not, because the step was below the spacing of the weights.

    Args:
        update: What the weights really moved by, in W.
        slight: Which of them were to move by less than their spacing.

    Returns:
        Between 0 and 1; None without elements.
    """
    return float(((update == 0) & slight).mean()) if len(update) else None


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
