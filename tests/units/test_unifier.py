"""The unifier against the exact solver, which is slower and written independently of it."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from lossgauge.units.dimension import GRADIENT, LOSS
from lossgauge.units.linear import Solution, solve
from lossgauge.units.monomial import ONE, Monomial
from lossgauge.units.unifier import Unifier
from tests.units.strategies import NAMES, monomials, sparse_monomials, times

AXES = ("loss", "weight")


def solutions(differences: list[Monomial]) -> list[Solution | None]:
    """All dimensions of the symbols under which every difference is 1, one axis at a time."""
    rows = [unit.powers for unit in differences]
    return [solve(rows, [-getattr(unit.dimension, axis) for unit in differences], NAMES) for axis in AXES]


def judge(accepted: list[Monomial], new: Monomial) -> str:
    """What the solver says of an equation after those already accepted."""
    if None in solutions([*accepted, new]):
        return "conflict"
    for axis, solution in zip(AXES, solutions(accepted), strict=True):
        assert solution is not None
        settled = times(new.powers, solution.particular) == -getattr(new.dimension, axis)
        if not settled or any(times(new.powers, vector) for vector in solution.null_space):
            return "new"
    return "implied"


@given(st.lists(sparse_monomials, max_size=7))
def test_every_outcome_is_the_one_the_solver_finds(differences: list[Monomial]):
    known, accepted = Unifier(), []
    for difference in differences:
        expected = judge(accepted, difference)
        assert known.add(difference) == expected
        if expected == "new":
            accepted.append(difference)


@given(st.lists(sparse_monomials, max_size=5), monomials)
def test_a_reduced_unit_is_equal_under_every_solution(differences: list[Monomial], unit: Monomial):
    known, accepted = Unifier(), []
    for difference in differences:
        if known.add(difference) == "new":
            accepted.append(difference)
    assert judge(accepted, known.reduce(unit) / unit) == "implied"
    assert known.reduce(known.reduce(unit)) == known.reduce(unit)


@given(st.lists(sparse_monomials, max_size=5))
def test_taking_an_equation_twice_adds_nothing(differences: list[Monomial]):
    known = Unifier()
    for difference in differences:
        first = known.add(difference)
        assert known.add(difference) == ("conflict" if first == "conflict" else "implied")
        assert known.add(difference ** Fraction(-3, 2)) != "new"


def test_a_refused_equation_leaves_no_trace():
    known = Unifier()
    assert known.add(Monomial.of("eps") / Monomial(GRADIENT)) == "new"
    assert known.add(Monomial.of("eps")) == "conflict"
    assert known.add(Monomial.of("eps") ** 2 / Monomial(GRADIENT**2)) == "implied"


def test_only_pure_numbers_are_left_out_of_a_text():
    known = Unifier()
    known.add(Monomial.of("beta"))
    known.add(Monomial.of("eps") / Monomial(LOSS))
    unit = Monomial.of("beta") * Monomial.of("eps") * Monomial.of("lr")
    assert str(known.without_numbers(unit)) == "[eps]·[lr]"
    assert known.without_numbers(ONE) == ONE
