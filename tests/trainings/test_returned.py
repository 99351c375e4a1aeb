import numpy as np
import pytest
import torch

from lossgauge.trainings.returned import numbers_in


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), torch.tensor(0.5), torch.tensor([0.5])])
def test_a_number_is_a_number(value: object):
    assert numbers_in(value) == {"": 0.5}


def test_whole_numbers_count_and_flags_do_not():
    assert numbers_in(3) == {"": 3.0}
    assert numbers_in(True) == {}
    assert numbers_in(torch.tensor(True)) == {}


@pytest.mark.parametrize("value", [None, "0.5", torch.ones(2), [0.5], object(), 1j])
def test_anything_else_is_none(value: object):
    assert numbers_in(value) == {}


def test_the_numbers_of_a_mapping_have_names():
    found = {"loss": torch.tensor(0.25), "steps": 3, "model": torch.nn.Linear(1, 1), 7: 1.5}
    assert numbers_in(found) == {"loss": 0.25, "steps": 3.0, "7": 1.5}
