"""How the sizes of a tensor's elements are distributed over the powers of two."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Histogram:
    """Counts of |x| by binary exponent: bin i holds 2^(low+i) ≤ |x| < 2^(low+i+1).

    Args:
        low: The exponent of the first bin.
        counts: How many elements each bin holds; the first and last bins are not empty.
        zero: How many elements are exactly zero.
        subnormal: How many non-zero elements lie below the smallest normal number of their own format; they are in
            the bins too.
        infinite: How many are ±∞.
        nan: How many are not a number.
    """

    low: int = 0
    counts: tuple[int, ...] = field(default_factory=tuple)
    zero: int = 0
    subnormal: int = 0
    infinite: int = 0
    nan: int = 0

    @property
    def elements(self) -> int:
        """How many elements were counted, whatever they are."""
        return sum(self.counts) + self.zero + self.infinite + self.nan

    @property
    def finite(self) -> int:
        """How many elements are finite and not zero."""
        return sum(self.counts)

    def share_below(self, size: float) -> float:
        """The share of all finite elements, zeros included, with |x| < size.

        Args:
            size: A positive number in the units of x.

        Returns:
            Between 0 and 1; a bin that contains `size` counts in proportion to the logarithm. 0 for an empty histogram.
        """
        total = self.finite + self.zero
        return (self.zero + self._nonzero_below(size)) / total if total else 0.0

    def quantile(self, share: float) -> float | None:
        """The size below which a share of the non-zero finite elements lies.

        Args:
            share: Between 0 and 1.

        Returns:
            |x| in the units of x, interpolated within its bin by logarithm; None where nothing is there.
        """
        if not self.finite:
            return None
        wanted, before = share * self.finite, 0
        for index, count in enumerate(self.counts):
            if count and before + count >= wanted:
                return 2.0 ** min(self.low + index + (wanted - before) / count, 1023.0)
            before += count
        return 2.0 ** min(self.low + len(self.counts), 1023)

    def shifted(self, power: int) -> "Histogram":
        """The histogram of 2^power·x, as long as nothing over- or underflows.

        Args:
            power: By how many powers of two the elements grow.

        Returns:
            A new histogram.
        """
        return Histogram(self.low + power, self.counts, self.zero, self.subnormal, self.infinite, self.nan)

    def _nonzero_below(self, size: float) -> float:
        if size <= 0 or math.isnan(size):
            return 0.0
        edge = math.log2(size) - self.low if math.isfinite(size) else math.inf
        return sum(count * min(max(edge - index, 0.0), 1.0) for index, count in enumerate(self.counts))


def add_up(histograms: Iterable[Histogram]) -> Histogram:
    """The histogram of several tensors together.

    Args:
        histograms: Any number of them.

    Returns:
        Their sum.
    """
    parts = list(histograms)
    filled = [part for part in parts if part.counts]
    low = min((part.low for part in filled), default=0)
    high = max((part.low + len(part.counts) for part in filled), default=0)
    counts = [0] * (high - low)
    for part in filled:
        for index, count in enumerate(part.counts):
            counts[part.low - low + index] += count
    return Histogram(
        low,
        tuple(counts),
        sum(part.zero for part in parts),
        sum(part.subnormal for part in parts),
        sum(part.infinite for part in parts),
        sum(part.nan for part in parts),
    )
