"""Treatments together: their order, what an observer is told, what is refused, and that nothing of them remains."""

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad, clip_grad_norm_, clip_grad_value_
from torch.optim import LBFGS, SGD, Adam
from torch.optim.optimizer import _global_optimizer_pre_hooks

from lossgauge.errors import InputError
from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.injection.bits import OptimizerView
from lossgauge.frameworks.torch.injection.inject import inject
from lossgauge.frameworks.torch.injection.patches import enclosed
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.frameworks.torch.treatments.treat import CHANGES, PASSAGES, treat
from lossgauge.records.injection import Injection
from lossgauge.records.treatment import KINDS, Treatment
from tests.frameworks.torch.treatments.small import STEPS, closed, copies, loop, same, scaled, seeded
from tests.trainings.laws import LAWS

ALL = (
    Treatment("setting", "lr", factor=0.5),
    Treatment("loss", factor=2.0),
    Treatment("term", index=0, factor=0.5),
    Treatment("threshold", factor=2.0),
    Treatment("exact-clip"),
    Treatment("unscaled-clip"),
    Treatment("added-clip", value=0.05),
    Treatment("scaler", factor=2.0**8),
    Treatment("summation"),
    Treatment("master-weights", choice="float64"),
    Treatment("zero-grad"),
    Treatment("grad-output", "SomeBackward"),
    Treatment("held-parameters"),
    Treatment("plateau-mode", choice="rel"),
    Treatment("stop-delta", factor=0.5),
    Treatment("knee", factor=0.5),
)


def sgd(parameters: Any) -> SGD:
    return SGD(parameters, lr=0.1, momentum=0.5)


def clipped_loop():
    def clip(optimizer: Any) -> None:
        clip_grad_norm_(optimizer.param_groups[0]["params"], 0.25)
        clip_grad_value_(optimizer.param_groups[0]["params"], 0.1)

    return loop(sgd, before_step=clip)


def state() -> list[Any]:
    scaler, plateau, inner = torch.amp.GradScaler, torch.optim.lr_scheduler.ReduceLROnPlateau, vars(torch._C)["_nn"]
    cells = [enclosed(f) for f in (clip_grad._clip_grads_with_norm_, clip_grad_norm_, clip_grad_value_)]
    cells += [enclosed(kind.step) for kind in (SGD, Adam, LBFGS)]
    return [
        vars(torch.autograd)["_engine_run_backward"],
        dict(vars(scaler)),
        dict(vars(plateau)),
        inner.huber_loss,
        inner.smooth_l1_loss,
        [cell and cell.cell_contents for cell in cells],
        len(_global_optimizer_pre_hooks),
    ]


def test_every_kind_is_carried_out():
    assert set(CHANGES) == set(KINDS) == {treatment.kind for treatment in ALL}
    places = {"laid", *PASSAGES}
    for kind, (change, _) in CHANGES.items():
        overridden = {place for place in places if getattr(change, place) is not getattr(Change, place)}
        assert overridden, kind
        assert change.inner <= overridden


@pytest.mark.parametrize("treatment", ALL, ids=lambda treatment: treatment.kind)
def test_nothing_remains_of_a_treatment(treatment: Treatment):
    for optimizer_of in (sgd, lambda p: Adam(p, fused=True)):  # the wrappers of torch are there from now on
        scaled(optimizer_of)
    closed(lambda p: LBFGS(p, lr=0.1, max_iter=1), steps=1)
    before = state()
    with interpose(Injection(treatments=(treatment,)), Observer()):
        clipped_loop()
        scaled(lambda p: Adam(p, lr=1e-2, fused=True))
        closed(lambda p: LBFGS(p, lr=0.1, max_iter=3), steps=2)
        assert state() != before
    assert state() == before


