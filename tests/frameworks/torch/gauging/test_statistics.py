"""The statistics of a step against slow plain computations, and that taking them leaves no trace."""

import copy
import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lossgauge.frameworks.torch.gauging.elements import OBSERVED
from lossgauge.frameworks.torch.gauging.histograms import histogram
from lossgauge.frameworks.torch.gauging.statistics import after, before
from lossgauge.records.histogram import Histogram
from lossgauge.records.session import TensorSample
from tests.frameworks.torch.gauging.arrangements import CASES, Case, Training, enumerate_all, sampled

HALF = [Case("SGD", dict(lr=0.1, momentum=0.9)), Case("Adam", dict(lr=1e-2, eps=1e-3)), Case("Adagrad")]


def norm(values: torch.Tensor) -> float:
    return math.sqrt(math.fsum(x * x for x in values.double().reshape(-1).tolist()))


def bits(training: Training) -> list[Any]:
    """Everything a training consists of."""
    optimizer = training.optimizer
    tensors = [tensor for group in optimizer.param_groups for tensor in group["params"]]
    states = [dict(optimizer.state[tensor]) for tensor in tensors if tensor in optimizer.state]
    gradients = [None if t.grad is None else t.grad.to_dense().clone() for t in tensors]
    groups = [{name: value for name, value in g.items() if name != "params"} for g in optimizer.param_groups]
    randomness = [torch.get_rng_state(), random.getstate(), str(np.random.get_state(legacy=False))]
    return copy.deepcopy([[t.detach() for t in tensors], states, gradients, groups, randomness])


def same(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left.nan_to_num(), right.nan_to_num())
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right


def watched_run(case: Case, steps: int, dtype: torch.dtype, watch: bool) -> list[Any]:
    training, calls = Training(case, dtype), []
    training.optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    training.optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    for t in range(steps):
        starts = []

        def look(starts: list[Any] = starts, t: int = t) -> None:
            closure = training.closure is not None
            starts.append(before(training.optimizer, training.watched, training.law, True, closure=closure, steps=t))

        training.step(look if watch else lambda: None)
        if watch:
            assert after(starts[0])
    return [*bits(training), calls, sorted(vars(training.optimizer))]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_training_with_statistics_at_every_step_is_the_same_training(case: Case):
    assert same(watched_run(case, 4, torch.float32, True), watched_run(case, 4, torch.float32, False))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_so_in_other_formats(dtype: torch.dtype):
    for case in HALF:
        assert same(watched_run(case, 4, dtype, True), watched_run(case, 4, dtype, False))


def test_the_comparison_sees_one_bit():
    case = HALF[0]
    touched = watched_run(case, 2, torch.float32, False)
    weight = touched[0][0]
    weight.view(torch.int32)[0, 0] ^= 1
    assert not same(touched, watched_run(case, 2, torch.float32, False))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_norms_and_histograms_are_those_of_the_step(case: Case, dtype: torch.dtype):
    training = Training(case, dtype)
    for _ in range(3):
        training.step()
    old: list[torch.Tensor] = []
    given: list[torch.Tensor] = []
    starts = []

    def look() -> None:
        old.extend(tensor.detach().clone() for _, tensor, _ in training.watched)
        given.extend(t.grad.detach().clone() for _, t, _ in training.watched if t.grad is not None)
        starts.append(before(training.optimizer, training.watched, training.law, False, training.closure is not None))

    training.step(look)
    samples = after(starts[0])
    for number, (_, tensor, _) in enumerate(training.watched):
        gradient = tensor.grad if training.closure else given[number]
        assert gradient is not None
        check(samples[number], old[number], gradient, tensor.detach(), starts[0].room.most)


