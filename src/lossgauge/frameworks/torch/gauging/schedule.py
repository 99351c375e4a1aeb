"""When to look closely: dense at the start, then logarithmic and every k-th step, never beyond what was promised."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SHARE = 0.004
"""The share of the time of a training that samples may take in the long run. The promise is 1 %; the rest is left for
rows, and for the few microseconds that every step costs."""
TRIAL = 0.1
"""The same of a run that is made only to be looked at."""
ROWS = 0.002
"""The share that rows may take: what is noted of steps that are not sampled, their losses, what was clipped."""
ENTRY_ROWS = 0.4
"""Seconds that rows may take besides: those of the first thousands of steps."""
ENTRY_SECONDS = 1.5
"""What the first samples may cost together, whatever the share: a training of a second must be understood too."""
ENTRY_STEPS = 64
"""The step from which on all of that may be spent; at the first it is a quarter, in between it grows with log(step), so
that on a busy machine, too, something is left for what comes after the beginning."""
DENSE = 8
"""The first steps, all of which are sampled."""
GROWTH = 1.12
"""The ratio between two sampled steps after that."""
LONGEST = 500
"""The most steps between two samples, where the share allows it."""


SPARED = 64
"""The most steps of which nothing at all is told."""


@dataclass
class Schedule:
    """Decides, step by step, whether to take a sample, and keeps account of what samples cost.

    Args:
        share: The share of the training's time that may be spent, dimensionless.
        entry: Seconds that may be spent besides.
        spent: What samples have cost so far, in seconds.
        noted: What rows have cost so far, in seconds.
    """

    share: float = SHARE
    entry: float = ENTRY_SECONDS
    spent: float = 0.0
    noted: float = 0.0
    _started: float | None = None
    _next: int = 1
    _last_cost: float = 0.0
    _taken: int = 0
    _cost: float = 0.0
    _rows: int = 0

    def account(self) -> tuple[float, float]:
        """A mark from which the cost of a row is counted.

        Returns:
            The time, and what of it was spent on samples so far, in seconds.
        """
        return time.perf_counter(), self.spent + self._cost

    def note(self, since: tuple[float, float], complete: bool) -> None:
        """Count the time since a mark as the cost of a row, but for what was spent on a sample.

        Args:
            since: The mark.
            complete: Whether the row is complete.
        """
        now, spent = self.account()
        self.noted += now - since[0] - (spent - since[1])
        self._rows += complete

    def affords_row(self) -> bool:
        """Whether one more row would cost no more than what rows may.

        Returns:
            Always True at the beginning; later, where steps are short, for some steps only.
        """
        return self._until_row(self.elapsed) <= 0

    def rests(self, step: int) -> bool:
        """Whether neither a row nor a sample of this step can be afforded, as things are.

        Args:
            step: Its number, from 1.

        Returns:
            True where all that is to be done at this step is to count it. Nothing is decided by asking.
        """
        elapsed = self.elapsed
        return self._until_row(elapsed) > 0 and (step < self._next or self._lacking(step, elapsed) > 0)

    def spare(self, made: int) -> int:
        """How many steps may pass before it is worth asking again: half of those after which something is affordable.

        Args:
            made: Steps made so far.

        Returns:
            At most `SPARED`, by how long a step took so far; 0 where it will not be long.
        """
        elapsed = self.elapsed
        each = elapsed / max(made, 1)
        if not each:
            return 0
        lacking = self._lacking(self._next, elapsed)
        affordable = 0.0 if lacking <= 0 else lacking / self.share if self.share else math.inf
        seconds = min(self._until_row(elapsed), max(affordable, (self._next - made - 1) * each))
        return max(0, int(min(SPARED, seconds / each / 2)))

    def _until_row(self, elapsed: float) -> float:
        """Seconds until one more row is affordable; not positive where it is."""
        return (self.noted * (1 + 1 / max(self._rows, 1)) - ENTRY_ROWS) / ROWS - elapsed

    def _lacking(self, step: int, elapsed: float) -> float:
        """Seconds by which one more sample would cost more than samples may by a step; not positive where none."""
        return self.spent + self._last_cost - self.entry * _opened(step) - self.share * elapsed

    def due(self, step: int) -> bool:
        """Whether this step is to be sampled.

        Args:
            step: Its number, from 1.

        Returns:
            True when it is due and affordable; when it is due but not affordable it stays due.
        """
        if self._started is None:
            self._started = time.perf_counter()
        if step < self._next or self._lacking(step, self.elapsed) > 0:
            return False
        self._next = step + 1 if step < DENSE else min(max(step + 1, int(step * GROWTH)), step + LONGEST)
        self._taken += 1
        return True

    def deep(self) -> bool:
        """Whether the sample at hand may run extra backwards.

        Returns:
            True for the first ones and then for every fourth.
        """
        return self._taken <= 4 or self._taken % 4 == 0

    @property
    def elapsed(self) -> float:
        """Seconds since the first step was asked about."""
        return 0.0 if self._started is None else time.perf_counter() - self._started

    @contextmanager
    def charged(self, once: bool = False) -> Iterator[None]:
        """Count the time spent inside as the cost of the sample at hand.

        Args:
            once: Whether it is no part of a sample, and will not be spent again with the next one.

        Yields:
            Nothing.
        """
        begun = time.perf_counter()
        try:
            yield
        finally:
            cost = time.perf_counter() - begun
            if once:
                self.spent += cost
            else:
                self._cost += cost

    @property
    def running(self) -> float:
        """What the sample at hand has cost so far, in seconds."""
        return self._cost

    def settle(self) -> float:
        """Close the account of the sample at hand.

        Returns:
            What it cost, in seconds.
        """
        cost, self._cost = self._cost, 0.0
        self.spent += cost
        self._last_cost = cost
        return cost


def _opened(step: int) -> float:
    """The share of the entry that may be spent by a step."""
    return min(1.0, 0.25 + 0.75 * math.log2(step) / math.log2(ENTRY_STEPS))
