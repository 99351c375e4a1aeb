"""More of a weight than the observed elements, for an update that these would miss.

Where most gradients are zero, as in an embedding, a few rows move and the rest stay. Copied before the step are the
blocks that have a gradient, and of the others as many as there is room for; what is left is estimated.
"""

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.elements import plain
from lossgauge.frameworks.torch.gauging.norms import norms

BLOCK = 256
"""Neighbouring elements that are copied together."""
TOGETHER = 2**8
"""Blocks that are compared with the weight at a time."""
CHOOSING = 48
"""Bytes that it takes to choose a block: the ends of its gradient, its place before and after sorting."""


class MovingBlocks:
    """Some blocks of one weight as they were before the step.

    Args:
        elements: How many elements they have.
        bytes: What their copy takes until it is measured.
        norm: How far they moved, in W, once that is measured.
    """

    def __init__(self, weight: Tensor, gradient: Tensor, room: int) -> None:
        """Copy them.

        Args:
            weight: The live weight.
            gradient: Its dense gradient.
            room: Bytes that may be taken.
        """
        self._weight = weight
        self._chosen: Tensor | None = None
        numbers = plain(weight)
        if numbers.nbytes <= room:
            self._copy: Tensor | None = numbers.clone()
        else:
            self._chosen = _choose(_blocks(numbers), plain(gradient), room)
            self._copy = _blocks(numbers).index_select(0, self._chosen)
        self.elements, self.bytes, self.norm = self._copy.numel(), self._copy.nbytes, 0.0

    def measure(self) -> None:
        """After the step: how far they moved, as `norm` in W. The copy is given up."""
        copy, self._copy = self._copy, None
        if copy is None:
            return
        numbers = plain(self._weight)
        if self._chosen is None:
            copy.sub_(numbers)
        else:
            blocks = _blocks(numbers)
            for own, chosen in zip(copy.split(TOGETHER), self._chosen.split(TOGETHER), strict=True):
                own.sub_(blocks.index_select(0, chosen))
        self.norm = norms([copy])[0]

    def outside(self, where: Tensor) -> np.ndarray:
        """Which observed elements are in no block.

        Args:
            where: Their flat positions.

        Returns:
            One truth for each.
        """
        if self._chosen is None:
            return np.zeros(len(where), dtype=bool)
        inside = np.zeros(-(-plain(self._weight).numel() // BLOCK), dtype=bool)
        inside[self._chosen.cpu().numpy()] = True
        return ~inside[where.cpu().numpy() // BLOCK]


def copied_blocks(weight: Tensor, gradient: Tensor, driven: np.ndarray, room: int) -> MovingBlocks | None:
    """Copy blocks where the observed elements would miss what moves.

    Args:
        weight: The live weight.
        gradient: Its gradient.
        driven: Which observed elements have a gradient that is not zero.
        room: Bytes that may be taken.

    Returns:
        None where most gradients are not zero, where the gradient is sparse, and without room.
    """
    numbers = plain(weight)
    whole = numbers.nbytes <= room
    divisible = numbers.is_contiguous() and numbers.numel() >= BLOCK and room >= BLOCK * numbers.element_size()
    if gradient.is_sparse or np.count_nonzero(driven) >= len(driven) / 2 or not (whole or divisible):
        return None
    return MovingBlocks(weight, gradient, room)


def _blocks(numbers: Tensor) -> Tensor:
    """The whole blocks of a contiguous tensor, one per row."""
    flat = numbers.view(-1)
    return flat[: len(flat) // BLOCK * BLOCK].view(-1, BLOCK)


def _choose(blocks: Tensor, gradient: Tensor, room: int) -> Tensor:
    """The blocks with a gradient first, as many as fit, in the order of memory."""
    fits = room // (BLOCK * blocks.element_size() + CHOOSING)
    if not gradient.is_contiguous():
        return torch.arange(min(fits, len(blocks)), device=blocks.device)
    low, high = torch.aminmax(_blocks(gradient), dim=1)
    still = ((low == 0) & (high == 0)).to(torch.uint8)
    return torch.sort(still, stable=True).indices[:fits].sort().values