def check(
    sample: TensorSample, weight: torch.Tensor, gradient: torch.Tensor, moved: torch.Tensor, most: int = OBSERVED
) -> None:
    whole = weight.numel() <= most
    dense, update = gradient.to_dense(), moved.double() - weight.double()
    assert sample.weight_norm == pytest.approx(norm(weight), rel=1e-5)
    assert sample.gradient_norm == pytest.approx(norm(dense), rel=1e-5)
    assert sample.update_norm == pytest.approx(norm(update), rel=1e-5 if whole else 0.05)
    if not whole:
        assert sample.gradient is not None
        assert sample.gradient.elements == most
        return
    touched = torch.ones_like(dense, dtype=torch.bool)
    if gradient.is_sparse:
        touched[gradient.coalesce().indices()[0]] = False
        touched.logical_not_()
    assert sample.gradient == histogram(dense[touched])
    assert sample.update == replace(histogram(update[touched]), subnormal=0)


def test_a_wrong_step_would_be_seen():
    training = Training(CASES[0])
    training.step()
    weights = [tensor.detach().clone() for _, tensor, _ in training.watched]
    _, samples = sampled(training, 1)
    tensor = training.watched[0][1]
    assert tensor.grad is not None
    check(samples[0], weights[0], tensor.grad, tensor.detach())
    with pytest.raises(AssertionError):
        check(samples[0], weights[0] + 0.1, tensor.grad, tensor.detach())


def one_step(weight: torch.Tensor, optimizer: torch.optim.Optimizer, deep: bool = True) -> TensorSample:
    law = Case(type(optimizer).__name__).law(optimizer)
    start = before(optimizer, enumerate_all([(weight, optimizer.param_groups[0])]), law, deep)
    optimizer.step()
    return after(start)[0]


def test_dominated_counts_the_elements_epsilon_rules():
    weight = nn.Parameter(torch.zeros(8))
    weight.grad = torch.tensor([1e-9, 1e-7, 1e-5, 2e-3, 0.0, 1.0, -1e-2, 3e-3])
    sample = one_step(weight, torch.optim.Adam([weight], eps=1e-3))
    assert sample.dominated == 4 / 8
    assert sample.denominator is not None
    assert sample.denominator.zero == 1
    assert sample.denominator.quantile(1.0) == pytest.approx(1.0, rel=1.0)


def test_unsquared_counts_the_gradients_whose_square_vanished():
    weight = nn.Parameter(torch.zeros(6))
    weight.grad = torch.tensor([0.0, 1e-30, 1.2e-21, 1e-19, 1e-10, 1.0])
    sample = one_step(weight, torch.optim.Adam([weight]))
    assert sample.unsquared == 2 / 6  # after (1 − β₂) one is zero, one the smallest number there is; one only subnormal
    weight.grad = weight.grad * 2.0**60
    assert one_step(weight, torch.optim.Adam([weight])).unsquared == 0.0


def test_what_is_lost_of_complex_weights_is_lost_in_their_real_format():
    weight = nn.Parameter(torch.zeros(2, dtype=torch.complex64))
    weight.grad = torch.tensor([1e-30 + 1e-30j, 1.0 + 1.0j])
    assert one_step(weight, torch.optim.Adam([weight])).unsquared == 0.5


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 0.0), (torch.bfloat16, 1.0)], ids=str)
def test_lost_updates(dtype: torch.dtype, share: float):
    weight = nn.Parameter(torch.ones(50, 3, dtype=dtype))
    weight.grad = torch.full((50, 3), 1.0, dtype=dtype)
    sample = one_step(weight, torch.optim.SGD([weight], lr=1e-4))
    assert sample.lost == share
    assert sample.update is not None
    assert sample.update.zero == share * 150


def test_an_update_beyond_float64_is_still_seen_to_be_lost():
    weight = nn.Parameter(torch.ones(9))
    weight.grad = torch.full((9,), 1e-30)
    sample = one_step(weight, torch.optim.SGD([weight], lr=0.1))
    assert (sample.lost, sample.elasticity) == (1.0, pytest.approx(1.0))


def test_not_finite_gradients_are_counted_and_nothing_more():
    weight = nn.Parameter(torch.ones(5))
    weight.grad = torch.tensor([math.inf, -math.inf, math.nan, 0.0, 2.0])
    sample = one_step(weight, torch.optim.Adam([weight]))
    assert sample.gradient == Histogram(1, (1,), zero=1, infinite=2, nan=1)
    assert sample.gradient_norm is not None
    assert not math.isfinite(sample.gradient_norm)
    assert sample.elasticity is None


