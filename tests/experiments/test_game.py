"""Which number stands for which run, where runs diverge and where something is left over."""

from fractions import Fraction

from lossgauge.experiments.game import Game
from lossgauge.experiments.measurements import Measured

NOBODY, A, B, BOTH = frozenset[str](), frozenset({"a"}), frozenset({"b"}), frozenset({"a", "b"})


def at(value: float) -> Measured:
    return Measured(value)


GONE = Measured(float("nan"), diverged=True)


def test_the_change_of_units_leaves_nothing():
    game = Game(at(1.0), {NOBODY: at(3.0), A: at(2.5), B: at(1.5)}, BOTH)
    assert (game.total, game.remainder, game.divergent) == (2, 0, False)
    assert [game.worth(some) for some in (NOBODY, A, B, BOTH)] == [0, Fraction(1, 2), Fraction(3, 2), 2]


def test_what_is_left_is_a_remainder_unless_nobody_would_see_it():
    found = {NOBODY: at(3.0), A: at(2.5), B: at(1.5)}
    assert Game(at(1.0), found, BOTH, at(1.5)).remainder == Fraction(1, 2)
    assert Game(at(1.0), found, BOTH, at(1.5), forgiving=True).remainder == Fraction(1, 2)
    small = Game(at(1.0), found, BOTH, at(1.0 + 2**-10), forgiving=True)
    assert (small.remainder, small.forgiven) == (0, True)
    strict = Game(at(1.0), found, BOTH, at(1.0 + 2**-10))
    assert (strict.remainder, strict.forgiven) == (Fraction(1, 1024), False)


def test_a_divergence_on_one_side_counts_zero_or_one():
    game = Game(at(1.0), {NOBODY: GONE, A: at(7.0), B: GONE}, BOTH)
    assert game.divergent
    assert (game.total, game.worth(A), game.worth(B), game.worth(BOTH)) == (1, 1, 0, 1)
    cured = Game(GONE, {NOBODY: at(2.0), A: GONE, B: at(2.0)}, BOTH)
    assert (cured.total, cured.worth(A), cured.worth(B)) == (-1, -1, 0)


def test_a_divergence_in_between_counts_as_the_farthest():
    game = Game(at(1.0), {NOBODY: at(3.0), A: GONE, B: at(-4.0)}, BOTH)
    assert not game.divergent
    assert game.replaced == 1
    assert game.worth(A) == game.worth(B) == 7


def test_without_players_everything_is_left():
    game = Game(at(1.0), {NOBODY: at(1.25)}, NOBODY, at(1.25))
    assert (game.total, game.remainder) == (Fraction(1, 4), Fraction(1, 4))
