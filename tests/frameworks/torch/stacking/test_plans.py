"""A plan gives the bits of the graph it was made from, however often it runs and whatever memory it uses again."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from lossgauge.frameworks.torch.stacking.plans import Plan


def network(w, b, x):
    y = torch.bmm(x, w).transpose(1, 2)
    z = (y + b).tanh()
    parts = torch.var_mean(z, dim=-1)
    pooled = torch.nn.functional.max_pool1d(z, 2)
    return (z - parts[1].unsqueeze(-1)) / parts[0].unsqueeze(-1).sqrt(), pooled.sum((1, 2)), z.reshape(3, -1).sort(1)[0]


def inputs(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in ((3, 5, 4), (3, 4, 1), (3, 6, 5))]


def test_runs_give_the_bits_of_the_graph():
    given = inputs(0)
    graph = make_fx(network)(*given)
    plan = Plan(graph, given)
    for seed in range(4):
        for held, fresh in zip(given, inputs(seed), strict=True):
            held.copy_(fresh)
        expected = graph(*inputs(seed))
        assert all(torch.equal(a, b) for a, b in zip(plan.run(), expected, strict=True))


def test_a_view_that_does_not_say_so_is_noticed(monkeypatch: pytest.MonkeyPatch):
    """The planted violation: without the declarations, memory would be used again while a view still shows it."""
    given = inputs(0)
    graph = make_fx(network)(*given)
    monkeypatch.setattr(Plan, "_passes_on", lambda self, node: False)
    with pytest.raises(RuntimeError, match="view of its argument"):
        Plan(graph, given)


def normalised(mean, variance, x):
    parts = torch.ops.aten._native_batch_norm_legit.default(x, None, None, mean, variance, True, 0.5, 1e-5)
    return parts[0] + 1


def test_what_changes_an_argument_and_returns_something_new_does_both_in_every_run():
    x = torch.arange(12.0).view(4, 3)
    statistics = [torch.zeros(3), torch.ones(3)]
    plan = Plan(make_fx(normalised)(*(value.clone() for value in statistics), x), [*statistics, x])
    for factor in (3.0, -0.5):
        x.mul_(factor).add_(torch.eye(4, 3))
        before = [value.clone() for value in statistics]
        found = plan.run().clone()
        assert torch.equal(found, normalised(before[0], before[1], x))
        assert all(torch.equal(one, other) for one, other in zip(statistics, before, strict=True))


def test_statistics_that_change_in_place_change_in_every_run():
    def counting(total, x):
        return total.add_(x).mul(2)

    total, x = torch.zeros(2), torch.ones(2)
    plan = Plan(make_fx(counting)(total.clone(), x), [total, x])  # binding it runs it once
    plan.run()
    assert plan.run().tolist() == [6.0, 6.0]
    assert total.tolist() == [3.0, 3.0]
