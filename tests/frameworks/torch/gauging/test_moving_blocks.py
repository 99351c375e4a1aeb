"""Updates of tensors of which a few rows move: measured where there is room, estimated beyond."""

import pytest
import torch
from torch import nn

from lossgauge.frameworks.torch.gauging import moving_blocks
from lossgauge.frameworks.torch.gauging.moving_blocks import BLOCK, MovingBlocks, copied_blocks
from lossgauge.frameworks.torch.gauging.sighting import measure_gradients, measure_update, read_gradients, sight

ROWS, WIDTH = 4000, 128
MOVING = [1, 700, 1402, 2104, 2806, 3508, 3998]
OBSERVED = 1500


def sized(share: float) -> int:
    return int(share * ROWS * WIDTH * 4)


def measured(share: float, decay: float = 0.0) -> tuple[float, float]:
    """‖Δw‖ as it is found with room for a share of the tensor, and as it is."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(ROWS, WIDTH))
    weight.grad = torch.zeros(ROWS, WIDTH)
    weight.grad[MOVING] = 1.0
    one = sight(0, weight, {}, known=True, most=OBSERVED)
    measure_gradients([one], 1.0)
    read_gradients([one], 1.0, late=False)
    assert one.driven is not None
    one.blocks = copied_blocks(weight, weight.grad, one.driven, sized(share))
    old = weight.detach().clone()
    weight.data.mul_(1 - decay).sub_(weight.grad)
    if one.blocks is not None:
        one.blocks.measure()
    moved = (weight.detach() - old).reshape(-1)
    return measure_update(one, moved[one.where].double().numpy()), float(moved.double().norm())


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_rows_with_a_gradient_are_measured(share: float):
    found, real = measured(share)
    assert found == pytest.approx(real, rel=1e-6)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_what_moves_without_a_gradient_is_estimated(share: float):
    found, real = measured(share, decay=0.1)
    assert found == pytest.approx(real, rel=1e-6 if share == 1.0 else 3 / (2 * OBSERVED) ** 0.5)  # three deviations


def test_without_blocks_a_few_rows_would_be_missed(monkeypatch: pytest.MonkeyPatch):
    found, real = measured(0.0)
    assert found != pytest.approx(real, rel=0.01)
    monkeypatch.setattr(moving_blocks, "_choose", lambda blocks, gradient, room: torch.arange(room // (4 * BLOCK)))
    found, real = measured(0.05)  # the first blocks instead of those with a gradient
    assert found != pytest.approx(real, rel=0.01)


def test_no_more_is_copied_than_there_is_room_for():
    weight, gradient = torch.randn(ROWS, WIDTH), torch.zeros(ROWS, WIDTH)
    for share in (0.9, 0.3):
        blocks = MovingBlocks(weight, gradient, sized(share))
        assert 0.9 * sized(share) < blocks.bytes <= sized(share)
        blocks.measure()
        assert blocks.norm == 0.0


def test_tensors_that_move_everywhere_or_cannot_be_divided_are_left_alone():
    weight, gradient = torch.randn(ROWS, WIDTH), torch.zeros(ROWS, WIDTH)
    still = (gradient[0] != 0).numpy()
    assert copied_blocks(weight, gradient, still, sized(0.5)) is not None
    assert copied_blocks(weight, gradient, ~still, sized(0.5)) is None
    assert copied_blocks(weight.t(), gradient.t(), still, sized(0.5)) is None
    assert copied_blocks(weight.t(), gradient.t(), still, sized(1.0)) is not None
    assert copied_blocks(weight, gradient.to_sparse(), still, sized(1.0)) is None
    assert copied_blocks(weight, gradient, still, 100) is None
