"""What one loss is to another, concluded from their gradients at several points."""

from collections.abc import Sequence
from fractions import Fraction
from math import sqrt
from statistics import median

from lossgauge.records.alignment import Alignment, Point
from lossgauge.records.comparison import Relation
from lossgauge.units.rational import rational

MOST = 0.5
"""From this share on a loss is called mostly a factor: the factor's part is then longer than the rest."""


def judge_relation(points: Sequence[Point], tolerance: float) -> tuple[Relation, float | None]:
    """What the second loss is to the first, and how much of it one factor explains.

    Whether it is a pure factor is asked of every batch at every point; how much of it is one, of every point's batches
    together, and the answers are averaged over the points.

    Args:
        points: The points measured, the weights as they were given first.
        tolerance: How far cos² may lie below 1 and still be called 1.

    Returns:
        The relation, and the mean cos² between 0 and 1; None where there is nothing to explain.
    """
    shares = [point.total.cos2 for point in points if point.total.alpha_eff is not None]
    known = [share for share in shares if share is not None]
    if not points or points[0].total.alpha_eff is None or points[0].total.cos2 is None:
        return Relation.UNDECIDED, None
    share = sum(known) / len(known)
    batches = [batch for point in points for batch in point.usable]
    if all(batch.same_bits for batch in batches):
        return Relation.IDENTICAL, share
    factors = _pure_factors(batches, tolerance)
    if factors and max(factors) - min(factors) <= sqrt(tolerance) * max(factors):
        return Relation.PURE, share
    if factors:
        return Relation.PER_BATCH, share
    forward = points[0].total.ab > 0
    return (Relation.MOSTLY if share >= MOST and forward else Relation.DIFFERENT), share


def choose_factor(point: Point, relation: Relation) -> float | None:
    """The factor to take out.

    Args:
        point: The point it is for.
        relation: What the second loss is to the first.

    Returns:
        α_eff of all batches together, dimensionless; with a factor per batch their median, which suits all the batches
        of the usual size whatever the last one is. None where it is not defined.
    """
    factors = [batch.alpha_eff for batch in point.usable if batch.alpha_eff is not None]
    return median(factors) if relation is Relation.PER_BATCH and factors else point.total.alpha_eff


def find_reduction(point: Point, sizes: Sequence[int], relation: Relation, tolerance: float) -> str:
    """Whether the factor of each batch is its number of samples, as between a mean and a sum.

    Args:
        point: Any point.
        sizes: Samples of each batch, counts.
        relation: What the second loss is to the first.
        tolerance: How far cos² may lie below 1 and still be called 1.

    Returns:
        One sentence; empty where that is not so, or every batch has a single sample.
    """
    factors = [batch.alpha_eff for batch in point.batches]
    if relation not in (Relation.PURE, Relation.PER_BATCH) or len(sizes) != len(factors) or max(sizes) < 2:
        return ""
    for power, summed, averaged in ((1, "second", "first"), (-1, "first", "second")):
        shares = [factor / size**power for factor, size in zip(factors, sizes, strict=True) if factor is not None]
        if all(abs(share - 1) <= sqrt(tolerance) for share in shares) and len(shares) == len(factors):
            what = "the number of samples" if power == 1 else "1 / the number of samples"
            return f"α_eff is {what} in each batch: the {summed} loss is a sum where the {averaged} is a mean"
    return ""


def round_factor(alpha: float | None, pure: bool) -> Fraction | None:
    """A measured factor as a multiplier to set settings with.

    Args:
        alpha: α_eff, dimensionless; None where it is not defined.
        pure: Whether it is the same everywhere, so that more of its digits mean something.

    Returns:
        Six digits of a pure factor, three of any other; None where no loss can be multiplied by it.
    """
    if alpha is None or not 0 < alpha < float("inf"):
        return None
    rounded = float(f"{alpha:.{6 if pure else 3}g}")
    return rational(rounded) if rounded > 0 else None


def _pure_factors(batches: Sequence[Alignment], tolerance: float) -> list[float]:
    """α_eff of every batch, if each is a pure factor above 0; else nothing."""
    factors = [batch.alpha_eff for batch in batches if (batch.cos2 or 0.0) >= 1 - tolerance]
    found = [factor for factor in factors if factor is not None and factor > 0]
    return found if len(found) == len(batches) else []
