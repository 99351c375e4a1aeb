"""Norms of whole tensors, right at any scale: float32 squares vanish below 1e-19 and are infinite above 1e19."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.elements import to_host

CHUNK = 2**16
"""Elements whose squares are summed in float32 before the sums are added in float64: five digits are right."""
CAREFUL = 2**14
"""Elements that are brought to float64 together."""
TRUSTED = (1e-12, 1e18)
"""Norms in float32 outside this range are taken once more in float64."""


def norms(tensors: Sequence[Tensor]) -> list[float]:
    """The Euclidean norm of each tensor.

    Args:
        tensors: Dense real tensors of any format and size.

    Returns:
        Norms in the unit of the elements, one transfer for all of them.
    """
    flat = [_line(tensor) for tensor in tensors]
    sums = _squares([list(line.split(CHUNK)) for line in flat])
    rough = [float(np.sqrt(sum_)) for sum_ in sums]
    return [
        norm if TRUSTED[0] < norm < TRUSTED[1] or not line.numel() else _careful(line)
        for norm, line in zip(rough, flat, strict=True)
    ]


def finite(tensors: Sequence[Tensor]) -> list[bool]:
    """Whether each tensor holds nothing but finite numbers.

    Args:
        tensors: Dense real tensors of any format and size.

    Returns:
        One answer for each, with one transfer for all of them. Nothing of their size is made on the way, as
        `torch.isfinite` would.
    """
    filled = [place for place, tensor in enumerate(tensors) if tensor.numel()]
    extremes = to_host([torch.stack(torch.aminmax(tensors[place])) for place in filled])
    broken = {place for place, ends in zip(filled, extremes, strict=True) if not np.isfinite(ends).all()}
    return [place not in broken for place in range(len(tensors))]


def _squares(chunks: list[list[Tensor]]) -> list[float]:
    """The sum of squares of each list of chunks, by the format of its tensors."""
    places: dict[tuple[torch.device, torch.dtype], list[int]] = defaultdict(list)
    for place, parts in enumerate(chunks):
        if parts:
            places[parts[0].device, parts[0].dtype].append(place)
    sums = [0.0] * len(chunks)
    for (_, dtype), members in places.items():
        parts = list(chain.from_iterable(chunks[place] for place in members))
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        sizes = to_host([torch.stack(torch._foreach_norm(parts, 2, dtype=wide))])[0]
        ends = np.cumsum([len(chunks[place]) for place in members])
        for place, start, end in zip(members, (0, *ends[:-1]), ends, strict=True):
            sums[place] = float(np.square(sizes[start:end]).sum())
    return sums


def _careful(line: Tensor) -> float:
    """The norm in float64, chunk by chunk, with the largest element divided out first."""
    largest = float(torch.linalg.vector_norm(line, float("inf")))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    return largest * float(
        np.sqrt(sum(np.square(part.cpu().double().numpy() / largest).sum() for part in line.split(CAREFUL)))
    )


def _line(tensor: Tensor) -> Tensor:
    """The elements in the order of memory, where they fill it without gaps; else a copy."""
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    return tensor.permute(order).reshape(-1)
