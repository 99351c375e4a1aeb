"""What the records of a comparison compute from their numbers."""

import json
import math
from fractions import Fraction

import pytest

from lossgauge.records.alignment import Alignment, Point, SampleWeights, pool
from lossgauge.records.comparison import Comparison, Compensation, Course, Relation

NAN = float("nan")


def point(*batches: Alignment, step: int = 0, weights: SampleWeights | None = None) -> Point:
    return Point(step, batches, batches, 1.0, 2.0, weights)


def test_factor_and_share():
    found = Alignment("x", aa=4.0, ab=6.0, bb=12.0)
    assert found.alpha_eff == 1.5
    assert found.cos2 == pytest.approx(0.75)
    assert found.to_dict() == {
        "name": "x", "alpha_eff": 1.5, "cos2": pytest.approx(0.75), "norm_a": 2.0, "norm_b": math.sqrt(12)
    }  # fmt: skip


@pytest.mark.parametrize("unit", [1.0, 1e-120, 1e120])
def test_the_share_has_no_unit(unit: float):
    assert Alignment("x", 4.0, 6.0 * unit, 12.0 * unit**2).cos2 == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("products", "alpha_eff", "cos2"),
    [
        ((0.0, 0.0, 3.0), None, 0.0),
        ((3.0, 0.0, 0.0), 0.0, None),
        ((0.0, 0.0, 0.0), None, None),
        ((NAN, 1.0, 1.0), None, None),
        ((1.0, 1.0, math.inf), None, None),
        ((1.0, 1.0 + 1e-9, 1.0), 1.0 + 1e-9, 1.0),
    ],
)
def test_where_they_are_not_defined(products: tuple[float, float, float], alpha_eff: float | None, cos2: float | None):
    found = Alignment("x", *products)
    assert (found.alpha_eff, found.cos2) == (alpha_eff, cos2)


def test_one_factor_for_all_and_one_for_each():
    both = point(Alignment("1", 1.0, 8.0, 64.0), Alignment("2", 1.0, 2.0, 4.0))
    assert both.total.alpha_eff == 5.0
    assert both.total.cos2 == pytest.approx(100 / 2 / 68)
    assert both.batch_share == 1.0
    assert both.alpha_range == (2.0, 8.0)


def test_what_is_not_finite_is_left_out_and_what_has_no_gradient_explains_nothing():
    found = point(Alignment("1", 1.0, 2.0, 4.0), Alignment("2", NAN, 1.0, 1.0), Alignment("3", 0.0, 0.0, 4.0))
    assert found.total.alpha_eff == 2.0
    assert found.batch_share == 0.5
    assert found.alpha_range == (2.0, 2.0)
    assert point(Alignment("1", 0.0, 0.0, 0.0)).batch_share is None
    assert point(Alignment("1", 0.0, 0.0, 1.0)).alpha_range is None


def test_bits_are_the_same_only_where_all_are():
    same, other = Alignment("1", 1.0, 1.0, 1.0, True), Alignment("2", 1.0, 1.0, 1.0)
    assert pool([same, same]).same_bits
    assert not pool([same, other]).same_bits
    assert not pool([]).same_bits


def test_the_document():
    weights = SampleWeights(10, 1, {"0.5": 1.0}, 0.5, 1.0, (1.0, 2.0))
    start = point(Alignment("batch 1", 1.0, 2.0, 4.0), weights=weights)
    end = point(Alignment("batch 1", 1.0, 3.0, 9.0), step=5, weights=weights)
    settings = {"lr": 0.1}
    halved = Compensation(0, Fraction(2), "SGD", "EXACT", settings, {"lr": Fraction(-1)}, {"lr": 0.05}, "set lr")
    record = Comparison(
        "mse", "mine", Relation.MOSTLY, 0.7599, start, (Course("a", (start, end)), Course("b", (start,))), (halved,)
    )
    plain = record.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["schema"] == "lossgauge.compare/1"
    assert (plain["verdict"], plain["verdict_text"]) == ("mostly a factor", "mostly a factor (76 %)")
    assert (plain["alpha_eff"], plain["cos2"]) == (2.0, 1.0)
    assert plain["per_batch"][0]["name"] == "batch 1"
    assert [entry["step"] for entry in plain["over_training"]["a"]] == [0, 5]
    assert plain["over_training"]["a"][1]["alpha_eff"] == 3.0
    assert plain["equivalent"] == {"lr": 0.05}
    assert plain["compensations"][0]["exponents"] == {"lr": "-1"}
    assert plain["weights"]["by_difficulty"] == [1.0, 2.0]
    assert plain["per_layer_trained"][0]["alpha_eff"] == 3.0


@pytest.mark.parametrize(("share", "text"), [(0.5, "50"), (0.754, "75"), (0.99999, "99")])
def test_mostly_is_never_all(share: float, text: str):
    record = Comparison("a", "b", Relation.MOSTLY, share, point(Alignment("batch 1", 1.0, 1.0, 1.0)))
    assert record.verdict == f"mostly a factor ({text} %)"


def test_a_comparison_without_training():
    plain = Comparison("a", "b", Relation.UNDECIDED, None, point(Alignment("batch 1", 0.0, 0.0, 0.0))).to_dict()
    assert plain["over_training"] == {}
    assert plain["weights"] is None
    assert plain["equivalent"] == {}
    assert plain["verdict_text"] == "undecided"
