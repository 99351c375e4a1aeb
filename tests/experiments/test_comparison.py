"""The words for what one loss is to another, each with the neighbour it must not be taken for."""

from fractions import Fraction

import pytest

from lossgauge.experiments.comparison import choose_factor, find_reduction, judge_relation, round_factor
from lossgauge.records.alignment import Alignment, Point
from lossgauge.records.comparison import Relation

TOLERANCE = 1e-6


def batch(alpha: float, rest: float = 0.0, length: float = 1.0, same_bits: bool = False) -> Alignment:
    """A gradient α·g_a and a part of length `rest` across it."""
    aa = length**2
    return Alignment("batch", aa, alpha * aa, (alpha**2 + rest**2) * aa, same_bits)


def point(*batches: Alignment, step: int = 0) -> Point:
    return Point(step, batches, (), 1.0, 1.0)


@pytest.mark.parametrize(
    ("points", "relation"),
    [
        ([point(batch(1, same_bits=True), batch(1, same_bits=True))], Relation.IDENTICAL),
        ([point(batch(1, same_bits=True), batch(1))], Relation.PURE),
        ([point(batch(3), batch(3.001))], Relation.PURE),
        ([point(batch(3), batch(3, rest=2e-3))], Relation.PURE),
        ([point(batch(3), batch(3, rest=4e-3))], Relation.MOSTLY),
        ([point(batch(3), batch(3.01))], Relation.PER_BATCH),
        ([point(batch(32), batch(32), batch(8))], Relation.PER_BATCH),
        ([point(batch(3)), point(batch(2), step=5)], Relation.PER_BATCH),
        ([point(batch(3)), point(batch(3, rest=1), step=5)], Relation.MOSTLY),
        ([point(batch(1, same_bits=True)), point(batch(1, rest=1), step=5)], Relation.MOSTLY),
        ([point(batch(1, rest=0.9))], Relation.MOSTLY),
        ([point(batch(1, rest=1.1))], Relation.DIFFERENT),
        ([point(batch(-1))], Relation.DIFFERENT),
        ([point(batch(1), batch(-1))], Relation.DIFFERENT),
        ([point(batch(float("nan")))], Relation.UNDECIDED),
        ([point(Alignment("batch", 0, 0, 1))], Relation.UNDECIDED),
        ([point(Alignment("batch", 1, 0, 0))], Relation.UNDECIDED),
        ([point(batch(3), batch(float("nan")))], Relation.PURE),
        ([point(batch(3), Alignment("batch", 0, 0, 0))], Relation.PURE),
        ([point(batch(3), Alignment("batch", 0, 0, 1))], Relation.MOSTLY),
        ([point(batch(3), batch(3), Alignment("batch", 1, 0, 0))], Relation.MOSTLY),
        ([], Relation.UNDECIDED),
    ],
)
def test_relations(points: list[Point], relation: Relation):
    assert judge_relation(points, TOLERANCE)[0] is relation


def test_the_share_is_the_mean_over_points():
    _, share = judge_relation([point(batch(1)), point(batch(1, rest=1), step=1), point(batch(float("nan")))], TOLERANCE)
    assert share == pytest.approx(0.75)
    assert judge_relation([], TOLERANCE)[1] is None


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_the_unit_of_the_losses_changes_no_word(unit: float):
    for factors, relation in (((3, 3), Relation.PURE), ((3, 3.01), Relation.PER_BATCH)):
        batches = [batch(factor * unit, length=1e-10) for factor in factors]
        assert judge_relation([point(*batches)], TOLERANCE)[0] is relation


def test_a_coarser_format_has_a_wider_one():
    rounded = [point(batch(3), batch(3, rest=0.05))]
    assert judge_relation(rounded, 1e-3)[0] is Relation.PURE
    assert judge_relation(rounded, TOLERANCE)[0] is Relation.MOSTLY


def test_which_factor_is_taken_out():
    ragged = point(batch(32), batch(32), batch(8, length=100))
    assert choose_factor(ragged, Relation.PER_BATCH) == 32
    assert choose_factor(ragged, Relation.MOSTLY) == pytest.approx(8, rel=0.1)
    assert choose_factor(point(batch(float("nan"))), Relation.PER_BATCH) is None


@pytest.mark.parametrize(
    ("alpha", "pure", "expected"),
    [
        (63.99999997, True, Fraction(64)),
        (0.123456789, True, Fraction(123457, 10**6)),
        (0.123456789, False, Fraction(123, 1000)),
        (1e-12, False, Fraction(1, 10**12)),
        (None, True, None),
        (0.0, True, None),
        (-2.0, True, None),
        (float("inf"), True, None),
        (float("nan"), True, None),
    ],
)
def test_how_a_factor_is_rounded(alpha: float | None, pure: bool, expected: Fraction | None):
    assert round_factor(alpha, pure) == expected


@pytest.mark.parametrize(
    ("factors", "sizes", "relation", "said"),
    [
        ((32, 8), (32, 8), Relation.PER_BATCH, "the second loss is a sum where the first is a mean"),
        ((1 / 32, 1 / 8), (32, 8), Relation.PER_BATCH, "the first loss is a sum where the second is a mean"),
        ((32, 32), (32, 32), Relation.PURE, "the number of samples in each batch"),
        ((32, 8.1), (32, 8), Relation.PER_BATCH, ""),
        ((64, 16), (32, 8), Relation.PER_BATCH, ""),
        ((32, 8), (32, 8), Relation.MOSTLY, ""),
        ((32, 8), (), Relation.PER_BATCH, ""),
        ((1, 1), (1, 1), Relation.PURE, ""),
    ],
)
def test_a_sum_in_the_place_of_a_mean_is_recognised(
    factors: tuple[float, ...], sizes: tuple[int, ...], relation: Relation, said: str
):
    text = find_reduction(point(*map(batch, factors)), sizes, relation, TOLERANCE)
    assert (said in text) if said else not text
