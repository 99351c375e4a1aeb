"""Which elements of a tensor are observed, and how they reach the CPU.

A tensor of up to 2^14 elements is observed whole. Of a larger one always the same 2^14 elements are, or as many as
there is room for, one drawn from each of as many equal stretches, so that every row has its turn and reading them walks
through memory once.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

OBSERVED = 2**14
"""The most elements of one tensor that are looked at one by one."""
SEED = 20_240_601
"""Of the generator that draws positions; the training's own generators are never touched."""


def plain(tensor: Any) -> Tensor:
    """The numbers of a tensor, without its history.

    Args:
        tensor: A weight, a gradient or a state; of a distributed one the shard of this process is taken, and complex
            numbers count as pairs of real ones, as torch's optimizers treat them.

    Returns:
        A real tensor that shares memory with it.
    """
    numbers = tensor.detach()
    if hasattr(numbers, "to_local"):
        numbers = numbers.to_local()
    return torch.view_as_real(numbers) if numbers.is_complex() else numbers


def draw(numel: int, most: int = OBSERVED) -> np.ndarray:
    """The observed positions among so many elements.

    Args:
        numel: How many elements there are.
        most: The most that are observed.

    Returns:
        Rising flat positions, int64; all of them where `numel` is no more than `most`.
    """
    count = min(numel, most)
    edges = np.arange(count + 1, dtype=np.int64) * numel // max(count, 1)
    generator = np.random.default_rng((SEED, numel))
    return edges[:-1] + (generator.random(count) * np.diff(edges)).astype(np.int64)


@lru_cache(maxsize=128)
def positions(numel: int, device: torch.device, most: int = OBSERVED) -> Tensor | None:
    """The observed positions of a tensor, the same at every step.

    Args:
        numel: How many elements it has.
        device: Where it lives.
        most: The most that are observed.

    Returns:
        Flat positions on its device, int32 where that is enough; None where all elements are observed.
    """
    if numel <= most:
        return None
    return torch.from_numpy(draw(numel, most).astype(np.int32 if numel < 2**31 else np.int64)).to(device)


def pick(tensor: Tensor, where: Tensor | None) -> Tensor:
    """A copy of some elements of a tensor.

    Args:
        tensor: A dense real tensor, however it lies in memory.
        where: Flat positions in the order of its shape; None for all elements.

    Returns:
        A new flat tensor in the same number format, on the same device.
    """
    if where is None:
        return tensor.reshape(-1).clone()
    if tensor.is_contiguous():
        return tensor.view(-1).index_select(0, where)
    return torch.take(tensor, where.long())


def to_host(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """The numbers of many tensors in float64, with one transfer for each device and number format.

    Args:
        tensors: Real tensors of any shape; every number of every floating-point format fits float64 exactly.

    Returns:
        Flat arrays in the same order, not to be written to.
    """
    groups: dict[tuple[torch.device, torch.dtype], list[int]] = defaultdict(list)
    for index, tensor in enumerate(tensors):
        groups[tensor.device, tensor.dtype].append(index)
    arrays: list[np.ndarray] = [np.empty(0)] * len(tensors)
    for members in groups.values():
        flat = [tensors[index].reshape(-1) for index in members]
        line = torch.cat(flat) if len(flat) > 1 else flat[0]
        together = line.to("cpu", torch.float64, copy=True).numpy()
        ends = np.cumsum([len(part) for part in flat])
        for index, start, end in zip(members, (0, *ends[:-1]), ends, strict=True):
            arrays[index] = together[start:end]
    return arrays


def evenly(count: int, most: int) -> list[int]:
    """At most so many places out of `count`, the first and the last among them.

    Args:
        count: How many there are.
        most: How many are wanted.

    Returns:
        Places from 0, rising.
    """
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
