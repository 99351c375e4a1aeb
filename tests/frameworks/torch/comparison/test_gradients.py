"""Products of gradients against a calculation by hand, and that measuring leaves everything as it was."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lossgauge.errors import ScriptError
from lossgauge.frameworks.torch.comparison.gradients import measure, run_model
from tests.frameworks.torch.comparison.arrangements import (
    make_batches,
    noisy_model,
    pair,
    plain_model,
    remember,
    unchanged,
)


def by_hand(model: nn.Module, loss, batch: tuple[Tensor, Tensor]) -> np.ndarray:
    model.zero_grad()
    loss(model(batch[0]), batch[1]).backward()
    return np.concatenate([np.asarray(w.grad.double()).ravel() for w in model.parameters() if w.grad is not None])


def test_factor_and_share_are_those_of_a_calculation_by_hand():
    model, batches = plain_model(), make_batches()
    point = measure(pair("mse", "mae", batches), model)
    one = [by_hand(model, functional.mse_loss, batch) for batch in batches]
    other = [by_hand(model, functional.l1_loss, batch) for batch in batches]
    for found, a, b in zip(point.batches, one, other, strict=True):
        assert found.alpha_eff == pytest.approx((a @ b) / (a @ a), rel=1e-12)
        assert found.cos2 == pytest.approx((a @ b) ** 2 / (a @ a) / (b @ b), rel=1e-12)
    a, b = np.concatenate(one), np.concatenate(other)
    assert point.total.alpha_eff == pytest.approx((a @ b) / (a @ a), rel=1e-12)
    assert point.total.cos2 == pytest.approx((a @ b) ** 2 / (a @ a) / (b @ b), rel=1e-12)
    own = np.concatenate([(x @ y) / (x @ x) * x for x, y in zip(one, other, strict=True)])
    assert point.batch_share == pytest.approx((own @ own) / (b @ b), rel=1e-12)
    assert point.value_a == pytest.approx(
        np.mean([float(functional.mse_loss(model(x), y).detach()) for x, y in batches])
    )
    assert point.total.cos2 != pytest.approx(point.batch_share, rel=1e-3), "else nothing tells one factor from several"


def test_layers_are_named_and_add_up():
    point = measure(pair("mse", "mae", make_batches()), plain_model())
    assert [layer.name for layer in point.layers] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert sum(layer.ab for layer in point.layers) == pytest.approx(point.total.ab, rel=1e-12)
    assert sum(layer.bb for layer in point.layers) == pytest.approx(point.total.bb, rel=1e-12)


def test_a_layer_that_is_frozen_or_unused():
    model = plain_model()
    model[0].weight.requires_grad_(False)
    model.register_parameter("idle", nn.Parameter(torch.ones(2)))
    point = measure(pair("mse", "mae", make_batches()), model)
    assert [layer.name for layer in point.layers] == ["idle", "0.bias", "2.weight", "2.bias"]
    assert point.layers[0].alpha_eff is None
    assert point.layers[0].cos2 is None


def test_sparse_gradients():
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(5, 2, sparse=True)

        def forward(self, which: Tensor) -> Tensor:
            return self.table(which)

    batches = [(torch.tensor([0, 3, 3]), torch.zeros(3, 2))]
    assert measure(pair("mse", "mse-sum", batches), Rows()).total.alpha_eff == pytest.approx(6.0)


def test_measuring_changes_nothing():
    model = noisy_model()
    by_hand(model, functional.mse_loss, make_batches()[0])
    before = remember(model)
    torch.manual_seed(11)
    random.seed(11)
    np.random.seed(11)
    expected = (torch.rand(1), random.random(), np.random.rand())
    torch.manual_seed(11)
    random.seed(11)
    np.random.seed(11)
    measure(pair("mse", "mae", make_batches()), model, detailed=True)
    assert unchanged(before, model)
    assert (torch.rand(1), random.random(), np.random.rand()) == expected
    model(make_batches()[0][0])
    assert not unchanged(before, model), "running statistics would have been seen"


def test_both_losses_see_the_same_dropout():
    point = measure(pair("mse", "mse-sum", make_batches()), noisy_model())
    assert [batch.cos2 for batch in point.batches] == pytest.approx([1.0] * 3, abs=1e-12)
    assert [batch.alpha_eff for batch in point.batches] == pytest.approx([12.0, 12.0, 8.0])


def test_two_masks_would_have_been_seen():
    def other_mask(output: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(functional.dropout(output, 0.5), target)

    point = measure(pair(other_mask, "mse", make_batches()), plain_model())
    assert point.total.cos2 is not None
    assert point.total.cos2 < 0.999
    again = measure(pair(other_mask, other_mask, make_batches()), plain_model())
    assert all(batch.same_bits for batch in again.batches), "random numbers of a loss are the same for both"


def test_weights_of_samples_are_those_of_the_formula():
    model, batches = plain_model(), make_batches((20, 12), classes=True)
    point = measure(pair("cross-entropy", "focal:gamma=2", batches), model, detailed=True)
    p = torch.cat([torch.softmax(model(x).double(), 1)[torch.arange(len(y)), y] for x, y in batches]).detach()
    expected = ((1 - p) ** 2 - 2 * p * (1 - p) * p.log()).sort(stable=True)
    assert point.weights is not None
    found = point.weights
    assert (found.samples, found.without) == (32, 0)
    assert found.explained == pytest.approx(1.0, abs=1e-9)
    assert found.quantiles["0.5"] == pytest.approx(float(np.quantile(expected.values, 0.5)), rel=1e-5)
    assert found.quantiles["1"] == pytest.approx(float(expected.values[-1]), rel=1e-5)
    w = expected.values
    assert found.effective_share == pytest.approx(float(w.sum() ** 2 / 32 / (w**2).sum()), rel=1e-6)
    order = ((1 - p) ** 2 - 2 * p * (1 - p) * p.log())[p.argsort(descending=True)]
    tenths = [float(part.mean()) for part in np.array_split(order.numpy(), 10)]
    assert found.by_difficulty == pytest.approx(tenths, rel=1e-5)
    assert found.by_difficulty != pytest.approx(tenths[::-1], rel=1e-5)


def test_a_sample_without_gradient_has_no_weight():
    def hinge(output: Tensor, target: Tensor) -> Tensor:
        return (1 - output[:, 0] * target[:, 0]).clamp_min(0).mean()

    batches = [(torch.randn(30, 3), torch.randn(30, 2).sign() * 50)]
    weights = measure(pair(hinge, "mse", batches), plain_model(), detailed=True).weights
    assert weights is not None
    assert weights.samples + weights.without == 30
    assert weights.without > 0
    assert weights.explained is not None
    assert weights.explained < 0.9


def test_a_loss_that_needs_several_samples_has_no_order_of_difficulty():
    def centred(output: Tensor, target: Tensor) -> Tensor:
        assert len(output) > 1
        return ((output - output.mean(0)) ** 2).mean()

    weights = measure(pair(centred, "mse", make_batches((20,))), plain_model(), detailed=True).weights
    assert weights is not None
    assert weights.by_difficulty == ()
    assert weights.samples == 20


def test_inputs_of_several_parts():
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return self.scale * (left + right)

    x, y = torch.ones(4, 2), torch.zeros(4, 2)
    for given in ((x, x), [x, x], {"left": x, "right": x}):
        assert torch.equal(run_model(Sum(), given, "batch 1"), 2 * x)
    point = measure(pair("mse", "mse-sum", [((x, x), y), ({"left": x, "right": x}, y)]), Sum())
    assert point.total.alpha_eff == pytest.approx(8.0)


def test_a_model_that_fails_keeps_its_traceback():
    with pytest.raises(ScriptError, match=r"failed on the input of shape \(4, 7\) of batch 1") as caught:
        measure(pair("mse", "mae", [(torch.ones(4, 7), torch.ones(4, 2))]), plain_model())
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_batch_that_is_not_finite_is_left_out_of_the_whole():
    batches = make_batches()
    batches[1] = (batches[1][0], batches[1][1] * float("nan"))
    point = measure(pair("mse", "mse-sum", batches), plain_model())
    assert [batch.finite for batch in point.batches] == [True, False, True]
    alone = measure(pair("mse", "mse-sum", [batches[0], batches[2]]), plain_model())
    assert point.total == alone.total
