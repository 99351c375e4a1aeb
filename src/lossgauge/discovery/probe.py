"""Estimate a law from outside: how the path of the weights answers to α and to each hyperparameter.

With T the concatenated path, k solves min ‖∂T/∂log α + Σ_h k_h ∂T/∂log h‖ by central differences in float64. A residual
of 1e-6 or less means that a law exists, 1e-3 or more that none does. Works on any black box; a hyperparameter that
moves nothing is INERT here, never "exponent 0".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from lossgauge.errors import LossgaugeError
from lossgauge.frameworks.subject import Problem, Subject
from lossgauge.units.linear import complexity
from lossgauge.units.rational import simplest

STEPS = 14
DIFFERENCES = (1e-5, 1e-4)
LAWFUL, LAWLESS = 1e-6, 1e-3
"""Residuals up to the first mean a law, from the second on none; between them the probe does not decide."""
ROUGH = 1e-3
"""Slopes that differ by more than this over two widths are not slopes."""
ILL_CONDITIONED = 1e6
EVERYDAY = [Fraction(n) for n in (0, 1, -1, 2, -2)] + [Fraction(1, 2), Fraction(-1, 2)]
MOST_COMBINATIONS = 200_000
ALPHA = "α"


@dataclass(frozen=True)
class Estimate:
    """What the paths say.

    Args:
        exponents: The rational exponents; empty where no law was found.
        residual: ‖∂T/∂log α + Σ k_h ∂T/∂log h‖ relative to its first term; None when it cannot be measured.
        condition: Ratio of the largest to the smallest singular value of the columns.
        inert: Hyperparameters whose small changes change nothing.
        note: Why there is no answer, or how one was chosen.
    """

    exponents: dict[str, Fraction]
    residual: float | None
    condition: float | None
    inert: tuple[str, ...]
    note: str = ""

    @property
    def lawful(self) -> bool | None:
        """True for a law, False for none, None where the probe does not decide."""
        if self.residual is None or LAWFUL < self.residual < LAWLESS:
            return None
        return self.residual <= LAWFUL


def probe(
    subject: Subject, settings: Mapping[str, Any], smooth: Sequence[str], others: Sequence[str] = (), steps: int = STEPS
) -> Estimate:
    """Estimate the exponents of the hyperparameters that act smoothly.

    Args:
        subject: The optimizer.
        settings: Values at which they matter.
        smooth: The hyperparameters to estimate.
        others: Further numbers, reported as inert here.
        steps: Length of the runs, in steps.

    Returns:
        The estimate with the smaller residual over two difference widths.
    """
    slopes: list[dict[str, np.ndarray]] = []
    found: list[Estimate] = []
    for width in DIFFERENCES:
        try:
            slopes.append(_slopes(subject, settings, smooth, width, steps))
        except LossgaugeError as error:
            return Estimate({}, None, None, tuple(others), f"the run failed: {error}")
        if not all(np.isfinite(slope).all() for slope in slopes[-1].values()):
            return Estimate({}, None, None, tuple(others), "the run is not finite")
        found.append(_solve(slopes[-1], tuple(others)))
        if found[-1].lawful:
            return found[-1]
    if _roughness(*slopes) > ROUGH:
        return Estimate({}, None, None, tuple(others), "the path is not smooth (rounded inside, or full of thresholds)")
    return min(found, key=lambda e: e.residual if e.residual is not None else np.inf)


def _slopes(
    subject: Subject, settings: Mapping[str, Any], names: Sequence[str], width: float, steps: int
) -> dict[str, np.ndarray]:
    """∂T/∂log h for every h, and ∂T/∂log α under the name ALPHA."""

    def path(alpha: float, changed: Mapping[str, Any]) -> np.ndarray:
        return subject.run({**settings, **changed}, Problem(alpha=alpha, steps=steps)).path()

    up, down = float(np.exp(width)), float(np.exp(-width))
    slopes = {n: path(1.0, {n: settings[n] * up}) - path(1.0, {n: settings[n] * down}) for n in names}
    slopes[ALPHA] = path(up, {}) - path(down, {})
    return {n: slope / (2 * width) for n, slope in slopes.items()}


def _roughness(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> float:
    """How much the slopes depend on the width over which they were taken, relative to the steepest of them."""
    steepest = max(float(np.linalg.norm(s)) for s in first.values()) or 1.0
    return max(float(np.linalg.norm(first[n] - second[n])) for n in first) / steepest


def _solve(slopes: Mapping[str, np.ndarray], inert: tuple[str, ...]) -> Estimate:
    sizes = {n: float(np.linalg.norm(slope)) for n, slope in slopes.items()}
    scale = max(*sizes.values(), 1e-300)
    names = [n for n in slopes if n != ALPHA and sizes[n] > 1e-9 * scale]
    inert = inert + tuple(n for n in slopes if n != ALPHA and n not in names)
    whole = max(sizes[ALPHA], 1e-3 * scale)
    if not names:
        return Estimate({}, sizes[ALPHA] / whole if scale > 1e-300 else None, None, inert)
    matrix = np.stack([slopes[n] for n in names], axis=1)
    singular = np.linalg.svd(matrix / np.linalg.norm(matrix, axis=0), compute_uv=False)
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else float("inf")
    exponents, residual = _nearest_rational(matrix, -slopes[ALPHA], whole)
    if residual > LAWFUL or condition > ILL_CONDITIONED:
        simple, other = _simplest_on_grid(matrix, -slopes[ALPHA], whole)
        if simple is not None and (other < residual or other <= LAWFUL):
            exponents, residual = simple, other
    note = "near-collinear: the simplest exponents were taken" if condition > ILL_CONDITIONED else ""
    law = dict(zip(names, exponents, strict=True)) if residual <= LAWFUL else {}
    return Estimate(law, residual, condition, inert, note)


def _nearest_rational(matrix: np.ndarray, right: np.ndarray, whole: float) -> tuple[list[Fraction], float]:
    """Least squares, each entry rounded to the simplest fraction within its own uncertainty; and the residual then."""
    solution = np.linalg.lstsq(matrix, right, rcond=None)[0]
    noise = float(np.linalg.norm(matrix @ solution - right)) + 1e-12 * whole
    spread = np.sqrt(np.abs(np.diag(np.linalg.pinv(matrix.T @ matrix))))
    exponents: list[Fraction] = []
    for value, width in zip(solution, spread, strict=True):
        fraction = simplest(float(value), float(np.clip(100 * noise * width, 1e-6, 0.02)))
        exponents.append(fraction if fraction is not None else Fraction(float(value)).limit_denominator(24))
    fit = matrix @ np.array([float(k) for k in exponents])
    return exponents, float(np.linalg.norm(fit - right)) / whole


def _simplest_on_grid(matrix: np.ndarray, right: np.ndarray, whole: float) -> tuple[list[Fraction] | None, float]:
    """The simplest combination of everyday exponents that explains ∂T/∂log α, for columns that are near-collinear."""
    count = matrix.shape[1]
    if len(EVERYDAY) ** count > MOST_COMBINATIONS:
        return None, float("inf")
    triangle_q, triangle = np.linalg.qr(matrix)
    target = triangle_q.T @ right
    rest = max(float(right @ right - target @ target), 0.0)
    grid = np.array(list(product(range(len(EVERYDAY)), repeat=count)))
    values = np.array([float(k) for k in EVERYDAY])[grid]
    residuals = np.sqrt(((values @ triangle.T - target) ** 2).sum(axis=1) + rest) / whole
    costs = np.array([complexity(k) for k in EVERYDAY])[grid].sum(axis=1)
    good = np.flatnonzero(residuals <= max(LAWFUL, 3 * float(residuals.min())))
    best = min(good, key=lambda i: (costs[i], residuals[i]))
    return [EVERYDAY[i] for i in grid[best]], float(residuals[best])
