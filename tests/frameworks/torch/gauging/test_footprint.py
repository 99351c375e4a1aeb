"""The gauge takes at most one copy of the largest tensor, beside what it takes for a model of a few numbers."""

import sys

import pytest

from tests.frameworks.torch.gauging.footprint import measure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
NOISE = 2.0
"""MB by which two equal processes differ."""


@pytest.fixture(scope="module")
def fixed() -> float:
    return measure("tiny").extra


def test_what_is_fixed_is_small(fixed: float):
    assert fixed < 15


def test_beside_that_it_takes_at_most_one_copy_of_the_largest_tensor(fixed: float):
    found = measure("4 of 2048x2048")
    assert found.largest > 15
    assert found.extra <= fixed + found.largest + NOISE


def test_a_copy_of_every_tensor_would_be_noticed(fixed: float):
    found = measure("4 of 2048x2048", how="wasteful")
    assert found.extra > fixed + found.largest + NOISE
