"""The number formats of a sweep: what the weights are kept in, and what the model is evaluated in."""

from contextlib import AbstractContextManager, nullcontext

import torch


def weight_format(precision: str) -> torch.dtype:
    """The number format of the weights.

    Args:
        precision: As in a setting.

    Returns:
        float64 where it is asked for, else float32: the half formats are autocast over float32 weights.
    """
    return torch.float64 if precision == "float64" else torch.float32


def evaluation(precision: str, device: str = "cpu") -> AbstractContextManager[object]:
    """The context in which model and loss are evaluated.

    Args:
        precision: As in a setting.
        device: The kind of device they are evaluated on.

    Returns:
        Autocast for the half formats, nothing for the others.
    """
    if precision in ("bfloat16", "float16"):
        return torch.autocast(device, getattr(torch, precision), cache_enabled=False)
    return nullcontext()


def as_input(tensor: torch.Tensor, precision: str) -> torch.Tensor:
    """Data in the number format of the weights.

    Args:
        tensor: Inputs or targets.
        precision: As in a setting.

    Returns:
        Floating-point data converted, whole numbers (classes, indices) as they are.
    """
    return tensor.to(weight_format(precision)) if tensor.dtype.is_floating_point else tensor
