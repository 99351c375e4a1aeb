"""One tensor between the moment just before a step and the moment just after it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.elasticity import Elasticity
from lossgauge.frameworks.torch.gauging.elements import draw, pick, plain, positions, to_host
from lossgauge.frameworks.torch.gauging.histograms import count
from lossgauge.frameworks.torch.gauging.moving_blocks import MovingBlocks
from lossgauge.frameworks.torch.gauging.norms import norms
from lossgauge.records.histogram import Histogram

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
        blocks: More of w before the step, where the update is to be measured and not estimated.
        gradient: |g| of the observed elements that the step uses, in L/W; None without a gradient.
        driven: Which observed elements have a gradient that is not zero; None without one.
        gradient_norm: Of the whole gradient, in L/W.
        gradient_format: Its number format.
        tried: What trial steps said.
    """

    number: int
    tensor: Tensor
    group: dict[str, Any]
    where: Tensor | None
    moving: int
    weight: Tensor
    weight_norm: float = 0.0
    blocks: MovingBlocks | None = None
    gradient: Histogram | None = None
    driven: np.ndarray | None = None
    gradient_norm: float | None = None
    gradient_format: torch.dtype = torch.float32
    tried: Elasticity = field(default_factory=Elasticity)

    @property
    def format(self) -> torch.dtype:
        """The number format of the weight, of one part where it is complex."""
        return self.weight.dtype


def sight(number: int, tensor: Tensor, group: dict[str, Any], known: bool, most: int) -> Sighting:
    """Look at a weight before the step.

    Args:
        number: Its number in the session.
        tensor: The live weight.
        group: Its live group.
        known: Whether its gradient is there already; of a sparse one only what it names is observed, because
            optimizers leave the rest alone.
        most: The most elements that are observed.

    Returns:
        The sighting, still without norms and gradient.
    """
    weight, gradient = plain(tensor), tensor.grad
    if known and gradient is not None and gradient.is_sparse:
        where, moving = _touched(gradient.coalesce(), most)
    else:
        where, moving = positions(weight.numel(), weight.device, most), weight.numel()
    return Sighting(number, tensor, group, where, moving, pick(weight, where))


def measure_gradients(sightings: Sequence[Sighting], scale: float) -> None:
    """Read the norms and the formats of the whole gradients.

    Args:
        sightings: The watched tensors; they are filled in.
        scale: Mixed precision's scale, where it is still on the gradients.
    """
    given = [(one, one.tensor.grad) for one in sightings if one.tensor.grad is not None]
    values = [g.detach().coalesce().values() if g.is_sparse else plain(g) for _, g in given]
    for (one, _), norm, numbers in zip(given, norms(values), values, strict=True):
        one.gradient_norm, one.gradient_format = norm / scale, numbers.dtype


def read_gradients(sightings: Sequence[Sighting], scale: float, late: bool) -> list[np.ndarray | None]:
    """Read the observed elements of the gradients.

    Args:
        sightings: The tensors; what is counted is filled in.
        scale: Mixed precision's scale, where it is still on the gradients.
        late: Whether the step is over, so that the observed elements were chosen without the gradient.

    Returns:
        In L/W, float64, in the order of the tensors; None for those without a gradient.
    """
    found: list[np.ndarray | None] = [None] * len(sightings)
    places: list[int] = []
    parts: list[Tensor] = []
    for place, one in enumerate(sightings):
        gradient = one.tensor.grad
        if gradient is None or (gradient.is_sparse and late):
            continue
        numbers = gradient.detach().coalesce().values() if gradient.is_sparse else plain(gradient)
        most = len(one.weight)
        places.append(place)
        parts.append(
            pick(numbers, positions(numbers.numel(), numbers.device, most) if gradient.is_sparse else one.where)
        )
    for place, elements in zip(places, to_host(parts), strict=True):
        found[place] = given = elements if scale == 1.0 else elements / scale
        sightings[place].gradient = count(given, sightings[place].gradient_format)
        sightings[place].driven = given != 0
    return found


def measure_update(one: Sighting, update: np.ndarray) -> float:
    """‖Δw‖ of the whole tensor.

    Args:
        one: The tensor.
        update: Δw of the observed elements in W, float64.

    Returns:
        In W; measured where the tensor was copied or observed whole, else estimated as √(N/n) times the norm of the
        observed elements.
    """
    numel, measured = one.moving, 0.0
    if one.blocks is not None and one.where is not None:
        measured, numel = one.blocks.norm, one.moving - one.blocks.elements
        update = update[one.blocks.outside(one.where)]
    if not numel:
        return measured
    largest = float(np.abs(update).max(initial=0.0))
    if not 0 < largest < math.inf:
        return max(largest, measured)
    return math.hypot(measured, largest * float(np.linalg.norm(update / largest)) * math.sqrt(numel / len(update)))


def _touched(gradient: Tensor, most: int) -> tuple[Tensor, int]:
    """The observed among the elements that a sparse gradient names, and how many it names."""
    indices, values = gradient.indices(), gradient.values()
    inner = max(math.prod(values.shape[1:]), 1)
    rows = torch.zeros_like(indices[0])
    for size, index in zip(gradient.shape[: gradient.sparse_dim()], indices, strict=True):
        rows = rows * size + index
    chosen = torch.from_numpy(draw(values.numel(), most)).to(indices.device)
    return rows[chosen // inner] * inner + chosen % inner, values.numel()
