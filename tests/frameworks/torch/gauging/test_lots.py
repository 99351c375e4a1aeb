"""Looking at tensors a few at a time: the same samples, with less memory at once."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from lossgauge.frameworks.torch.gauging import elasticity, pieces, statistics
from lossgauge.frameworks.torch.gauging.lots import apart
from lossgauge.frameworks.torch.gauging.pieces import choose, copy_pieces, widened
from lossgauge.frameworks.torch.gauging.room import Room, room_of
from lossgauge.frameworks.torch.gauging.statistics import after, before
from lossgauge.records.session import TensorSample
from tests.frameworks.torch.gauging.arrangements import CASES, Case, Training, sampled, sampled_pieces


class Coupled(torch.optim.Optimizer):
    """A step that depends on the gradients of all tensors together."""

    def __init__(self, params: Any, lr: float = 0.1):
        super().__init__(params, dict(lr=lr))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        weights = [weight for weight in self.param_groups[0]["params"] if weight.grad is not None]
        norm = torch.stack([weight.grad.norm() for weight in weights]).norm() + 1e-3
        for weight in weights:
            weight.sub_(self.param_groups[0]["lr"] * weight.grad / norm)


def samples_in(case: Case, size: int, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[TensorSample, ...], int]:
    """The samples where there is so much room, and in how many lots trial steps were made."""
    lots: list[int] = []

    def narrow(optimizer: Any, watched: Any, waiting: bool = False) -> Room:
        return replace(room_of(optimizer, watched, waiting), size=size)

    def counted(*given: Any) -> Any:
        found = plain(*given)
        lots.append(len(found))
        return found

    plain = elasticity.apart
    with monkeypatch.context() as patch:
        patch.setattr(statistics, "room_of", narrow)
        patch.setattr(elasticity, "apart", counted)
        torch.manual_seed(0)
        return sampled(Training(case, torch.float32), 4)[1], sum(lots)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in ("SGD", "Adam", "Adagrad", "Muon", "SparseAdam")], ids=str
)
def test_lots_change_no_number(case: Case, monkeypatch: pytest.MonkeyPatch):
    whole, once = samples_in(case, 10**9, monkeypatch)
    parts, often = samples_in(case, 1, monkeypatch)
    assert once == 1
    assert often >= (16 if case.name in ("SGD", "Adam", "Adagrad") else 1)
    for one, other in zip(whole, parts, strict=True):
        assert one.elasticity is not None
        assert other.elasticity == pytest.approx(one.elasticity, abs=1e-6)
        assert other.instant == pytest.approx(one.instant, abs=1e-6)
        assert other.carriers == pytest.approx(one.carriers, abs=1e-6)
        for name, value in vars(one).items():
            if name not in ("elasticity", "instant", "carriers"):
                assert vars(other)[name] == value, name


def test_a_foreign_optimizer_steps_all_tensors_together():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.Linear(300, 300))
    optimizer = Coupled(model.parameters())
    watched = [(i, tensor, optimizer.param_groups[0]) for i, tensor in enumerate(model.parameters())]
    model(torch.randn(4, 300)).square().mean().backward()
    start = before(optimizer, watched, None, deep=True)
    assert len(statistics._lots(start)) > 1
    optimizer.step()
    for one in after(start):  # alone, each would be normalised by its own norm and lose next to nothing
        assert one.lost is not None
        assert one.lost < 0.01
        assert one.instant == pytest.approx(0.0, abs=0.2)


def test_every_element_is_in_one_lot():
    training = Training(Case("Adam"))
    pieces = sampled_pieces(training, 3)
    lots = apart(pieces, 512 * 120)
    assert max(sum(piece.weight.numel() for piece in lot.pieces) for lot in lots) <= 512
    for place, piece in enumerate(pieces):
        parts = [one for lot in lots for own, one in zip(lot.places, lot.pieces, strict=True) if own == place]
        assert torch.equal(torch.cat([one.weight for one in parts]), piece.weight)
        assert torch.equal(torch.cat([one.state["exp_avg"] for one in parts]), piece.state["exp_avg"])
        assert all(torch.equal(one.state["step"], piece.state["step"]) for one in parts)
    (only,) = apart(pieces, 10**9)
    assert only.places == list(range(len(pieces)))


def test_what_is_copied_whole_has_a_limit(monkeypatch: pytest.MonkeyPatch):
    weights = [torch.nn.Parameter(torch.randn(n)) for n in (10, 400, 20, 400, 30, 400, 40)]
    foreign, adam = Coupled(weights), torch.optim.Adam(weights)
    assert choose(foreign, weights) == choose(adam, weights) == [0, 1, 2, 3, 4, 5, 6]
    monkeypatch.setattr(pieces, "ALTOGETHER", 1000)
    chosen = choose(foreign, weights)
    assert 2 <= len(chosen) < 7
    assert sum(weights[place].numel() for place in chosen) <= 1000
    assert {chosen[0], chosen[-1]} == {0, 6}
    assert choose(adam, weights) == [0, 1, 2, 3, 4, 5, 6]  # of each only the observed elements are copied
    assert choose(foreign, []) == []


def test_pieces_stay_in_their_own_format_until_a_trial():
    model = torch.nn.Linear(3, 2, dtype=torch.bfloat16)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3, dtype=torch.bfloat16)).sum().backward()
    optimizer.step()
    (piece, _) = copy_pieces(optimizer, [(tensor, optimizer.param_groups[0], None) for tensor in model.parameters()])
    assert {piece.weight.dtype, piece.state["exp_avg"].dtype} == {torch.bfloat16}
    wide = widened(piece)
    assert {wide.weight.dtype, wide.state["exp_avg"].dtype, wide.state["step"].dtype} == {torch.float64}
    assert torch.equal(wide.weight, model.weight.detach().double().reshape(-1))