@pytest.mark.parametrize("treatment", ALL, ids=lambda treatment: treatment.kind)
def test_nothing_remains_after_an_error(treatment: Treatment):
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    before, held = state(), optimizer.param_groups[0]["params"][0]

    def closure():
        held.sum().backward()
        raise KeyError

    with pytest.raises(KeyError), interpose(Injection(treatments=(treatment,)), Observer()):
        optimizer.step(closure)
    assert state() == before
    assert optimizer.param_groups[0]["params"] == [held]
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_hooks_on_nodes_do_not_stay():
    """A graph that is kept and run again without the treatment gives the untreated gradient."""
    for treatment in (Treatment("term", index=0, factor=0.5), Treatment("scaler", factor=4.0)):
        tensor = torch.ones(2, requires_grad=True)
        loss = (tensor**2).sum() + tensor.mean()
        loss.backward(retain_graph=True)
        before = tensor.grad.clone()  # pyright: ignore[reportOptionalMemberAccess]
        with interpose(Injection(treatments=(treatment,)), Observer()):
            loss.backward(retain_graph=True)
        tensor.grad = None
        loss.backward()
        assert same([tensor.grad], [before])  # pyright: ignore[reportArgumentType]


def test_no_treatment_changes_nothing():
    alone = clipped_loop()
    with treat(()):
        assert same(clipped_loop(), alone)


class Watching(Observer):
    def __init__(self) -> None:
        self.seen: dict[str, Any] = {"norms": [], "indices": []}

    def backward(self, roots: Sequence[Any] = (), gradients: Sequence[Any] = ()) -> None:
        self.seen["handed"] = float(gradients[0])
        self.seen["stale"] = self.seen.get("tensor") is not None and self.seen["tensor"].grad is not None

    def threshold(self, name: str, value: float) -> None:
        self.seen[name] = value

    def after_clip(self, norm: Any, norm_type: float) -> None:
        self.seen["norm"] = norm

    def before_step(self, index: int, optimizer: OptimizerView, closure: bool) -> None:
        tensors = optimizer.optimizer.param_groups[0]["params"]
        self.seen["tensor"] = tensors[0]
        self.seen["settings"] = optimizer.settings()[0]
        self.seen["norms"].append(float(torch.linalg.vector_norm(torch.cat([t.grad.flatten() for t in tensors]))))
        self.seen["indices"].append(index)

    def step(self, index: int, optimizer: OptimizerView) -> None:
        self.seen["states"] = {type(key) for key in optimizer.optimizer.state}


def watched(train: Any, *treatments: Treatment) -> dict[str, Any]:
    observer = Watching()
    with interpose(Injection(treatments=treatments), observer):
        train()
    return observer.seen


def test_the_observer_is_told_of_the_treated_training():
    seen = watched(clipped_loop, Treatment("threshold", factor=0.5), Treatment("setting", "lr", factor=0.25))
    assert (seen["max_norm"], seen["clip_value"], seen["settings"]["lr"]) == (0.125, 0.05, 0.025)
    assert max(watched(lambda: loop(sgd), Treatment("added-clip", value=0.05))["norms"]) <= 0.05 * (1 + 1e-6)
    assert watched(lambda: loop(sgd, zero=False))["stale"]
    assert not watched(lambda: loop(sgd, zero=False), Treatment("zero-grad"))["stale"]
    assert watched(clipped_loop, Treatment("exact-clip"))["max_norm"] == 0.25


def test_the_observer_is_told_of_the_users_own_loss_gradients_and_tensors():
    own = watched(lambda: loop(sgd))
    assert watched(lambda: loop(sgd), Treatment("loss", factor=4.0))["handed"] == 1.0
    seen = watched(lambda: loop(sgd), Treatment("scaler", factor=2.0**8))
    assert (seen["handed"], seen["norms"]) == (1.0, own["norms"])
    seen = watched(lambda: loop(sgd, dtype=torch.bfloat16), Treatment("master-weights", choice="float32"))
    assert seen["tensor"].dtype == torch.bfloat16


def test_a_step_that_is_left_out_is_not_told():
    def train():
        return loop(sgd, lambda out, y: out.half().square().mean().float())

    assert len(watched(train)["indices"]) == STEPS
    assert len(watched(train, Treatment("scaler", factor=2.0**20))["indices"]) < STEPS


