"""The backward by hand: what the engine would find, with nobody noticing."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lossgauge.frameworks.torch.gauging import extra_backward
from lossgauge.frameworks.torch.gauging.extra_backward import gradients, nobody_else_holds, obstacle
from lossgauge.frameworks.torch.gauging.graph import walk
from lossgauge.frameworks.torch.gauging.reading import read_loss
from lossgauge.records.loss_reading import LossReading
from tests.frameworks.torch.gauging.allocations import peak
from tests.frameworks.torch.gauging.ways_of_writing import WAYS, Bench, Way


def by_hand(loss: Tensor, keep: Callable[[Tensor], Any] = torch.clone) -> dict[int, Any]:
    graph = walk(loss.grad_fn)
    found = gradients(graph, (loss.grad_fn, loss.output_nr), torch.ones_like(loss), graph.leaf_nodes, keep)
    return {id(leaf.variable): gradient for leaf, gradient in found.items()}


def differing(loss: Tensor, weights: Iterable[Tensor]) -> list[Tensor]:
    found = by_hand(loss)
    weights = [weight for weight in weights if id(weight) in found]
    true = torch.autograd.grad(loss, weights)
    return [w for w, g in zip(weights, true, strict=True) if not torch.equal(found[id(w)].to_dense(), g.to_dense())]


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
def test_gradients_are_those_of_the_engine(way: Way):
    bench = Bench()
    assert differing(way.write(bench), [*bench.model.parameters(), *bench.encoder.parameters()]) == []


class Everything(nn.Module):
    """Layers with broadcasting, formats, sparse rows, in-place writing, recurrence and attention."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.table = nn.Embedding(9, 8, sparse=True)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.recurrence = nn.LSTM(8, 8, batch_first=True)
        self.convolution = nn.Conv1d(6, 6, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm1d(6), nn.LayerNorm(8)])
        self.dropout = nn.Dropout(0.3)
        self.gain = nn.Parameter(torch.ones(1, 8))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens) * self.gain
        x = x + self.attention(x, x, x)[0]
        x = self.dropout(self.norms[0](self.convolution(x)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = x @ x.mT @ x
        x = self.norms[1](x.float() + self.recurrence(x.float())[0])
        x[:, 0] = x[:, 1] * 2
        return torch.cat([x.max(1)[0], F.gelu(x).mean(1)], 1)


TOKENS = torch.tensor([[1, 2, 3, 4, 5, 6], [0, 1, 0, 8, 7, 1], [3, 3, 3, 1, 1, 1]])


def test_gradients_of_every_kind_of_layer_are_those_of_the_engine():
    model = Everything()
    loss = model(TOKENS).square().mean()
    assert len(by_hand(loss)) == sum(1 for _ in model.parameters())
    assert differing(loss, model.parameters()) == []


def test_a_backward_that_forgets_a_summand_is_caught(monkeypatch: pytest.MonkeyPatch):
    def forget(arrived: dict[object, Tensor], edge: object, gradient: Tensor) -> None:
        arrived[edge] = gradient

    bench = Bench()
    monkeypatch.setattr(extra_backward, "_arrive", forget)
    shared = bench.out
    assert differing((shared**2).sum() + shared.exp().sum(), bench.model.parameters())


def test_no_hook_is_called_and_no_gradient_is_filled_in():
    bench = Bench()
    called: list[str] = []
    weight = bench.first.weight
    weight.register_hook(lambda gradient: called.append("leaf"))
    weight.register_post_accumulate_grad_hook(lambda tensor: called.append("accumulated"))
    bench.first.register_full_backward_hook(lambda *given: called.append("module"))
    hidden: Any = bench.first(bench.x).tanh()
    hidden.register_hook(lambda gradient: called.append("tensor"))
    hidden.retain_grad()
    hidden.grad_fn.register_hook(lambda *given: called.append("node"))
    output = bench.last(hidden)
    loss = F.mse_loss(output, bench.y) + 0.1 * F.cross_entropy(output, bench.labels)
    reading = read_loss(loss, step=1, watched=list(bench.model.parameters()), deep=True)
    assert all(term.gradient_norm for term in reading.terms)
    assert called == []
    assert (hidden.grad, weight.grad) == (None, None)
    loss.backward()
    assert sorted(called) == ["accumulated", "leaf", "module", "node", "tensor"]


def test_terms_pull_as_hard_as_the_engine_says():
    bench = Bench()
    weights = list(bench.model.parameters())
    parts = [0.5 * F.mse_loss(bench.out, bench.y), 0.05 * F.cross_entropy(bench.out, bench.labels)]
    true = []
    for part in parts:
        found = torch.autograd.grad(part, weights[1:3], retain_graph=True)
        true.append(float(torch.cat([gradient.flatten() for gradient in found]).norm()))
    scale = 2.0**14
    for loss, s in ((parts[0] + parts[1], 1.0), (scale * (parts[0] + parts[1]), scale)):
        reading = read_loss(loss, step=1, scale=s, watched=weights[1:3], deep=True)
        assert [term.gradient_norm for term in reading.terms] == pytest.approx(true, rel=1e-5)
    apart = parts[0] + bench.encoder(bench.x).mean()
    assert [t.gradient_norm for t in read_loss(apart, step=1, watched=weights, deep=True).terms] == [None, None]
    shallow = read_loss(parts[0] + parts[1], step=1, watched=weights)
    assert [term.gradient_norm for term in shallow.terms] == [None, None]


def test_only_weights_that_all_terms_reach_are_compared():
    bench = Bench()
    shared, own = bench.first.weight, bench.last.weight
    hidden = bench.first(bench.x).tanh()
    loss = F.mse_loss(bench.last(hidden), bench.y) + hidden.abs().mean()
    together = read_loss(loss, step=1, watched=[shared, own], deep=True)
    alone = read_loss(loss, step=1, watched=[shared], deep=True)
    assert [term.gradient_norm for term in together.terms] == [term.gradient_norm for term in alone.terms]


def half_loss(weight: float) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    with torch.autocast("cpu", dtype=torch.float16):
        output = model(torch.randn(64, 6))
    return model, weight * F.mse_loss(output.float(), torch.randn(64, 3))


def test_what_half_precision_flushes_is_what_comes_back_with_a_larger_loss():
    shares = []
    for weight in (1.0, 1e-4, 1e-6, 1e-9):
        model, loss = half_loss(weight)
        held = {id(tensor): number for number, tensor in enumerate(model.parameters())}
        reading = read_loss(loss, step=1, held=held, watched=list(model.parameters()), deep=True)
        here = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
        there = torch.autograd.grad(loss * 2.0**reading.flushed_at, list(model.parameters()))
        true = [float(((a == 0) & (b != 0)).double().mean()) for a, b in zip(here, there, strict=True)]
        assert reading.flushed == pytest.approx({str(number): share for number, share in enumerate(true)})
        shares.append(sum(true))
    assert shares[0] < 0.05 < shares[2]
    assert shares == sorted(shares)
    assert read_loss(half_loss(1e4)[1], step=1, deep=True, held=held, watched=[]).flushed is None
    single = Bench()
    weights = list(single.model.parameters())
    assert read_loss(F.mse_loss(single.out, single.y), step=1, watched=weights, deep=True).flushed is None


def test_a_power_that_overflows_is_not_used():
    model, loss = half_loss(1.0)
    held = {id(tensor): number for number, tensor in enumerate(model.parameters())}
    reading = read_loss(loss, step=1, held=held, watched=list(model.parameters()), deep=True)
    assert 0 < reading.flushed_at < 24


def test_why_a_graph_is_left_alone():
    bench = Bench()

    def refusal(loss: Tensor) -> str:
        return obstacle(walk(loss.grad_fn))

    assert refusal(F.mse_loss(bench.out, bench.y)) == ""
    assert "hooks" in refusal(checkpoint(bench.model, bench.x, use_reentrant=False).sum())
    assert "CheckpointFunction" in refusal(checkpoint(bench.model, bench.x.requires_grad_(), use_reentrant=True).sum())
    with torch.autograd.graph.save_on_cpu():
        kept = bench.out.exp().sum()
    assert "hooks" in refusal(kept)
    total = bench.out.sum()
    for _ in range(20_000):
        total = total + 1
    assert "large" in refusal(total)


def test_a_released_graph_is_left_alone():
    bench = Bench()
    shared = bench.out
    F.mse_loss(shared, bench.y).backward()
    loss = F.mse_loss(shared, bench.y) + shared.abs().mean()
    reading = read_loss(loss, step=1, watched=list(bench.model.parameters()), deep=True)
    assert "second time" in reading.skipped
    assert [term.gradient_norm for term in reading.terms] == [None, None]


def trained(read: bool) -> list[Tensor]:
    """Everything a short training leaves behind: weights, buffers, gradients, the state of the random numbers."""
    model = nn.ModuleDict({"body": Everything(), "block": nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16))})
    head = nn.Linear(16, 4)
    torch.manual_seed(11)
    weights = [*(p for n, p in model.named_parameters() if "table" not in n), *head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-2)
    calls = torch.zeros(1)
    gain: Any = model["body"].gain
    gain.register_hook(lambda gradient: calls.add_(1) and None)
    for step in range(6):
        features = model["body"](TOKENS)
        if step % 2:
            features = checkpoint(model["block"], features, use_reentrant=False)
        output = head(F.dropout(features, 0.2))
        loss = 0.5 * F.cross_entropy(output, torch.tensor([0, 1, 3])) + output.square().mean()
        loss = loss + 1e-3 * sum((w**2).sum() for w in head.parameters())
        if read:
            reading = read_loss(loss, step=step + 1, watched=weights[:9], deep=True)
            assert bool(reading.skipped) is bool(step % 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    gradients = [w.grad for w in weights if w.grad is not None]
    return [*copy.deepcopy(model).state_dict().values(), *gradients, *head.state_dict().values(), calls,
            torch.get_rng_state()]  # fmt: skip


def test_a_training_that_is_read_is_the_same_to_the_last_bit():
    assert all(map(torch.equal, trained(read=False), trained(read=True)))


def test_a_training_that_is_touched_is_not(monkeypatch: pytest.MonkeyPatch):
    def meddle(loss: Tensor, **given: object) -> LossReading:
        torch.rand(1)
        return real(loss, **given)  # pyright: ignore[reportArgumentType]

    real = read_loss
    untouched = trained(read=False)
    monkeypatch.setitem(globals(), "read_loss", meddle)
    assert not all(map(torch.equal, untouched, trained(read=True)))


def test_a_compiled_model_is_read_but_not_gone_through_again():
    bench = Bench()
    compiled = torch.compile(bench.model, backend="aot_eager")
    weights = list(bench.model.parameters())
    loss = F.mse_loss(compiled(bench.x), bench.y) + compiled(bench.x).abs().mean()
    reading = read_loss(loss, step=1, watched=weights, deep=True)
    assert [term.kind for term in reading.terms] == ["regression", "regression"]
    assert "CompiledFunction" in reading.skipped
    assert reading.custom == {}
    loss.backward()
    assert weights[0].grad is not None


def test_only_what_nobody_else_holds_is_written_to():
    assert nobody_else_holds([torch.zeros(3)])
    assert not nobody_else_holds([torch.zeros(6).view(2, 3)])  # it holds its base
    kept = torch.zeros(3)
    assert not nobody_else_holds([kept])
    assert not nobody_else_holds([kept.view(3, 1)])
    assert not nobody_else_holds([kept.detach()])
    row = [torch.zeros(3)]
    numbers = row[0].numpy()
    assert not nobody_else_holds(row)
    assert numbers.sum() == 0
    result = torch.exp(torch.ones(3, requires_grad=True))
    node: Any = result.grad_fn
    assert not nobody_else_holds([node._saved_result.detach()])


def test_a_gradient_handed_to_two_inputs_is_not_added_to_itself():
    model = nn.Linear(4, 4)
    x = model(torch.randn(3, 4))
    both = x + x  # hands one gradient to x twice
    assert differing((both + torch.tanh(x)).square().sum() + x.sum(), model.parameters()) == []


def test_gradients_are_added_in_place_and_handed_on(monkeypatch: pytest.MonkeyPatch):
    layers = nn.Sequential(*[nn.Linear(256, 256, bias=False) for _ in range(6)])
    projection = nn.Linear(256, 3 * 256, bias=False)

    def taken() -> int:
        packed = projection(layers(torch.randn(512, 256))).view(512, 3, 256)  # queries, keys and values
        value = (packed[:, 0] * packed[:, 1] * packed[:, 2]).square().mean()
        return peak(lambda: by_hand(value, lambda gradient: float(gradient.norm())))[0]

    widest = 4 * 512 * 3 * 256
    own = taken()
    assert own < 3 * widest
    monkeypatch.setattr(extra_backward, "nobody_else_holds", lambda held: False)
    assert taken() > own + widest / 2
