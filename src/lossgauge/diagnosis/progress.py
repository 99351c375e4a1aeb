"""Whether a training gets anywhere: its losses from step to step, boiled down to a few numbers and one word."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median

STATES = {
    "broken": "the loss is not finite",
    "diverged": "the loss ended far above where it began",
    "climbed": "the loss came down and climbed again",
    "stalled": "the loss hardly moved",
    "slow": "the loss was still coming down when the run ended",
    "fell": "the loss came down",
    "unknown": "too little is known of the loss",
}
"""What each state means."""
SUFFERING = ("broken", "diverged", "climbed", "stalled", "slow")
"""The states in which training gets less than it could."""

SHORTEST = 20
"""Values below which nobody can say that training is stuck or slow."""
DIVERGED = 2.0
"""An end so many times the start is a divergence, and single values above it are leaps."""
CLIMBED = 10.0
"""An end so many times the best is a loss that climbed again."""
STALLED = 0.85
"""An end of more than this share of the start is no progress."""
LEFT = 0.2
"""A loss that has come down to less than this share of the start has come down."""
MOVING = 0.03
"""The share of the loss that must go from the third quarter to the last for it to be still coming down."""
CERTAIN = 3.0
"""Standard errors by which the end must be below the start, or nothing came down but the luck of batches."""
LIKELY = 2.0
"""The same for the last quarter against the one before: what may be still coming down is worth a trial."""


@dataclass(frozen=True)
class Progress:
    """The course of one quantity that training should make small.

    Args:
        points: (step, value), in the order of time; values in the user's own units, not finite ones included.
        contested: Whether another optimizer works against this one, as in a game: then a value that does not come down
            says nothing.
    """

    points: tuple[tuple[float, float], ...]
    contested: bool = False

    @cached_property
    def values(self) -> list[float]:
        """The finite values in order."""
        return [value for _, value in self.points if math.isfinite(value)]

    @cached_property
    def start(self) -> float | None:
        """The first value, or the median of the first tenth (of ten at most) where that is less.

        One bad batch at the very start does not count, and neither does a training that blows up at once.
        """
        values = self.values
        return min(values[0], median(values[: self._first])) if values else None

    @cached_property
    def end(self) -> float | None:
        """The median of the last twentieth of the values; infinite where the last ones are not finite."""
        if not self.points or not self.values:
            return None
        last = [value if math.isfinite(value) else math.inf for _, value in self.points[-self._last :]]
        return median(last)

    @property
    def _first(self) -> int:
        """How many values are the start."""
        return max(1, min(10, len(self.values) // 10))

    @property
    def _last(self) -> int:
        """How many are the end."""
        return max(1, min(50, len(self.points) // 20))

    @cached_property
    def best(self) -> float | None:
        """The smallest median of five neighbours."""
        values = self.values
        if not values:
            return None
        width = min(5, len(values))
        return min(median(values[i : i + width]) for i in range(len(values) - width + 1))

    @cached_property
    def peak(self) -> float | None:
        """The largest median of five neighbours after the best one."""
        middles = [median(self.values[i : i + 5]) for i in range(len(self.values) - 4)]
        return max(middles[middles.index(min(middles)) :], default=None) if middles else self.end

    @cached_property
    def late(self) -> float:
        """By which share the values went down from the third quarter of the run to the last."""
        count = len(self.values) // 4
        if count < 2:
            return 0.0
        third, last = median(self.values[-2 * count : -count]), median(self.values[-count:])
        return (third - last) / abs(third) if third else 0.0

    @cached_property
    def noise(self) -> float:
        """The typical change between neighbours in the last half, as a share of the value there."""
        values = self.values[len(self.values) // 2 :]
        if len(values) < 3:
            return 0.0
        changes = [abs(b - a) for a, b in pairwise(values)]
        level = abs(median(values))
        return median(changes) / level if level else 0.0

    @cached_property
    def erratic(self) -> float:
        """The share of the values of the last half that are more than twice the start: a loss that is thrown about."""
        if self.start is None or self.start <= 0:
            return 0.0
        late = [value for _, value in self.points[len(self.points) // 2 :]]
        return sum(not value <= DIVERGED * self.start for value in late) / len(late)

    @property
    def uncertainty(self) -> float:
        """The standard error of start − end from the noise alone, as a share of the end."""
        return _error(self.noise, self._first, self._last)

    @property
    def moving(self) -> bool:
        """Whether the values were still coming down when the run ended."""
        count = max(1, len(self.values) // 4)
        return self.late > max(MOVING, LIKELY * _error(self.noise, count, count))

    @property
    def left(self) -> float | None:
        """What is left of the start: end/start; None where that says nothing."""
        if self.start is None or self.end is None or self.start <= 0:
            return None
        return self.end / self.start

    @cached_property
    def state(self) -> str:
        """One of `STATES`."""
        state = self._plain_state()
        if len(self.points) < SHORTEST and state in ("stalled", "slow"):
            return "unknown"
        return "unknown" if self.contested and state not in ("broken", "fell") else state

    def _plain_state(self) -> str:
        start, end, best = self.start, self.end, self.best
        if self.points and not self.values:
            return "broken"
        if start is None or end is None or best is None or len(self.points) < 4:
            return "unknown"
        if math.isinf(end):
            return "broken"
        if start <= 0 or end < 0:
            return self._signed_state(start, end)
        if end > DIVERGED * start:
            return "diverged"
        if end > CLIMBED * max(best, 0.0) and end > 1e-3 * start and best < LEFT * start:
            return "climbed"
        if end > STALLED * start or start - end < CERTAIN * self.uncertainty * end:
            return "slow" if self.moving else "stalled"
        if end > LEFT * start and self.moving:
            return "slow"
        return "fell"

    @property
    def poor(self) -> bool:
        """Whether most of the start is left, whatever the reason: a floor of noise, or a fault."""
        return self.suffers or (self.state != "unknown" and (self.left is None or self.left > LEFT))

    @property
    def suffers(self) -> bool:
        """Whether training gets less than it could, as far as this course can tell."""
        return self.state in SUFFERING

    def at(self, step: float) -> float | None:
        """The value around a step.

        Args:
            step: The step.

        Returns:
            The median of the twentieth of the values up to that step; infinite where these are not finite.
        """
        upto = [point for point in self.points if point[0] <= step]
        return Progress(tuple(upto)).end if upto else None

    def highest(self) -> "Progress":
        """The course of the largest value of the last fifth of the way so far.

        Returns:
            It; infinite where a value is not finite.
        """
        reach = (self.points[-1][0] - self.points[0][0]) / 5 if self.points else 0.0
        found: list[tuple[float, float]] = []
        recent: deque[tuple[float, float]] = deque()  # falling: whatever is below a later value will not be needed
        for step, value in self.points:
            known = value if math.isfinite(value) else math.inf
            while recent and recent[-1][1] <= known:
                recent.pop()
            recent.append((step, known))
            while recent[0][0] < step - reach:
                recent.popleft()
            found.append((step, recent[0][1]))
        return Progress(tuple(found), self.contested)

    def _signed_state(self, start: float, end: float) -> str:
        """A loss that may be negative has no natural zero: its way is measured against its own jitter."""
        spread = max(self.values) - min(self.values)
        if not spread:
            return "stalled"
        return "fell" if (start - end) / spread > 0.3 else "stalled"


def _error(noise: float, one: int, other: int) -> float:
    """The standard error of the difference of the medians of so many values, as a share of their level."""
    # The typical change between neighbours is 0.95 standard deviations of Gaussian noise, and the median of n values
    # has the standard error 1.25/√n of these.
    return 1.25 / 0.95 * noise * math.sqrt(1 / one + 1 / other)


def thinned(points: Sequence[tuple[float, float]], most: int = 200) -> list[tuple[float, float]]:
    """At most so many points, evenly spread, the last among them.

    Args:
        points: The points.
        most: How many are wanted.

    Returns:
        The points.
    """
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]