def test_treatments_lie_on_top_of_a_change_of_units():
    """α with everything co-scaled is the same training, treated or not."""
    treatments = (
        Treatment("setting", "eps", factor=0.125),
        Treatment("threshold", factor=0.5),
        Treatment("term", index=1, factor=0.25),
        Treatment("added-clip", value=0.5),
        Treatment("zero-grad"),
    )

    def train():
        def clip(optimizer: Any) -> None:
            clip_grad_value_(optimizer.param_groups[0]["params"], 0.1)

        def loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return nn.functional.mse_loss(out, y) + out.abs().mean()

        return loop(lambda p: Adam(p, lr=1e-2, eps=1e-2), loss, clip, zero=False)

    with interpose(Injection(treatments=treatments[:3]), Observer()):
        own = train()
    with interpose(Injection(Fraction(2) ** 6, (LAWS["Adam"],), treatments=treatments[:3]), Observer()):
        assert same(train(), own)
    with interpose(Injection(treatments=treatments), Observer()):
        assert not same(train(), own)


def test_inside_or_outside_of_an_injection():
    slower = Treatment("setting", "lr", factor=0.5)
    by_hand = loop(lambda p: SGD(p, lr=0.05))
    with treat([slower]), inject(Injection(), Observer()):
        assert same(loop(lambda p: SGD(p, lr=0.1)), by_hand)
    with inject(Injection(), Observer()), treat([slower]):
        assert same(loop(lambda p: SGD(p, lr=0.1)), by_hand)


def test_many_at_once_are_all_of_them_by_hand():
    def train(by_hand: bool = False):
        model, x, y = seeded()
        optimizer = Adam(model.parameters(), lr=1e-2, eps=1e-3 if by_hand else 1e-2, fused=True)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=10**6)
        for _ in range(STEPS):
            if by_hand:
                optimizer.zero_grad()
            out = model(x)
            loss = nn.functional.huber_loss(out, y, delta=0.25 if by_hand else 1.0)
            scaler.scale(loss + (0.5 if by_hand else 1.0) * out.abs().mean()).backward()
            clip_grad_value_(model.parameters(), 0.5 * (2.0**8 * 0.25 if by_hand else 1.0))
            scaler.step(optimizer)
            scaler.update()
        return copies(model.parameters())

    treatments = (
        Treatment("setting", "eps", factor=0.1),
        Treatment("zero-grad"),
        Treatment("knee", factor=0.25),
        Treatment("term", index=1, factor=0.5),
        Treatment("threshold", factor=0.25),
        Treatment("unscaled-clip"),
    )
    with interpose(Injection(treatments=treatments), Observer()):
        found = train()
    assert same(found, train(True))
    assert not same(found, train())


REFUSED = [
    (Treatment("surgery"), r"there is no treatment 'surgery', expected one of zero-grad, "),
    (Treatment("setting", factor=2.0), r"the treatment 'setting' is given without name"),
    (Treatment("setting", "eps"), r"the treatment 'setting' is given without factor or value"),
    (
        Treatment("loss", factor=0.0),
        r"the factor of the treatment 'loss' is 0.0, expected a finite number other than 0",
    ),
    (Treatment("scaler", factor=float("inf")), r"the factor of the treatment 'scaler' is inf"),
    (Treatment("term", factor=2.0), r"the treatment 'term' is given without index"),
    (Treatment("term", index=0, factor=2.0), r"needs to be told how a loss is split"),
    (Treatment("added-clip"), r"without value"),
    (Treatment("master-weights", choice="int8"), r"is 'int8', expected float32 or float64"),
    (Treatment("plateau-mode"), r"without choice"),
]


@pytest.mark.parametrize(("treatment", "message"), REFUSED)
def test_what_cannot_be_carried_out_is_refused(treatment: Treatment, message: str):
    with pytest.raises(InputError, match=message), treat([treatment]):
        pass


def test_treatments_travel_with_the_injection():
    injection = Injection(treatments=(*ALL, Treatment("threshold", factor=float("inf"))))
    assert Injection.from_dict(json.loads(json.dumps(injection.to_dict(), allow_nan=False))) == injection
    plain = Injection().to_dict()
    del plain["treatments"]
    assert Injection.from_dict(plain) == Injection()


def test_a_loss_without_gradient_is_refused_by_torch_itself():
    for treatment in ALL:
        with (
            interpose(Injection(treatments=(treatment,)), Observer()),
            pytest.raises(RuntimeError, match="does not require grad"),
        ):
            torch.ones(()).backward()