def test_tensors_without_gradient_without_elements_and_without_numbers():
    weight, empty = nn.Parameter(torch.ones(3)), nn.Parameter(torch.zeros(0))
    count = torch.zeros(2, dtype=torch.int64)
    optimizer = torch.optim.SGD([weight, empty, count], lr=0.1)
    pairs = [(tensor, optimizer.param_groups[0]) for tensor in (weight, empty, count)]
    empty.grad = torch.zeros(0)
    start = before(optimizer, enumerate_all(pairs), None, True)
    optimizer.step()
    first, second = after(start)
    assert (first.gradient_norm, first.gradient, first.update_norm) == (None, None, 0.0)
    assert (first.weight_norm, second.weight_norm, second.update_norm) == (pytest.approx(3**0.5), 0.0, 0.0)


def test_mixed_precisions_scale_is_taken_off():
    plain = nn.Parameter(torch.ones(4))
    plain.grad = torch.tensor([1.0, 2.0, -3.0, 0.5])
    scaled = nn.Parameter(torch.ones(4))
    scaled.grad = plain.grad * 1024
    fused = torch.optim.Adam([scaled], fused=True)
    vars(fused).update(grad_scale=torch.tensor(1024.0), found_inf=torch.tensor(0.0))
    expected = one_step(plain, torch.optim.Adam([plain], fused=True))
    found = one_step(scaled, fused)
    assert (found.gradient, found.gradient_norm) == (expected.gradient, expected.gradient_norm)
    assert (found.elasticity, found.instant) == (expected.elasticity, expected.instant)
    assert found.update == expected.update


def test_a_step_that_overflowed_says_nothing_about_the_optimizer():
    weight = nn.Parameter(torch.ones(4))
    weight.grad = torch.full((4,), math.inf)
    optimizer = torch.optim.Adam([weight], fused=True)
    vars(optimizer).update(grad_scale=torch.tensor(1024.0), found_inf=torch.tensor(1.0))
    sample = one_step(weight, optimizer)
    assert (sample.elasticity, sample.lost, sample.denominator, sample.signal) == (None, None, None, None)
    assert sample.update_norm == 0.0


def test_a_few_moving_rows_of_a_large_embedding_are_measured_whole():
    weight = nn.Parameter(torch.randn(4000, 64))
    weight.grad = torch.zeros(4000, 64)
    weight.grad[[5, 99]] = 1.0
    sample = one_step(weight, torch.optim.SGD([weight], lr=0.1), deep=False)
    assert sample.update_norm == pytest.approx(0.1 * math.sqrt(128), rel=1e-4)


def test_of_a_sparse_gradient_only_the_named_rows_are_observed():
    model = nn.Embedding(40_000, 8, sparse=True)
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=1e-2, eps=1e-3)
    model(torch.tensor([3, 7, 7, 39_999])).square().sum().backward()
    old = model.weight.detach().clone()
    sample = one_step(model.weight, optimizer)
    assert sample.gradient is not None
    assert sample.gradient.elements == 24
    assert sample.update_norm == pytest.approx(norm(model.weight.detach().double() - old.double()), rel=1e-6)
    assert sample.unsquared == 0.0


def test_what_is_held_between_the_calls_is_less_than_the_largest_tensor():
    weights = [nn.Parameter(torch.zeros(n)) for n in (400_000, 300_000, 200_000)]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    optimizer = torch.optim.SGD(weights, lr=0.1)
    start = before(optimizer, enumerate_all([(w, optimizer.param_groups[0]) for w in weights]), None, False)
    blocks = [0 if one.blocks is None else one.blocks.bytes for one in start.sightings]
    assert start.room.size == 1_600_000
    assert 0.8 * start.room.free < sum(blocks) <= start.room.free
    assert blocks[0] == max(blocks)
    assert sum(one.weight.numel() for one in start.sightings) == 3 * start.room.most
