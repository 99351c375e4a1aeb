"""Terms: what a loss adds up, however the sum is written."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossgauge.frameworks.torch.gauging.terms import MOST_TERMS, split_terms, summands
from tests.frameworks.torch.gauging.ways_of_writing import WAYS, Bench, Way

PARTS = ("MseLossBackward0", "SumBackward0", "MeanBackward0")
SUMS: list[tuple[str, Callable[[Any, Any, Any], Any], list[float], bool]] = [
    ("plain", lambda a, b, c: a + b + c, [1, 1, 1], True),
    ("factor outside", lambda a, b, c: 0.5 * (a + b + c), [0.5, 0.5, 0.5], True),
    ("factors inside", lambda a, b, c: a - 3 * b + c / 4, [1, -3, 0.25], True),
    ("nested", lambda a, b, c: (2 * (a - 2 * b) - c) / 8, [0.25, -0.5, -0.125], True),
    ("sum of a list", lambda a, b, c: sum([a, b, c]) / 3, [1 / 3, 1 / 3, 1 / 3], False),
    ("constant added", lambda a, b, c: a + b + c + 2.5, [1, 1, 1], False),
    ("constant first", lambda a, b, c: 1 - a + b + c, [-1, 1, 1], False),
    ("alpha", lambda a, b, c: torch.sub(torch.add(a, b, alpha=3), c, alpha=0.5), [1, 3, -0.5], True),
    ("other way round", lambda a, b, c: torch.rsub(b, a, alpha=2) + c, [1, -2, 1], True),
    ("stack, sum", lambda a, b, c: torch.stack([a, b, c]).sum(), [1, 1, 1], True),
    ("stack, mean", lambda a, b, c: -torch.stack([a, b, c]).mean(0), [-1 / 3] * 3, True),
    ("stack, weights", lambda a, b, c: (torch.stack([a, b, c]) * torch.tensor([1.0, 2, 4])).sum(), [1, 2, 4], True),
    ("stack, product", lambda a, b, c: torch.stack([a, b, c]) @ torch.tensor([1.0, 2, 4]), [1, 2, 4], True),
    ("cat", lambda a, b, c: torch.cat([a.view(1), b.view(1), c.view(1)]).sum() / 2, [0.5] * 3, True),
    ("view, copy, mean of one", lambda a, b, c: (a + b + c).view(1).clone().double().mean(), [1, 1, 1], True),
    ("in place", lambda a, b, c: torch.zeros(()).add_(a).add_(b).mul_(2).add_(c), [2, 2, 1], False),
    ("tensor as factor", lambda a, b, c: torch.tensor(3.0) * a + b + c, [3, 1, 1], True),
]  # fmt: skip


def parts() -> tuple[Tensor, Tensor, Tensor]:
    bench = Bench()
    return F.mse_loss(bench.out, bench.y), bench.out.abs().sum(), bench.out.exp().mean()


@pytest.mark.parametrize(("write", "factors", "whole"), [s[1:] for s in SUMS], ids=[s[0] for s in SUMS])
def test_sums_are_opened_with_their_factors(write: Callable[[Any, Any, Any], Any], factors: list[float], whole: bool):
    loss = write(*parts())
    found = summands(loss.grad_fn, loss.output_nr)
    assert sorted(term.node.name() for term in found.terms) == sorted(PARTS)
    by_name = {term.node.name(): term.factor for term in found.terms}
    assert [by_name[name] for name in PARTS] == pytest.approx(factors, rel=1e-12)
    assert [term.index for term in found.terms] == [0, 1, 2]
    assert found.whole is whole


def test_factors_are_the_derivatives_of_the_loss():
    """The truth by another way: the engine's own derivative with respect to each summand."""
    for _, write, _, _ in SUMS:
        values = tuple(part.detach().requires_grad_() for part in parts())
        slopes = dict(zip(PARTS, torch.autograd.grad(write(*values), values), strict=True))
        loss = write(*parts())
        for term in split_terms(loss.grad_fn, loss.output_nr):
            assert term.factor == pytest.approx(float(slopes[term.node.name()]), rel=1e-6)


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
def test_a_loss_function_is_one_term_however_it_is_written(way: Way):
    loss = way.write(Bench())
    assert len(split_terms(loss.grad_fn, loss.output_nr)) == 1


def test_nothing_inside_a_reduction_is_split():
    bench = Bench()
    inner = (bench.d**2 + bench.out.abs()).sum()
    product = F.mse_loss(bench.out, bench.y) * bench.out.abs().sum()
    rows = torch.stack([bench.out[0], bench.out[1]]).sum()
    for loss in (inner, product, rows):
        (term,) = split_terms(loss.grad_fn)
        assert term.node is loss.grad_fn


def test_a_long_sum_is_kept_whole():
    model = nn.Linear(2, 1)
    terms: list[Any] = [model(torch.randn(2)).squeeze() ** 2 for _ in range(MOST_TERMS + 1)]
    most: Any = sum(terms[:-1])
    more: Any = 3 * sum(terms)
    assert len(split_terms(most.grad_fn)) == MOST_TERMS
    (whole,) = split_terms(more.grad_fn)
    assert (whole.node.name(), whole.factor) == ("AddBackward0", 3.0)


def test_a_long_regularizer_leaves_the_rest_of_the_loss_open():
    bench = Bench()
    weights = [nn.Parameter(torch.randn(3)) for _ in range(2 * MOST_TERMS)]
    for count in (2, 2 * MOST_TERMS):
        regularizer = sum((w**2).sum() for w in weights[:count])
        loss = F.mse_loss(bench.out, bench.y) + 1e-4 * regularizer
        first, second = split_terms(loss.grad_fn)
        assert (first.node.name(), second.node.name()) == ("MseLossBackward0", "AddBackward0")
        assert second.factor == 1e-4


def test_smoothed_labels_are_one_term_beside_others():
    bench = Bench()
    smoothed = F.cross_entropy(bench.out, bench.labels, label_smoothing=0.1, weight=torch.rand(3))
    loss = smoothed + 0.1 * F.mse_loss(bench.out, bench.y)
    assert [term.factor for term in split_terms(loss.grad_fn)] == [1.0, 0.1]
    lookalike = 0.9 * F.cross_entropy(bench.out, bench.labels) - 0.1 * bench.logs.mean()  # two passes of the model
    assert len(split_terms(lookalike.grad_fn)) == 2
