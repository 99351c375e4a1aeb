"""One tensor between the moment just before a step and the moment just after it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.elements import draw, pick, plain, positions, to_host
from lossgauge.frameworks.torch.gauging.norms import norms

FORMATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128)
"""The number formats that are observed."""


@dataclass
class Sighting:
    """One watched tensor.

    Args:
        number: Its number in the session.
        tensor: The live weight.
        group: Its live group.
        where: The flat positions of the observed elements on its device; None for all.
        moving: How many elements the step may move: all, or those a sparse gradient names.
        weight: The observed elements of w before the step, on its device.
        weight_norm: Of the whole weight before the step, in W.
        copy: The whole of w before the step, where the update is to be measured whole.
        gradient: The observed elements of the gradient the step uses, float64, in L/W; None without one.
        gradient_norm: Of the whole gradient, in L/W.
        gradient_format: Its number format.
    """

    number: int
    tensor: Tensor
    group: dict[str, Any]
    where: Tensor | None
    moving: int
    weight: Tensor
    weight_norm: float = 0.0
    copy: Tensor | None = None
    gradient: np.ndarray | None = None
    gradient_norm: float | None = None
    gradient_format: torch.dtype = torch.float32

    @property
    def format(self) -> torch.dtype:
        """The number format of the weight, of one part where it is complex."""
        return self.weight.dtype


def sight(number: int, tensor: Tensor, group: dict[str, Any], known: bool) -> Sighting:
    """Look at a weight before the step.

    Args:
        number: Its number in the session.
        tensor: The live weight.
        group: Its live group.
        known: Whether its gradient is there already; of a sparse one only what it names is observed, because
            optimizers leave the rest alone.

    Returns:
        The sighting, still without norms and gradient.
    """
    weight, gradient = plain(tensor), tensor.grad
    if known and gradient is not None and gradient.is_sparse:
        where, moving = _touched(gradient.coalesce())
    else:
        where, moving = positions(weight.numel(), weight.device), weight.numel()
    return Sighting(number, tensor, group, where, moving, pick(weight, where))


def read_gradients(sightings: Sequence[Sighting], scale: float, late: bool) -> None:
    """Read the gradients: the norms of the whole ones, and their observed elements.

    Args:
        sightings: The watched tensors; they are filled in.
        scale: Mixed precision's scale, where it is still on the gradients.
        late: Whether the step is over, so that the observed elements were chosen without the gradient.
    """
    given = [(one, one.tensor.grad) for one in sightings if one.tensor.grad is not None]
    values = [g.detach().coalesce().values() if g.is_sparse else plain(g) for _, g in given]
    for (one, _), norm, numbers in zip(given, norms(values), values, strict=True):
        one.gradient_norm, one.gradient_format = norm / scale, numbers.dtype
    parts: list[tuple[Sighting, Tensor]] = []
    for (one, gradient), numbers in zip(given, values, strict=True):
        if not gradient.is_sparse:
            parts.append((one, pick(numbers, one.where)))
        elif not late:
            parts.append((one, pick(numbers, positions(numbers.numel(), numbers.device))))
    for (one, _), elements in zip(parts, to_host([part for _, part in parts]), strict=True):
        one.gradient = elements if scale == 1.0 else elements / scale


def copy_where_few_move(sightings: Sequence[Sighting], budget: int) -> None:
    """Keep whole copies of the tensors most of whose gradient is zero.

    Args:
        sightings: The watched tensors, with their gradients; they are filled in.
        budget: How many elements may be copied in all.
    """
    for one in sightings:
        elements, gradient = one.gradient, one.tensor.grad
        if elements is None or gradient is None or one.where is None or one.moving > budget:
            continue
        if not gradient.is_sparse and np.count_nonzero(elements) < len(elements) / 2:
            one.copy = plain(one.tensor).clone()
            budget -= one.moving


def measure_update(one: Sighting, update: np.ndarray) -> float:
    """‖Δw‖ of the whole tensor.

    Args:
        one: The tensor; its copy, if it has one, is used up.
        update: Δw of the observed elements in W, float64.

    Returns:
        In W; measured where the tensor was copied or observed whole, else estimated as √(N/n) times the norm of the
        observed elements.
    """
    if one.copy is not None:
        return norms([one.copy.sub_(plain(one.tensor))])[0]
    largest = float(np.abs(update).max(initial=0.0))
    if not 0 < largest < math.inf:
        return largest
    return largest * float(np.linalg.norm(update / largest)) * math.sqrt(one.moving / len(update))


def _touched(gradient: Tensor) -> tuple[Tensor, int]:
    """The observed among the elements that a sparse gradient names, and how many it names."""
    indices, values = gradient.indices(), gradient.values()
    inner = max(math.prod(values.shape[1:]), 1)
    rows = torch.zeros_like(indices[0])
    for size, index in zip(gradient.shape[: gradient.sparse_dim()], indices, strict=True):
        rows = rows * size + index
    chosen = torch.from_numpy(draw(values.numel())).to(indices.device)
    return rows[chosen // inner] * inner + chosen % inner, values.numel()
