"""How the best learning rate moves with the loss multiplier."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median

from lossgauge.laws.law import Law
from lossgauge.reports.sweeping import quantities, slices
from lossgauge.reports.sweeping.axes import binary, spell_log2
from lossgauge.reports.sweeping.row import Row, finite

Points = Sequence[tuple[float, float]]

ENOUGH = 3
"""From how many α on something can be said about a course."""
LINES = (-1, 0, 1)
"""Which lines of a constant group are drawn: through the best one, and above and below it."""


@dataclass(frozen=True)
class Course:
    """The best learning rate over α.

    Args:
        name: What the optimizer calls its learning rate.
        best: (log₂ α, log₂ of the best learning rate), where that is not at the edge of the grid; α ascending.
        grid: log₂ of the learning rates tried, ascending.
        power: Its exponent k by the law; None where there is no law.
    """

    name: str
    best: Points
    grid: Sequence[float]
    power: Fraction | None

    @property
    def known(self) -> bool:
        """Whether enough of the course is inside the grid to tell a constant rate from one that falls as 1/α."""
        return len(self.best) >= ENOUGH and not (self._within_a_step(0) and self._within_a_step(-1))

    @property
    def step(self) -> float:
        """The largest distance of two neighbours in the grid, log₂."""
        return max(high - low for low, high in pairwise(self.grid))

    def follows(self, power: float) -> bool:
        """Whether the best learning rate is c·α^k, as exactly as the grid can tell.

        Args:
            power: k.

        Returns:
            True where every best one lies within one step of the grid of the middle one.
        """
        return self.known and self._within_a_step(power)

    def stretch(self) -> Points:
        """The longest run of α over which the best learning rate stays within one step of the grid.

        Returns:
            Its points; empty where there is no course.
        """
        longest: Points = ()
        for begin in range(len(self.best)):
            for end in range(len(self.best), begin + len(longest), -1):
                rates = [rate for _, rate in self.best[begin:end]]
                if max(rates) - min(rates) <= self.step + 1e-9:
                    longest = self.best[begin:end]
                    break
        return longest

    def gist(self) -> str:
        """What it does, in words that stand after `the best learning rate`.

        Returns:
            A verb with its adverbs.
        """
        if not self.known:
            return "is not told by this grid"
        if self.follows(0):
            return "does not move with α"
        if self.follows(-1):
            return "falls as 1/α"
        return "stays over part of the range" if len(self.stretch()) > ENOUGH else "moves with α"

    def say(self) -> str:
        """The best learning rate as a formula.

        Returns:
            Text such as `best lr = 2⁻³/α`, `best lr = 2⁻⁷ at every α`, `best lr = 2⁻⁷ for α ≥ 2⁻⁸`.
        """
        if not self.known:
            return "the grid does not tell the best lr"
        twos = binary(self.grid)
        if self.follows(0):
            return f"best lr ≈ {self._level(self.best, 0, twos)} at every α"
        if self.follows(-1):
            return f"best lr ≈ {self._level(self.best, -1, twos)}/α"
        flat = self.stretch()
        if len(flat) <= ENOUGH:
            return "best lr moves with α"
        low, high = (spell_log2(flat[end][0], binary([alpha for alpha, _ in self.best])) for end in (0, -1))
        begins, ends = flat[0] == self.best[0], flat[-1] == self.best[-1]
        where = f"α ≥ {low}" if ends else f"α ≤ {high}" if begins else f"α from {low} to {high}"
        return f"best lr ≈ {self._level(flat, 0, twos)} for {where}"

    def lines(self, low: float, high: float) -> list[list[tuple[float, float]]]:
        """Lines along which the dimensionless group of the learning rate is constant.

        Args:
            low: The first α, log₂.
            high: The last α, log₂.

        Returns:
            For each line its two ends (log₂ α, log₂ of the learning rate); none where there is no law.
        """
        if self.power is None or not self.known:
            return []
        power = float(self.power)
        middle = median(rate - power * alpha for alpha, rate in (self.best if power else self.stretch()))
        apart = (self.grid[-1] - self.grid[0]) / 4
        return [[(x, power * x + middle + side * apart) for x in (low, high)] for side in LINES]

    def _within_a_step(self, power: float) -> bool:
        levels = [rate - power * alpha for alpha, rate in self.best]
        return max(levels) - min(levels) <= self.step + 1e-9

    def _level(self, points: Points, power: float, twos: bool) -> str:
        level = median(rate - power * alpha for alpha, rate in points)
        return spell_log2(math.floor(level + 0.5) if twos else level, twos)


def follow_best(cut: Sequence[Row], name: str, law: Law | None) -> Course:
    """Find the best learning rate at each α.

    Args:
        cut: Rows that differ in α and the learning rate only.
        name: What the optimizer calls its learning rate.
        law: Its law.

    Returns:
        The course.
    """
    grid = sorted({quantities.log2_value(row, name) for row in cut})
    best: list[tuple[float, float]] = []
    for alpha, column in sorted(slices.separate(cut, quantities.log2_alpha).items()):
        row = min(filter(finite, column), key=lambda row: row.outcome.final_loss, default=None)
        rate = grid[0] if row is None else quantities.log2_value(row, name)
        if grid[0] < rate < grid[-1]:
            best.append((alpha, rate))
    return Course(name, best, grid, law.exponents.get(name) if law is not None and law.lawful else None)
