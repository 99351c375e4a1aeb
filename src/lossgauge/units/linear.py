"""Exact linear systems over the rationals: solve, null space, smallest inconsistent subset, simplest solution.

A system is a list of rows; row i says Σ_j row[j]·x_j = right-hand side i, with named unknowns. All arithmetic is exact,
so "contradiction" is a fact and not a tolerance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm

Row = Mapping[str, Fraction]
Vector = dict[str, Fraction]


@dataclass(frozen=True)
class Solution:
    """All solutions of a consistent system: `particular` plus any combination of `null_space`.

    Args:
        particular: One solution; free unknowns are 0 in it.
        null_space: A canonical basis (integer entries without common factor, first entry positive).
    """

    particular: Vector
    null_space: tuple[Vector, ...]

    @property
    def determined(self) -> Vector:
        """The unknowns that have the same value in every solution."""
        free = {name for vector in self.null_space for name, entry in vector.items() if entry}
        return {name: value for name, value in self.particular.items() if name not in free}


def solve(rows: Sequence[Row], right: Sequence[Fraction], unknowns: Sequence[str]) -> Solution | None:
    """Solve Σ_j row[j]·x_j = right exactly.

    Args:
        rows: The coefficients of each equation, by unknown.
        right: The right-hand side of each equation.
        unknowns: All unknowns, in the order in which they are preferred as pivots.

    Returns:
        The solution set, or None when the equations contradict each other.
    """
    matrix = [[*(Fraction(row.get(n, 0)) for n in unknowns), Fraction(b)] for row, b in zip(rows, right, strict=True)]
    pivots = _eliminate(matrix, len(unknowns))
    if any(line[-1] for line in matrix[len(pivots) :]):
        return None
    particular = dict.fromkeys(unknowns, Fraction(0))
    for line, column in zip(matrix, pivots, strict=False):
        particular[unknowns[column]] = line[-1]
    return Solution(particular, tuple(_null_space(matrix, pivots, unknowns)))


def null_space(rows: Sequence[Row], unknowns: Sequence[str]) -> tuple[Vector, ...]:
    """A canonical basis of {x : Σ_j row[j]·x_j = 0 for every row}.

    Args:
        rows: The coefficients of each equation, by unknown.
        unknowns: All unknowns, in order.

    Returns:
        Basis vectors with integer entries, no common factor, first non-zero entry positive.
    """
    solution = solve(rows, [Fraction(0)] * len(rows), unknowns)
    return solution.null_space if solution else ()


def smallest_conflict(rows: Sequence[Row], right: Sequence[Fraction], unknowns: Sequence[str]) -> list[int]:
    """Indices of a contradictory subset from which no equation can be dropped.

    Later equations are kept in preference to earlier ones only when needed, so the last index is the equation at which
    the contradiction became visible.

    Args:
        rows: The coefficients of each equation, by unknown.
        right: The right-hand side of each equation.
        unknowns: All unknowns.

    Returns:
        The indices in rising order; empty when the system is consistent.
    """
    last = next((i for i in range(1, len(rows) + 1) if solve(rows[:i], right[:i], unknowns) is None), None)
    if last is None:
        return []
    kept = list(range(last))
    for index in range(last - 1):
        rest = [i for i in kept if i != index]
        if solve([rows[i] for i in rest], [right[i] for i in rest], unknowns) is None:
            kept = rest
    return kept


def simplest_solution(
    solution: Solution, accepts: Iterable[Fraction] = (), reach: int = 3, limit: int = 20_000
) -> Vector:
    """The solution with the smallest numerators and denominators.

    Args:
        solution: A solution set.
        accepts: Values tried for each free coordinate; by default all fractions n/d with |n| ≤ `reach`, d ≤ 2.
        reach: The largest numerator tried.
        limit: The most combinations tried; beyond it free coordinates stay 0.

    Returns:
        One solution: least sum of |numerator| + denominator over its entries, ties broken in order of names.
    """
    steps = sorted(set(accepts) or {Fraction(n, d) for n in range(-reach, reach + 1) for d in (1, 2)}, key=complexity)
    if not solution.null_space or len(steps) ** len(solution.null_space) > limit:
        return dict(solution.particular)
    candidates = (
        combine(solution.particular, solution.null_space, weights)
        for weights in product(steps, repeat=len(solution.null_space))
    )
    return min(candidates, key=lambda x: (sum(complexity(v) for v in x.values()), sorted(x.items())))


def combine(base: Vector, basis: Sequence[Vector], weights: Sequence[Fraction]) -> Vector:
    """The vector base + Σ weights_i·basis_i.

    Args:
        base: The starting vector.
        basis: Vectors over the same unknowns.
        weights: One factor per basis vector.

    Returns:
        The combination.
    """
    total = dict(base)
    for vector, weight in zip(basis, weights, strict=True):
        for name, entry in vector.items():
            total[name] = total.get(name, Fraction(0)) + weight * entry
    return total


def complexity(value: Fraction) -> int:
    """How complicated a rational is: |numerator| + denominator − 1, so that 0 costs 0 and ±1 cost 1.

    Args:
        value: The rational.

    Returns:
        The cost.
    """
    return abs(value.numerator) + value.denominator - 1


def _eliminate(matrix: list[list[Fraction]], width: int) -> list[int]:
    """Bring `matrix` to reduced row echelon form in place; return the pivot columns."""
    pivots: list[int] = []
    for column in range(width):
        top = len(pivots)
        found = next((i for i in range(top, len(matrix)) if matrix[i][column]), None)
        if found is None:
            continue
        matrix[top], matrix[found] = matrix[found], matrix[top]
        lead = matrix[top][column]
        matrix[top] = [entry / lead for entry in matrix[top]]
        for i, line in enumerate(matrix):
            if i != top and line[column]:
                factor = line[column]
                matrix[i] = [a - factor * b for a, b in zip(line, matrix[top], strict=True)]
        pivots.append(column)
    return pivots


def _null_space(matrix: list[list[Fraction]], pivots: list[int], unknowns: Sequence[str]) -> Iterable[Vector]:
    for free in (c for c in range(len(unknowns)) if c not in pivots):
        vector = dict.fromkeys(unknowns, Fraction(0))
        vector[unknowns[free]] = Fraction(1)
        for line, column in zip(matrix, pivots, strict=False):
            vector[unknowns[column]] = -line[free]
        yield _canonical(vector)


def _canonical(vector: Vector) -> Vector:
    scale = lcm(*(entry.denominator for entry in vector.values()))
    first = next(entry for entry in vector.values() if entry)
    sign = 1 if first > 0 else -1
    return {name: entry * scale * sign for name, entry in vector.items()}
