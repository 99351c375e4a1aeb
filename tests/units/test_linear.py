"""The exact solver against systems built around a known answer, minors and plain enumeration."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, permutations
from math import gcd, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossgauge.units.linear import (
    Row,
    Solution,
    Vector,
    combine,
    complexity,
    null_space,
    simplest_solution,
    smallest_conflict,
    solve,
)
from tests.units.strategies import rationals, rows_over, small, times

NAMES = ("a", "b", "c")
Rows = list[dict[str, Fraction]]
vectors = st.fixed_dictionaries(dict.fromkeys(NAMES, rationals))


def determinant(matrix: Sequence[Sequence[Fraction]]) -> Fraction:
    """The sum over all permutations."""
    size = range(len(matrix))
    signed = (((-1) ** sum(p[i] > p[j] for i, j in combinations(size, 2)), p) for p in permutations(size))
    return sum((sign * prod((matrix[i][p[i]] for i in size), start=Fraction(1)) for sign, p in signed), Fraction(0))


def rank(matrix: Sequence[Sequence[Fraction]]) -> int:
    """The size of the largest minor that is not zero."""
    width = len(matrix[0]) if matrix else 0
    return max(
        (
            size
            for size in range(1, min(len(matrix), width) + 1)
            for lines in combinations(matrix, size)
            for columns in combinations(range(width), size)
            if determinant([[line[j] for j in columns] for line in lines])
        ),
        default=0,
    )


def consistent(rows: Sequence[Row], right: Sequence[Fraction]) -> bool:
    """Whether a solution exists: the right-hand side does not raise the rank."""
    plain = [[row.get(name, Fraction(0)) for name in NAMES] for row in rows]
    return rank(plain) == rank([[*line, value] for line, value in zip(plain, right, strict=True)])


@st.composite
def systems(draw: st.DrawFn) -> tuple[Rows, list[Fraction]]:
    rows = draw(rows_over(NAMES))
    return rows, draw(st.lists(small, min_size=len(rows), max_size=len(rows)))


@given(rows_over(NAMES), vectors)
def test_a_planted_solution_is_found_up_to_the_null_space(rows: Rows, planted: Vector):
    found = solve(rows, [times(row, planted) for row in rows], NAMES)
    assert found is not None
    assert all(times(row, found.particular) == times(row, planted) for row in rows)
    away = {name: planted[name] - found.particular[name] for name in NAMES}
    basis = [[vector[name] for name in NAMES] for vector in found.null_space]
    assert rank([*basis, [away[name] for name in NAMES]]) == len(basis), "the rest is a combination of the null space"
    assert all(planted[name] == value for name, value in found.determined.items())


@given(rows_over(NAMES))
def test_the_null_space_is_a_canonical_basis(rows: Rows):
    basis = null_space(rows, NAMES)
    plain = [[vector[name] for name in NAMES] for vector in basis]
    assert all(times(row, vector) == 0 for row in rows for vector in basis)
    assert rank(plain) == len(basis) == len(NAMES) - rank([[row[name] for name in NAMES] for row in rows])
    for entries in plain:
        assert all(entry.denominator == 1 for entry in entries)
        assert gcd(*(entry.numerator for entry in entries)) == 1
        assert next(entry for entry in entries if entry) > 0


@given(rows_over(NAMES), vectors)
def test_determined_unknowns_are_those_no_null_vector_moves(rows: Rows, planted: Vector):
    found = solve(rows, [times(row, planted) for row in rows], NAMES)
    assert found is not None
    moved = {name for vector in found.null_space for name in NAMES if vector[name]}
    assert set(found.determined) == set(NAMES) - moved


@given(systems())
def test_a_system_has_a_solution_exactly_when_the_minors_say_so(system: tuple[Rows, list[Fraction]]):
    rows, right = system
    assert (solve(rows, right, NAMES) is not None) == consistent(rows, right)


@given(systems())
def test_the_smallest_conflict_is_one_and_needs_every_equation(system: tuple[Rows, list[Fraction]]):
    rows, right = system
    core = smallest_conflict(rows, right, NAMES)
    assert core == sorted(set(core))
    assert bool(core) != consistent(rows, right)
    if not core:
        return
    assert not consistent([rows[i] for i in core], [right[i] for i in core])
    for dropped in core:
        rest = [i for i in core if i != dropped]
        assert consistent([rows[i] for i in rest], [right[i] for i in rest])
    assert consistent(rows[: core[-1]], right[: core[-1]]), "the last equation is where it became visible"


def cost(vector: Vector) -> tuple[int, list[tuple[str, Fraction]]]:
    return sum(abs(v.numerator) + v.denominator - 1 for v in vector.values()), sorted(vector.items())


@settings(max_examples=40)
@given(rows_over(NAMES, most=2), vectors)
def test_the_simplest_solution_is_the_cheapest_of_all_tried(rows: Rows, planted: Vector):
    accepts = [Fraction(n, 2) for n in range(-2, 3)]
    solution = solve(rows, [times(row, planted) for row in rows], NAMES)
    assert solution is not None
    tried: list[Vector] = [dict(solution.particular)]
    for vector in solution.null_space:
        tried = [{n: x[n] + weight * vector[n] for n in NAMES} for x in tried for weight in accepts]
    found = simplest_solution(solution, accepts)
    assert found in tried
    assert cost(found) == min(cost(vector) for vector in tried)
    assert all(times(row, found) == times(row, planted) for row in rows)


def test_the_simplest_solution_prefers_whole_numbers():
    half = Fraction(1, 2)
    line = Solution({"a": half, "b": half}, ({"a": Fraction(1), "b": Fraction(1)},))
    assert simplest_solution(line) == {"a": 0, "b": 0}
    assert simplest_solution(line, limit=1) == line.particular, "beyond the limit free coordinates stay 0"
    assert simplest_solution(Solution({"a": half}, ())) == {"a": half}


def test_a_combination_is_what_it_says():
    base, vector = {"a": Fraction(1)}, {"a": Fraction(2), "b": Fraction(3)}
    assert combine(base, [vector], [Fraction(1, 2)]) == {"a": 2, "b": Fraction(3, 2)}
    assert base == {"a": 1}


def test_costs():
    assert [complexity(Fraction(v)) for v in ("0", "1", "-1", "2", "1/2", "-3/2")] == [0, 1, 1, 2, 2, 4]


def test_rows_without_an_unknown_of_theirs_count_as_zero():
    solution = solve([{"a": Fraction(2)}], [Fraction(3)], NAMES)
    assert solution is not None
    assert solution.particular == {"a": Fraction(3, 2), "b": 0, "c": 0}
    assert solution.determined == {"a": Fraction(3, 2)}
    assert [v for vector in solution.null_space for v in vector.values()] == [0, 1, 0, 0, 0, 1]


def test_a_contradiction_without_unknowns_is_one():
    assert solve([{}], [Fraction(1)], NAMES) is None
    assert smallest_conflict([{}, {}], [Fraction(0), Fraction(1)], NAMES) == [1]


def test_a_row_without_its_right_hand_side_is_refused():
    with pytest.raises(ValueError, match="argument"):
        solve([{}, {}], [Fraction(0)], NAMES)
