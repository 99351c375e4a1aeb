"""Which elements are observed, and that reading them leaves everything else alone."""

import numpy as np
import pytest
import torch

from lossgauge.frameworks.torch.gauging.elements import (
    OBSERVED,
    draw,
    pick,
    plain,
    positions,
    to_host,
)

CPU = torch.device("cpu")


def test_small_tensors_are_observed_whole():
    assert positions(OBSERVED, CPU) is None
    assert draw(5).tolist() == [0, 1, 2, 3, 4]
    assert draw(0).tolist() == []


@pytest.mark.parametrize("numel", [OBSERVED + 1, 3 * OBSERVED - 7, 10**7, 2**33 + 1])
def test_large_tensors_are_observed_at_distinct_places_all_over(numel: int):
    where = draw(numel)
    assert len(where) == OBSERVED
    assert (np.diff(where) > 0).all()
    assert where[0] >= 0
    assert where[-1] < numel
    assert np.diff(where).max() <= 2 * (numel // OBSERVED + 1)


def test_fewer_are_observed_where_there_is_less_room():
    where = positions(10**6, CPU, 100)
    assert where is not None
    assert len(where) == 100
    assert where.dtype == torch.int32
    assert (np.diff(where.numpy()) > 0).all()
    assert positions(100, CPU, 100) is None
    assert positions(2**32, CPU, 100).dtype == torch.int64  # pyright: ignore[reportOptionalMemberAccess]


def test_positions_are_the_same_every_time_and_touch_no_generator():
    torch.manual_seed(1)
    np.random.seed(1)
    untouched = torch.get_rng_state(), np.random.get_state(legacy=False)
    first = draw(10**6)
    assert (draw(10**6) == first).all()
    assert torch.equal(torch.get_rng_state(), untouched[0])
    assert str(np.random.get_state(legacy=False)) == str(untouched[1])
    assert not (first == np.arange(OBSERVED) * 10**6 // OBSERVED).all()  # drawn, not on a grid


def test_picked_elements_follow_the_shape_not_the_memory():
    tensor = torch.arange(3 * 10**4, dtype=torch.float32).reshape(100, 300)
    where = positions(tensor.numel(), CPU)
    assert where is not None
    assert torch.equal(pick(tensor, where), where.float())
    across = tensor.t()
    assert torch.equal(pick(across, where), across.reshape(-1)[where])
    assert torch.equal(pick(across, None), across.reshape(-1))


def test_what_is_picked_is_a_copy():
    tensor = torch.zeros(4)
    taken = pick(tensor, None)
    tensor.fill_(1.0)
    assert taken.tolist() == [0.0] * 4


def test_complex_numbers_are_pairs_and_history_is_left_behind():
    weight = torch.tensor([1 + 2j, 3 - 4j], requires_grad=True)
    assert plain(weight).reshape(-1).tolist() == [1, 2, 3, -4]
    assert not plain(weight).requires_grad


def test_every_format_reaches_the_cpu_exactly():
    tensors = [torch.tensor([1e-7, 65504.0]).half(), torch.tensor(1e-40), torch.tensor([0.1]).bfloat16()]
    tensors += [torch.tensor([0.1], dtype=torch.float64), torch.zeros(0), torch.tensor([3.0]).half()]
    arrays = to_host(tensors)
    assert [array.tolist() for array in arrays] == [tensor.reshape(-1).tolist() for tensor in tensors]
    assert all(array.dtype == np.float64 for array in arrays)


def test_what_reached_the_cpu_does_not_share_memory():
    tensor = torch.ones(3, dtype=torch.float64)
    array = to_host([tensor])[0]
    tensor.zero_()
    assert array.tolist() == [1.0] * 3
