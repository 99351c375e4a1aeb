"""A trace computes what the function does, as `make_fx` would write it down, without its compiler."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch._decomp import core_aten_decompositions
from torch.func import vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from lossgauge.frameworks.torch.stacking import tracer
from lossgauge.frameworks.torch.stacking.gradients import gradient_function
from lossgauge.frameworks.torch.stacking.tracer import trace
from tests.frameworks.torch.stacking.workshop import with_batch_norm, with_branch


def attention(weights, x):
    q, k, v = (x @ w for w in weights)
    return nn.functional.scaled_dot_product_attention(q, k, v), {"mean": x.mean(), "same": x}


def shares(x):
    y = x.view(-1)
    y.add_(1)
    return x.alias() if hasattr(x, "alias") else x[...], y, x


def with_constant(x):
    return x * torch.tensor([1.0, 2.0, 3.0]) + torch.var_mean(x, dim=0)[0]


def given(shape, count=1):
    generator = torch.Generator().manual_seed(5)
    found = [torch.randn(shape, generator=generator) for _ in range(count)]
    return found if count > 1 else found[0]


CASES = {
    "attention": (attention, (given((4, 4), 3), given((2, 5, 4)))),
    "shared memory": (shares, (given((2, 3)),)),
    "a constant": (with_constant, (given((4, 3)),)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("table", [{}, core_aten_decompositions()], ids=["whole", "apart"])
def test_a_trace_computes_what_the_function_does(name, table):
    function, arguments = CASES[name]
    traced = trace(function, tree_map(torch.clone, arguments), table)
    fresh = [torch.randn_like(tensor) for tensor in tree_flatten(list(arguments))[0]]
    leaves, shape = tree_flatten(list(arguments))
    expected = function(*tree_unflatten([x.clone() for x in fresh], shape))
    found = traced(*(x.clone() for x in fresh))
    wanted = tree_flatten(expected)[0]
    assert len(found) == len(wanted)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert any(not torch.equal(one, other) for one, other in zip(traced(*leaves), found, strict=True))


@pytest.mark.parametrize("table", [{}, core_aten_decompositions()], ids=["whole", "apart"])
def test_it_computes_what_make_fx_computes_on_stacked_gradients(table):
    torch.manual_seed(0)
    model = with_batch_norm()
    weights = {name: torch.stack([p.detach(), 2 * p.detach()]) for name, p in model.named_parameters()}
    buffers = {name: torch.stack([b, b]) for name, b in model.named_buffers()}
    many = vmap(gradient_function(model, nn.functional.mse_loss, "float32"), in_dims=(0, 0, 0, None, None))
    arguments = (weights, buffers, torch.tensor([1.0, 3.0]), given((7, 16)), given((7, 1)))

    def copied():
        return tree_map(torch.clone, arguments)

    ours, theirs = trace(many, copied(), table), make_fx(many, decomposition_table=dict(table))(*copied())
    one, other = copied(), copied()
    found, (loss, gradients) = ours(*tree_flatten(list(one))[0]), theirs(*other)
    near = (
        torch.equal if not table else lambda a, b: torch.allclose(a, b, rtol=1e-5, atol=1e-6)
    )  # taken apart elsewhere
    assert all(near(a, b) for a, b in zip(found, [loss, *gradients], strict=True))
    assert all(torch.equal(one[1][name], other[1][name]) for name in buffers)  # statistics of batches, in place
    assert not torch.equal(one[1]["1.running_mean"], buffers["1.running_mean"])


def test_what_is_beyond_it_is_left_to_make_fx(monkeypatch: pytest.MonkeyPatch):
    asked: list[object] = []
    monkeypatch.setattr(tracer, "make_fx", lambda function, **options: lambda *_: asked.append(function))
    trace(lambda x: x * x.sum().item(), (torch.ones(3),), {})
    assert len(asked) == 1
    trace(lambda x: x * x.sum(), (torch.ones(3),), {})
    assert len(asked) == 1


def test_the_reason_is_said_in_the_words_of_make_fx():
    many = vmap(gradient_function(with_branch(), nn.functional.mse_loss, "float32"), in_dims=(0, 0, 0, None, None))
    weights = {name: torch.stack([p.detach()] * 2) for name, p in with_branch().named_parameters()}
    arguments = (weights, {}, torch.ones(2), given((7, 16)), given((7, 1)))
    with pytest.raises(RuntimeError, match="data-dependent"):
        trace(many, arguments, {})


TRACED = (
    "from lossgauge.frameworks.torch.stacking.tracer import trace\n"
    "trace(lambda x: (x @ x).tanh().sum(), (torch.ones(3, 3),), {})\n"
)
SWEPT = """
from lossgauge.frameworks.torch.stacking.engine import run_settings
from lossgauge.records.sweep import Setting, Workload
outcome, = run_settings(Workload("mlp-16-8-1", "mse", "regression", 3), [Setting("torch.optim:Adam", {"lr": 1e-3})])
assert outcome.engine == "compiled", outcome.engine
"""


@pytest.mark.parametrize(
    ("script", "heavy"),
    [(TRACED, ("torch._inductor", "torch._dynamo.eval_frame")), (SWEPT, ("torch._inductor", "torch._dynamo", "sympy"))],
    ids=["a-trace", "a-sweep-in-native-code"],
)
def test_no_compiler_is_loaded(script: str, heavy: tuple[str, ...]):
    whole = f"import sys, torch\n{script}\nprint([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
