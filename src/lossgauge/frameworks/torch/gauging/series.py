"""Single numbers out of what is seen, for those who draw them elsewhere."""

from collections.abc import Sequence
from typing import Any

import torch

from lossgauge.records.session import Sample


def numbers_of(sample: Sample, names: Sequence[str]) -> dict[str, float]:
    """The numbers of a sample by name, for those who draw them elsewhere.

    Args:
        sample: The sample.
        names: The tensors' names.

    Returns:
        For every tensor its relative update, gradient norm and elasticity, as far as they are known.
    """
    numbers: dict[str, float] = {}
    for tensor in sample.tensors:
        values = {
            "relative_update": tensor.relative_update,
            "gradient_norm": tensor.gradient_norm,
            "elasticity": tensor.elasticity,
        }
        numbers |= {f"{what}/{names[tensor.tensor]}": value for what, value in values.items() if value is not None}
    return numbers


def largest_gradient(parameters: Sequence[Any]) -> torch.Tensor | None:
    """The largest |g|: what value clipping compares with its threshold.

    Args:
        parameters: The tensors that are clipped.

    Returns:
        A tensor of one element, in L/W; None where there is no gradient.
    """
    sizes = [parameter.grad.detach().abs().max() for parameter in parameters if parameter.grad is not None]
    return torch.stack(sizes).max() if sizes else None
