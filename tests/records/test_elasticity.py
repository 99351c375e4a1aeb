"""Elasticities of several tensors put together."""

import math

import pytest

from lossgauge.records.elasticity import mean_by_update, weighed_together
from lossgauge.records.session import Sample, TensorSample


def test_what_is_known_is_weighted_with_the_squares_of_updates():
    assert mean_by_update([(1.0, 3.0), (0.0, 4.0)]) == pytest.approx(9 / 25)
    assert mean_by_update([(1.0, 3e-200), (0.0, 4e-200), (9.0, 0.0), (None, 1.0)]) == pytest.approx(9 / 25)
    assert mean_by_update([(1.0, 3e300), (0.0, 4e300), (math.nan, 1e300)]) == pytest.approx(9 / 25)


@pytest.mark.parametrize(
    "found", [[], [(None, 1.0)], [(1.0, 0.0)], [(1.0, None)], [(1.0, math.inf), (0.0, 1.0)], [(1.0, math.nan)]]
)
def test_there_is_no_mean_of_nothing(found: list[tuple[float | None, float | None]]):
    assert mean_by_update(found) is None


def test_the_elasticity_of_the_whole_is_weighted_with_squares():
    parts = (TensorSample(0, update_norm=3e-200, elasticity=1.0, carriers={"lr": 1.0}),
             TensorSample(1, update_norm=4e-200, elasticity=0.0, carriers={"lr": 1.0, "eps": -1.0}),
             TensorSample(2, update_norm=0.0, elasticity=9.0), TensorSample(3, update_norm=1.0))  # fmt: skip
    found = weighed_together(Sample(1, 0, 1, (), parts))
    assert found is not None
    assert found[0] == pytest.approx(0.36)
    assert found[1] == pytest.approx({"lr": 1.0, "eps": -0.64})
    assert weighed_together(Sample(1, 0, 1)) is None
