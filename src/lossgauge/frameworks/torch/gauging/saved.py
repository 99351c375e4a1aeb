"""Reading what an autograd node saved for its backward, without setting anything in motion.

Under saved-tensor hooks (checkpointing, offloading to the CPU) reading means running the hook: a checkpoint would
repeat its forward and update BatchNorm statistics once more. Such values count as unreadable.
"""

from collections.abc import Callable
from typing import Any

import torch


def saved(node: Any, name: str) -> Any:
    """What a node saved under a name.

    Args:
        node: A node of the autograd graph.
        name: The name in the derivative's formula, such as `self`, `other`, `result`.

    Returns:
        The tensor, number, text or sequence; None where nothing was saved, the graph was freed, the tensor was changed
        in place since, or reading would run a hook.
    """
    try:
        raw = getattr(node, f"_raw_saved_{name}", None)
        if raw is not None and hooked(raw):
            return None
        return getattr(node, f"_saved_{name}", None)
    except (RuntimeError, AttributeError):
        return None


Take = Callable[[int], torch.Tensor]
"""Gives the value of an input by its place; raises `Unknown`."""
Formula = Callable[[Any, Take], Any]
"""Computes the output of a node, or all of its outputs."""


class Unknown(Exception):
    """A value cannot be known from what the graph keeps."""


def kept(node: Any, name: str) -> Any:
    """What a node saved under a name, where a formula cannot do without it.

    Args:
        node: A node of the autograd graph.
        name: The name in the derivative's formula.

    Returns:
        The tensor, number, text or sequence. Dimensions, which come as unsigned numbers, may be negative again.

    Raises:
        Unknown: When nothing readable was saved.
    """
    value = saved(node, name)
    if value is None:
        raise Unknown
    if isinstance(value, tuple) and value and isinstance(value[0], int):
        return tuple(map(_signed, value))
    return _signed(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def hooked(raw: Any) -> bool:
    """Whether reading a saved tensor would run a hook.

    Args:
        raw: The `_raw_saved_…` attribute of a node: one saved tensor, or a sequence of them.

    Returns:
        True also where this torch cannot tell.
    """
    if isinstance(raw, (tuple, list)):
        return any(map(hooked, raw))
    return getattr(raw, "unpack_hook", raw) is not None


def shape_of(node: Any, number: int = 0) -> tuple[int, ...]:
    """The shape of one of a node's outputs.

    Args:
        node: A node of the autograd graph.
        number: The number of the output.

    Returns:
        The shape; (0,) for a nested tensor, which has none.
    """
    metadata = node._input_metadata[number]
    return (0,) if metadata.is_nested_tensor else tuple(metadata.shape)


def number_in(value: Any) -> float | None:
    """A saved constant as a number.

    Args:
        value: A Python number, or a tensor with one element.

    Returns:
        The number; None for anything else.
    """
    numbers = numbers_in(value, most=1)
    return numbers[0] if numbers else None


def numbers_in(value: Any, most: int) -> list[float] | None:
    """A saved constant as a row of numbers.

    Args:
        value: A Python number, or a tensor.
        most: How many numbers are looked at.

    Returns:
        The numbers, one for a scalar; None for more than `most`, and for what has no real numbers.
    """
    if isinstance(value, torch.Tensor):
        if value.is_complex() or value.numel() > most:
            return None
        return [float(number) for number in value.detach().flatten().tolist()]
    return [float(value)] if isinstance(value, (int, float)) else None
