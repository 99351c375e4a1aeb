"""When to look closely: dense at the start, then logarithmic and every k-th step, never beyond what was promised."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SHARE = 0.003
"""The share of the time of a training that samples may take in the long run."""
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
"""Of so many steps nothing at all need be told, …"""
SPARED_SECONDS = 0.2
"""… and of as many as are made in this time: to be told of a step at rest costs ten times what it costs to count it."""
PASSED = 5e-6
"""Seconds that a step costs of which nothing is told. No clock inside can tell: it is what the hook needs where the
step has driven it out of the nearest caches, measured over some ten thousand steps with and without it."""
UNCLOCKED = 1.7
"""What a row costs in all by what a clock inside sees of it, for the same reason."""
TOGETHER = 0.009
"""The share of all that is spent. Where steps are so short that passing them leaves less than samples and rows may
take, both take less."""


@dataclass
class Schedule:
    """Decides, step by step, whether to take a sample, and keeps account of what samples cost.

    Args:
        share: The share of the training's time that may be spent, dimensionless.
        entry: Seconds that may be spent besides.
        spent: What samples have cost so far, in seconds.
        noted: What rows have cost so far, in seconds.
        passed: How many steps passed of which nothing was told.
    """

    share: float = SHARE
    entry: float = ENTRY_SECONDS
    spent: float = 0.0
    noted: float = 0.0
    passed: int = 0
    _started: float | None = None
    _next: int = 1
    _last_cost: float = 0.0
    _taken: int = 0
    _cost: float = 0.0
    _rows: int = 0
    _unfinished: float = 0.0

    def account(self) -> tuple[float, float]:
        """A mark from which the cost of a row is counted.

        Returns:
            The time, and what of it was spent on samples so far, in seconds.
        """
        return time.perf_counter(), self.spent + self._cost

    def note(self, since: tuple[float, float], complete: bool) -> None:
        """Count the time since a mark as the cost of a row, but for what was spent on a sample.

        What is spent while no row can be afforded is a cost of the next one: counted at once it would put that off, and
        asking again and again whether it can be afforded would put it off for ever.

        Args:
            since: The mark.
            complete: Whether the row is complete.
        """
        now, spent = self.account()
        self._unfinished += now - since[0] - (spent - since[1])
        if complete:
            self.noted += self._unfinished
            self._unfinished = 0.0
            self._rows += 1

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
        """How many steps may pass before something is affordable, so that it is worth asking again.

        Args:
            made: Steps made so far.

        Returns:
            At most `SPARED`, or as many as fit into `SPARED_SECONDS`, by how long a step took so far; 0 where it will
            not be long.
        """
        elapsed = self.elapsed
        each = elapsed / max(made, 1)
        if not each:
            return 0
        lacking = self._lacking(self._next, elapsed)
        affordable = 0.0 if lacking <= 0 else _quotient(lacking, self.share * self._left(elapsed))
        # Of the step after those that pass the backward is not told: it is too early to note anything of it.
        wait = min(self._until_row(elapsed) / each, max(affordable / each, self._next - made - 1)) - 1
        return max(0, int(min(max(SPARED, SPARED_SECONDS / each), wait)))

    def _until_row(self, elapsed: float) -> float:
        """Seconds until one more row is affordable; not positive where it is."""
        lacking = self.noted * (1 + 1 / max(self._rows, 1)) - ENTRY_ROWS
        return lacking if lacking <= 0 else _quotient(lacking, ROWS * self._left(elapsed)) - elapsed

    def _lacking(self, step: int, elapsed: float) -> float:
        """Seconds by which one more sample would cost more than samples may by a step; not positive where none."""
        affordable = self.entry * _opened(step) + self.share * self._left(elapsed) * elapsed
        return self.spent + self._last_cost - affordable

    def _left(self, elapsed: float) -> float:
        """The part of their shares that the steps that pass leave to samples and rows, from 0 to 1."""
        left = TOGETHER - _quotient(PASSED * self.passed, elapsed)
        return min(1.0, max(0.0, left / (SHARE + UNCLOCKED * ROWS)))

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


def _quotient(one: float, other: float) -> float:
    return one / other if other else math.inf if one else 0.0


def _opened(step: int) -> float:
    """The share of the entry that may be spent by a step."""
    return min(1.0, 0.25 + 0.75 * math.log2(step) / math.log2(ENTRY_STEPS))
