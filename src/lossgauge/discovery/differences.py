"""Comparing two runs bit by bit: where they first differ, by how many ulps, and how their states moved."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from lossgauge.frameworks.subject import Trajectory
from lossgauge.records.run import Bits
from lossgauge.records.ulps import ulps

ROUNDING = {"float64": 1e-12, "float32": 1e-5}
"""Relative distance at the first difference below which only rounding can be at work."""


@dataclass(frozen=True)
class Difference:
    """The first place where two runs differ.

    Args:
        step: The step after which they differ, from 1.
        tensor: The weight tensor.
        ulps: The largest distance in units in the last place; `nan` or `inf` where one side is not finite.
        relative: The largest distance relative to the largest weight of the tensor.
        alpha: The multiplier of the run, as text.
        precision: Its number format.
    """

    step: int
    tensor: str
    ulps: int | str | None
    relative: float
    alpha: str
    precision: str = "float64"

    @property
    def rounding(self) -> bool:
        """Whether rounding alone explains it."""
        return self.relative <= ROUNDING[self.precision]

    def to_dict(self) -> dict[str, Any]:
        """Plain data.

        Returns:
            A JSON-ready dictionary.
        """
        return {name: value for name, value in vars(self).items() if name != "relative"}


def first_difference(left: Trajectory, right: Trajectory, alpha: str) -> Difference | None:
    """Where two runs first differ.

    Args:
        left: One run.
        right: The other, of the same length.
        alpha: The multiplier of the second, as text.

    Returns:
        The difference, or None when every weight of every step has the same bits.
    """
    for step, (a, b) in enumerate(zip(left.weights, right.weights, strict=True)):
        for name in a:
            if not np.array_equal(a[name], b[name]):
                gap, size = np.abs(a[name] - b[name]).max(), np.abs(a[name]).max()
                relative = float(gap / size) if np.isfinite(gap) and size else float("inf")
                return Difference(step, name, ulps_between(a[name], b[name]), relative, alpha, str(a[name].dtype))
    return None


def largest_gap(left: Trajectory, right: Trajectory) -> float:
    """How far two runs come apart.

    Args:
        left: One run.
        right: The other, of the same length.

    Returns:
        The largest distance relative to the largest weight of its tensor; infinite where one is not finite.
    """
    gaps: list[float] = []
    for a, b in zip(left.weights, right.weights, strict=True):
        for name in a:
            gap, size = np.abs(a[name] - b[name]).max(), np.abs(a[name]).max()
            gaps.append(float(gap / size) if size and np.isfinite(gap) else 0.0 if gap == 0 else float("inf"))
    return max(gaps)


def ulps_between(left: np.ndarray, right: np.ndarray) -> int | str | None:
    """The largest distance in representable numbers.

    Args:
        left: An array of float32 or float64.
        right: Another of the same shape and type.

    Returns:
        The largest number of steps from one float to the next between two entries; `nan` or `inf` where there is one.
    """
    return ulps(Bits(str(left.dtype), left.tobytes()), Bits(str(right.dtype), right.tobytes()))


def state_exponents(base: Trajectory, twins: list[tuple[int, Trajectory]]) -> dict[str, Fraction]:
    """The power of the loss in each state slot, from the power of two by which it moved.

    Args:
        base: The untouched run.
        twins: `(m, run)` of co-scaled runs at α = 2^m.

    Returns:
        Slot → exponent; slots that are zero, or do not move as a whole, are left out.
    """
    found: dict[str, set[Fraction]] = {}
    for power, twin in twins:
        for key, value in base.states.items():
            other = twin.states.get(key)
            if other is None or other.shape != value.shape:
                continue
            nonzero = (value != 0) & (other != 0) & np.isfinite(value) & np.isfinite(other)
            if nonzero.any():
                shifts = np.log2(np.abs(other[nonzero] / value[nonzero]))
                slot = key.partition("/")[2]
                exponent = Fraction(float(np.median(shifts))).limit_denominator(10**6) / power
                same = bool((np.abs(shifts - np.median(shifts)) < 1e-9).all())
                found.setdefault(slot, set()).add(exponent.limit_denominator(24) if same else Fraction(-(10**9)))
    return {slot: next(iter(ks)) for slot, ks in sorted(found.items()) if len(ks) == 1 and abs(next(iter(ks))) < 100}
