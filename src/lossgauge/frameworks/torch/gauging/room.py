"""How much memory observing a step may take, and what follows: how many elements are observed, how many at a time.

The promise is one copy of the largest tensor. Part of it is held from before the step to after it: the observed
elements of every weight, and where they are. The rest is for what comes and goes in between, lot by lot.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.optim import Optimizer

from lossgauge.frameworks.torch.gauging.elements import OBSERVED, plain

FLOOR = 2**20
"""Bytes that may be taken where no tensor is as large as that."""
HELD_SHARE = 0.375
"""The part that is held; with more of it more elements are observed, and trial steps are made in more, smaller lots."""
FLAGS = 2
"""Bytes that are held of each observed element beside its weight: two truths."""
PLACE = 4
"""Bytes of a position."""
LOOKED_AT = 80
"""Bytes that come and go for each element that is looked at: some float64 copies of it, its states and its update."""
COPIED = 32
"""Bytes of these that are there while a trial step is made: its weight, gradient and states as they came."""


@dataclass(frozen=True)
class Room:
    """The memory for one optimizer's samples.

    Args:
        size: All of it, in bytes.
        held: What of it is held between the two looks at a step, in bytes.
        most: The most elements of one tensor that are observed.
    """

    size: int
    held: int = 0
    most: int = OBSERVED

    @property
    def free(self) -> int:
        """What comes and goes, in bytes."""
        return max(self.size - self.held, 0)

    @property
    def lot(self) -> int:
        """How many elements are looked at together; one tensor always is."""
        return self.free // LOOKED_AT

    def lots(self, sizes: Sequence[int]) -> list[range]:
        """Which tensors are looked at together.

        Args:
            sizes: How many elements of each are looked at.

        Returns:
            Neighbours, at most `lot` elements at a time; at least one lot, which may be empty.
        """
        found: list[range] = []
        first, elements = 0, 0
        for place, size in enumerate(sizes):
            if place > first and elements + size > self.lot:
                found.append(range(first, place))
                first, elements = place, 0
            elements += size
        return [*found, range(first, len(sizes))]

    def for_trials(self, elements: int) -> int:
        """What is left for trial steps while so many elements are looked at.

        Args:
            elements: How many there are in the lot.

        Returns:
            Bytes.
        """
        return max(self.free - COPIED * elements, 0)


def room_of(optimizer: Optimizer, watched: Sequence[Tensor], waiting: bool = False) -> Room:
    """Divide the memory: one copy of the optimizer's largest tensor, watched or not, of which `HELD_SHARE` is held.

    Args:
        optimizer: The live optimizer.
        watched: Those of its weights that are looked at.
        waiting: Whether what a trial step needs of a weight has to wait for the gradient; then it is held too.

    Returns:
        The room, with the most observed elements that fit.
    """
    everything = (tensor for group in optimizer.param_groups for tensor in group["params"])
    largest = max(everything, key=Tensor.numel, default=None)  # there may be very many: nothing more is asked of each
    size = FLOOR if largest is None else max(FLOOR, plain(largest).nbytes)
    each = [(plain(w).numel(), _held_of_each(optimizer, w, waiting)) for w in watched]
    most = min(OBSERVED, int((1 - HELD_SHARE) * size) // LOOKED_AT)
    low, high = 1, most
    while low < high:  # what is held grows with it
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _held(each, middle) <= HELD_SHARE * size else (low, middle - 1)
    return Room(size, _held(each, low), low)


def _held_of_each(optimizer: Optimizer, weight: Tensor, waiting: bool) -> int:
    """Bytes that are held for each observed element of a weight."""
    size = plain(weight).element_size()
    if not waiting:
        return size + FLAGS
    states = dict(optimizer.state.get(weight, {})).values()
    fitting = (plain(state) for state in states if isinstance(state, Tensor) and state.shape == weight.shape)
    return 2 * size + FLAGS + sum(state.element_size() for state in fitting)


def _held(each: Sequence[tuple[int, int]], most: int) -> int:
    places = PLACE * most * len({numel for numel, _ in each if numel > most})
    return places + sum(min(numel, most) * size for numel, size in each)
