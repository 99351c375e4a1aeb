"""What a loss is, over what it is averaged and what it compares, however it is written."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lossgauge.frameworks.torch.gauging.reading import read_loss
from lossgauge.frameworks.torch.gauging.spread import SAMPLED, spread_of
from lossgauge.records.loss_reading import Spread, Term
from tests.frameworks.torch.gauging.ways_of_writing import EVERYTHING, FEATURES, ROWS, WAYS, Bench, Way

BY_NAME = {way.name: way for way in WAYS}
COMPARISONS = (
    "square, mean", "target minus output", "F.mse_loss", "F.mse_loss turned round", "norm squared", "mean absolute",
    "F.l1_loss", "F.smooth_l1_loss", "F.huber_loss", "product, sum over all", "Charbonnier", "Huber by hand",
    "logarithm of cosh", "masked", "Gaussian likelihood",
)  # fmt: skip


def only_term(loss: torch.Tensor) -> Term:
    (term,) = read_loss(loss, step=1).terms
    return term


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
def test_every_way_of_writing_is_understood(way: Way):
    loss = way.write(Bench())
    term = only_term(loss)
    assert (term.kind, term.items, term.elements) == (way.kind, way.items, way.elements)
    assert term.factor == pytest.approx(way.factor)
    expected = "mean" if way.items == way.elements else "sum" if way.items == 1 else "partial"
    assert term.reduction == expected
    assert term.value == pytest.approx(loss.item(), rel=1e-6)


def test_the_divisor_is_what_the_sum_is_divided_by():
    """The truth by another way: how the loss changes when every row is there twice."""
    for way in WAYS:
        if way.kind != "regression" or way.name in ("masked", "root of the mean", "norm squared"):
            continue
        bench = Bench()
        once = way.write(bench).item()
        bench.x, bench.y = bench.x.repeat(2, 1), bench.y.repeat(2, 1)
        if "over" in way.name or "by rows" in way.name:
            continue  # a divisor written as a number does not move along
        twice = way.write(bench).item()
        assert twice / once == pytest.approx(2.0 if way.items == 1 else 1.0, rel=1e-5), way.name


@pytest.mark.parametrize("name", COMPARISONS)
def test_residual_output_and_target_are_those_of_the_network(name: str):
    bench = Bench()
    term = only_term(BY_NAME[name].write(bench))
    output = bench.out.detach()
    for found, true in ((term.residual, output - bench.y), (term.output, output), (term.target, bench.y)):
        assert found is not None
        assert found.mean == pytest.approx(true.mean().item(), abs=1e-6)
        assert found.deviation == pytest.approx(float(true.std(correction=0)), rel=1e-5)
        assert found.largest == pytest.approx(float(true.abs().max()), rel=1e-6)
        assert found.count == EVERYTHING


def test_a_constant_inside_the_square_multiplies_all_three():
    bench = Bench()
    term = only_term((-5 * (bench.y - bench.out)).square().mean())
    for found, true in ((term.residual, bench.d), (term.output, bench.out), (term.target, bench.y)):
        assert found is not None
        assert found.mean == pytest.approx(5 * true.mean().item(), rel=1e-5)


def test_columns_against_rows_are_seen_as_the_square_they_make():
    bench = Bench()
    term = only_term(((bench.out[:, :1] - bench.y[:, 0]) ** 2).mean())
    assert (term.elements, term.batch) == (ROWS * ROWS, ROWS)
    assert term.output is not None
    assert term.output.count == ROWS * ROWS


def test_knees_weights_and_pure_batches():
    b = Bench()
    assert only_term(F.huber_loss(b.out, b.y, delta=0.3)).knee == 0.3
    assert only_term(F.smooth_l1_loss(b.out, b.y, beta=0.2)).knee == 0.2
    assert only_term(F.mse_loss(b.out, b.y)).knee is None
    weights = torch.tensor([1.0, 19.0, 4.0])
    assert only_term(F.cross_entropy(b.out, b.labels, weights)).class_weights == (1.0, 19.0)
    assert only_term(F.cross_entropy(b.out, b.labels, weights, label_smoothing=0.1)).class_weights == (1.0, 19.0)
    assert only_term(F.cross_entropy(b.out, b.labels)).class_weights == ()
    pure = torch.ones(ROWS, dtype=torch.long)
    pure[:3] = -100
    assert only_term(F.cross_entropy(b.out, pure)).one_class is True
    assert only_term(F.cross_entropy(b.out, b.labels)).one_class is False
    assert only_term(F.binary_cross_entropy_with_logits(b.out, torch.ones(ROWS, FEATURES))).one_class is True
    assert only_term(F.mse_loss(b.out, b.y)).one_class is None


def test_sums_over_tokens_of_sequences_count_what_is_not_ignored():
    b = Bench()
    labels = b.labels.clone()
    labels[2:5] = -100
    term = only_term(F.cross_entropy(b.out, labels, reduction="sum") / 5)
    assert (term.reduction, term.items, term.elements, term.factor) == ("mean", 5, 5, 1.0)
    micro = only_term(F.cross_entropy(b.out, labels) / 4)
    assert (micro.reduction, micro.items, micro.factor) == ("mean", 5, 0.25)


def test_a_penalty_is_one_only_beside_data():
    b = Bench()
    weights = list(b.model.parameters())
    squares = sum((w**2).sum() for w in weights)
    loss = F.mse_loss(b.out, b.y) + 1e-3 * squares + 0.1 * weights[0].norm() + 1e-2 * b.out.square().mean()
    assert [term.kind for term in read_loss(loss, step=1).terms] == ["regression", "penalty", "penalty", "regression"]
    fitted = nn.Parameter(torch.randn(5))
    assert only_term(((fitted - 3) ** 2).mean()).kind == "regression"


def test_a_weighted_square_is_no_policy_and_rewards_make_one():
    b = Bench()
    squares = b.d.pow(2).sum(1)
    assert only_term((squares * torch.rand(ROWS)).mean()).kind == "regression"
    assert only_term((squares * b.advantages).mean()).kind == "policy"
    rewards = torch.rand(ROWS)
    assert only_term(-(b.picked * rewards).sum()).kind == "policy"
    assert only_term(F.cosine_similarity(b.out, b.y).mean()).kind == "other"


def test_spreads_are_those_of_the_numbers():
    torch.manual_seed(2)
    numbers = torch.randn(100_000) * 3 + 1
    spread = spread_of(numbers)
    assert spread is not None
    assert spread.mean == pytest.approx(float(numbers.mean()), abs=1e-5)
    assert spread.deviation == pytest.approx(float(numbers.std()), rel=1e-4)
    assert spread.largest == float(numbers.abs().max())
    assert spread.median == pytest.approx(float(numbers.abs().median()), rel=0.1)
    assert spread.high == pytest.approx(float(numbers.abs().quantile(0.99)), rel=0.1)
    assert spread_of(torch.tensor([3.0, -1.0])) == Spread(1.0, 2.0, 2.0, 3.0, 3.0, 2)
    assert spread_of(torch.tensor([])) is None
    assert spread_of(torch.zeros(3, dtype=torch.complex64)) is None
    striped = torch.zeros(SAMPLED * 16, 4).index_fill_(1, torch.tensor([1]), 8.0)
    found = spread_of(striped)
    assert found is not None
    assert found.high == 8.0
    assert found.median == 0.0
