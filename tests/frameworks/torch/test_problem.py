from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossgauge.frameworks.subject import Problem
from lossgauge.frameworks.torch.problem import DENSE, MATRICES, SPARSE_ROWS, Quadratic, Shapes

SPARSE: Shapes = ((6, 3), (7, 2))


def gradients(problem: Problem, shapes: Shapes = DENSE, sparse: bool = False, step: int = 3) -> list[torch.Tensor]:
    quadratic = Quadratic(problem, shapes, sparse)
    quadratic.set_gradients(step)
    found = [weight.grad for weight in quadratic.weights]
    return [gradient.to_dense() for gradient in found if gradient is not None]


@settings(max_examples=25)
@given(st.integers(-60, 60), st.sampled_from(["float32", "float64"]), st.booleans(), st.integers(0, 200))
def test_gradients_under_a_power_of_two_have_the_same_bits(m: int, precision: str, sparse: bool, step: int):
    shapes = SPARSE if sparse else DENSE
    base = gradients(Problem(precision=precision), shapes, sparse, step)
    scaled = gradients(Problem(alpha=2.0**m, precision=precision), shapes, sparse, step)
    for one, other in zip(base, scaled, strict=True):
        assert one.dtype is getattr(torch, precision)
        assert torch.equal(other, one * 2.0**m)


def test_another_factor_rounds():
    base, scaled = gradients(Problem()), gradients(Problem(alpha=0.1))
    assert not all(torch.equal(other * 10, one) for one, other in zip(base, scaled, strict=True))


@pytest.mark.parametrize("shapes", [DENSE, MATRICES])
def test_gradients_are_the_derivatives_of_the_loss(shapes: Shapes):
    quadratic = Quadratic(Problem(alpha=3.0), shapes)
    quadratic.set_gradients(5)
    for weight in quadratic.weights:
        direction = torch.randn(weight.shape, dtype=weight.dtype, generator=torch.Generator().manual_seed(1))
        step = 1e-4
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                weight += sign * step * direction
                losses.append(quadratic.loss(5))
                weight -= sign * step * direction
        assert weight.grad is not None
        slope = (losses[0] - losses[1]) / (2 * step)
        assert torch.allclose(slope, (weight.grad * direction).sum(), rtol=1e-8)


def test_the_loss_is_positive_and_in_its_unit():
    one, eight = (Quadratic(Problem(alpha=alpha)).loss(0) for alpha in (1.0, 8.0))
    assert one > 0
    assert torch.equal(eight, 8 * one)


def test_the_same_seed_draws_the_same_problem_and_another_seed_another():
    first, again, other = (Quadratic(Problem(seed=seed)) for seed in (0, 0, 1))
    assert all((first.copy_weights()[name] == again.copy_weights()[name]).all() for name in first.names)
    assert not (first.copy_weights()["matrix0"] == other.copy_weights()["matrix0"]).all()
    first.set_gradients(1)
    again.set_gradients(2)
    for one, two in zip(first.weights, again.weights, strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert not torch.equal(one.grad, two.grad), "every step has targets of its own"


def test_tensors_have_names_and_biases_start_at_zero():
    quadratic = Quadratic(Problem())
    assert quadratic.names == ["matrix0", "vector1"]
    assert (quadratic.copy_weights()["vector1"] == 0).all()
    copied = quadratic.copy_weights()
    with torch.no_grad():
        quadratic.weights[0].add_(1)
    assert not (copied["matrix0"] == quadratic.copy_weights()["matrix0"]).any(), "it was a copy"


def test_sparse_gradients_touch_a_few_rows_at_a_time():
    rows = []
    for step in range(4):
        quadratic = Quadratic(Problem(), SPARSE, sparse=True)
        quadratic.set_gradients(step)
        gradient = quadratic.weights[0].grad
        assert gradient is not None
        assert gradient.is_sparse
        rows.append(set(gradient.coalesce().indices()[0].tolist()))
    assert all(len(touched) == SPARSE_ROWS for touched in rows)
    assert all(one != other for one, other in pairwise(rows))


def test_a_closure_counts_and_writes():
    quadratic = Quadratic(Problem())
    closure = quadratic.closure(2)
    assert torch.equal(closure(), quadratic.loss(2))
    closure()
    assert quadratic.evaluations == 2
    assert all(weight.grad is not None for weight in quadratic.weights)
