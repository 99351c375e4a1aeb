"""Updates that a number format swallows."""

import math

import numpy as np
import pytest
import torch

from lossgauge.frameworks.torch.gauging.rounding import lost_share, slight, ulp

FORMATS = (torch.float16, torch.bfloat16, torch.float32)


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_the_spacing_is_the_distance_to_the_next_number(dtype: torch.dtype):
    tiny = torch.finfo(dtype).smallest_normal
    weights = torch.tensor([0.0, 1.0, -1.5, 2.0, 3.99, tiny, tiny * 0.5, -tiny * 1.5], dtype=dtype)
    following = torch.nextafter(weights.abs(), torch.tensor(math.inf, dtype=dtype)).double() - weights.abs().double()
    assert ulp(weights.double().numpy(), dtype).tolist() == following.tolist()


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_only_what_the_format_swallowed_is_lost(dtype: torch.dtype):
    half = torch.finfo(dtype).eps / 2  # of 1.0 upwards
    weight = torch.ones(6, dtype=dtype)
    intended = np.array([0.0, half * 0.9, half * 1.1, 1.0, -half * 0.4, -half * 0.9])
    update = (weight + torch.from_numpy(intended)).to(dtype).double().numpy() - 1.0
    assert lost_share(update, slight(weight.double().numpy(), intended, dtype)) == pytest.approx(2 / 6)


def test_a_step_that_was_not_made_is_not_a_rounding():
    assert lost_share(np.zeros(4), slight(np.ones(4), np.full(4, 0.1), torch.float32)) == 0.0


def test_zero_weights_take_any_update():
    update = torch.full((4,), 1e-40).double().numpy()
    assert lost_share(update, slight(np.zeros(4), update, torch.float32)) == 0.0
    assert lost_share(np.zeros(4), slight(np.zeros(4), np.full(4, 1e-46), torch.float32)) == 1.0


def test_nothing_is_no_share():
    assert lost_share(np.zeros(0), np.zeros(0, dtype=bool)) is None
