"""Values of the forward pass, recovered from the graph: bit for bit, or not at all."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from lossgauge.frameworks.torch.gauging import formulas
from lossgauge.frameworks.torch.gauging.evaluate import Values, value_of
from lossgauge.frameworks.torch.gauging.graph import walk
from tests.frameworks.torch.gauging.ways_of_writing import WAYS, Bench, Way


class Forward(TorchFunctionMode):
    """Notes what the forward pass really computed, node by node."""

    def __init__(self):
        super().__init__()
        self.values: dict[tuple[Any, int], Tensor] = {}

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outcome = function(*args, **(kwargs or {}))
        for tensor in outcome if isinstance(outcome, (tuple, list)) else (outcome,):
            if isinstance(tensor, Tensor) and tensor.grad_fn is not None:
                self.values[tensor.grad_fn, tensor.output_nr] = tensor.detach().clone()
        return outcome


def recovered(write: Callable[[], Tensor]) -> tuple[list[str], list[str]]:
    """Which values of the forward pass are wrong, and which unknown."""
    with Forward() as forward:
        loss = write()
    values = Values(walk(loss.grad_fn))
    wrong, unknown = [], []
    for (node, number), true in forward.values.items():
        value = values.of(node, number)
        if value is None:
            unknown.append(node.name())
        elif value.dtype != true.dtype or not torch.equal(value, true):
            wrong.append(node.name())
    return wrong, unknown


torch.manual_seed(1)
X, W, Y = torch.randn(4, 3, requires_grad=True), torch.randn(3, 3, requires_grad=True), torch.randn(4, 3)
OPERATIONS: dict[str, Callable[[], Tensor]] = {
    "waves": lambda: X.sin() + X.cos() * X.cosh() - X.sinh(),
    "activations": lambda: F.gelu(X) * F.gelu(X, approximate="tanh") * F.silu(X) * F.leaky_relu(X, 0.2) * X.relu(),
    "logistic": lambda: F.logsigmoid(X) * F.softplus(X, beta=2.0) * X.sigmoid() * X.tanh(),
    "extremes": lambda: torch.maximum(X, 2 * X) * torch.minimum(X, 3 * X) + torch.logaddexp(X, W[:1]),
    "clamps": lambda: X.clamp(-1, 1) * X.clamp(min=0) * torch.clamp_max(X, 0.3),
    "where": lambda: torch.where(Y > 0, X, 2 * X),
    "spread": lambda: X.var() * X.var(1).mean() * X.std() * X.max() * X.max(1)[0].sum(),
    "powers": lambda: 2**X * X.abs() ** W[:1].abs() * X**3 * X.abs().sqrt() * (X.abs() * 2).rsqrt(),
    "logarithms": lambda: torch.log1p(X.abs()) * torch.log2(X.abs()) * torch.log10(X.abs()) * X.abs().log(),
    "constants": lambda: X.sum() * 2.7 * 0.1 / 3.3 * torch.tensor(3.3) - 3 * X.mean(),
    "alphas": lambda: torch.add(X, W[:1], alpha=0.3) + torch.rsub(X, W[:1], alpha=3.0),
    "reductions": lambda: X.sum((0, 1)) * X.mean(1, keepdim=True) * X.mean() + X.norm() ** 2 - X.norm(dim=1).sum(),
    "softmaxes": lambda: F.softmax(X, 1) * F.log_softmax(X, 1) * X.logsumexp(1, keepdim=True),
    "products": lambda: (X.t().mm(X) @ W).mv(W[0]).dot(W[0]) * torch.bmm(X[None], W[None]).sum(),
    "fused product": lambda: torch.addcmul(X, X, W[:1], value=0.5),
    "layer": lambda: F.layer_norm(F.linear(X, W, W[0]), (3,)) ** 2,
    "convolution": lambda: nn.Conv2d(1, 2, 2, padding=1, bias=False)(nn.Conv1d(4, 2, 1)(X[None])[None]),
    "table": lambda: F.embedding(torch.tensor([1, 2, 1]), W),
    "views": lambda: X.permute(1, 0).transpose(0, 1).reshape(2, 6).unsqueeze(0).squeeze(0).expand(3, 2, 6),
    "slices": lambda: (2 * X)[1:, ::2].contiguous() * (2 * X)[1:, -2:] + (2 * X)[..., -1][1:, None],
    "pieces": lambda: torch.cat([X, 2 * X], 1).split(2, 1)[1] * torch.stack([X, W[:1] * X]).unbind(0)[1].chunk(2, 1)[0],
    "choices": lambda: X.index_select(1, torch.tensor([2, 0])) * X[:, [0, 1]] * X.gather(1, torch.zeros(4, 2).long()),
    "formats": lambda: X.double().float().half().float() * (X.bfloat16() @ W.bfloat16()).float(),
    "recurrence": lambda: nn.GRU(3, 2)(X)[0],
    "attention": lambda: nn.MultiheadAttention(3, 1)(X, X, X)[0],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_recovered_bit_for_bit(name: str):
    assert recovered(OPERATIONS[name]) == ([], [])


UNKNOWN = {  # a constant that was added is not kept, nor what a mask is filled with, nor what a constant multiplies
    "Charbonnier", "Gaussian likelihood", "smoothed", "divergence, sum", "divergence, rows", "divergence of deviations",
    "divergence of distributions", "F.kl_div", "F.kl_div of logarithms", "two players", "Huber by hand",
    "square of what is scaled", "policy of Normal", "clipped policy",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
def test_losses_are_recovered_bit_for_bit(way: Way):
    bench = Bench()
    wrong, unknown = recovered(lambda: way.write(bench))
    assert wrong == []
    assert not unknown or way.name in UNKNOWN


def test_a_wrong_formula_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(formulas.FORMULAS, "MeanBackward0", lambda node, take: take(0).sum())
    wrong, _ = recovered(OPERATIONS["constants"])
    assert "MeanBackward0" in wrong


def test_what_was_not_kept_is_unknown():
    released: Any = X.exp().sum()
    node = released.grad_fn.next_functions[0][0]
    assert value_of(node) is not None
    released.backward()
    assert value_of(node) is None
    changed = X.exp()
    node = changed.grad_fn
    changed.mul_(2)
    assert value_of(node) is None
    assert value_of((X + 3.5).grad_fn) is None
    assert value_of(torch.special.erfcx(2 * X).cumsum(0).grad_fn) is None


def test_a_deep_chain_needs_no_recursion_and_an_endless_one_is_given_up():
    for length, known in ((60, True), (3000, False)):
        total = X.sum()
        for _ in range(length):
            total = total + X.mean()
        value = value_of(total.grad_fn)
        assert (value is not None and bool(value == total)) is known


def test_a_checkpoint_is_not_set_in_motion():
    calls = []
    norm = nn.BatchNorm1d(3)

    def block(tensor: Tensor) -> Tensor:
        calls.append(1)
        return norm(tensor).exp()

    loss = checkpoint(block, X * 2, use_reentrant=False).sum()
    before = [buffer.clone() for buffer in norm.buffers()]
    assert value_of(loss.grad_fn) is None
    assert len(calls) == 1
    assert all(map(torch.equal, before, norm.buffers()))
    loss.backward()
    assert len(calls) == 2  # the engine's reading does run it: ours would have, too
