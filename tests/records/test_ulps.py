import numpy as np
import pytest
import torch

from lossgauge.frameworks.torch.injection.bits import content
from lossgauge.records.run import Bits
from lossgauge.records.ulps import ulps


def bits(*values: float, format: str = "float32") -> Bits:
    return Bits(format, content(torch.tensor(values, dtype=getattr(torch, format))))


@pytest.mark.parametrize("format", ["float16", "bfloat16", "float32", "float64"])
def test_neighbours_are_one_apart_in_every_format(format: str):
    one, eps = 1.0, torch.finfo(getattr(torch, format)).eps
    assert ulps(bits(one, 5.0, format=format), bits(one + eps, 5.0, format=format)) == 1
    assert ulps(bits(one, format=format), bits(one + 3 * eps, format=format)) == 3
    assert ulps(bits(one, format=format), bits(one, format=format)) == 0


def test_the_distance_goes_through_zero():
    smallest = float(np.nextafter(np.float32(0), np.float32(1)))
    assert ulps(bits(-smallest), bits(smallest)) == 2
    assert ulps(bits(0.0), bits(-0.0)) == 0
    assert ulps(bits(-1.0, format="float64"), bits(1.0, format="float64")) == 2 * 1023 * 2**52


def test_what_is_not_finite_is_named():
    assert ulps(bits(1.0, float("inf")), bits(1.0, 2.0)) == "inf"
    assert ulps(bits(1.0, 2.0), bits(float("-inf"), float("nan"))) == "nan"
    assert ulps(bits(65504.0, format="float16"), bits(float("inf"), format="float16")) == "inf"


def test_what_cannot_be_compared_has_no_distance():
    assert ulps(bits(1.0), bits(1.0, 2.0)) is None
    assert ulps(bits(1.0), bits(1.0, format="float64")) is None
    assert ulps(Bits("int32", b"1234"), Bits("int32", b"1234")) is None
