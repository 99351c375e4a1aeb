"""Trial steps on copies: the optimizer's own numbers, and not a trace left, whatever the optimizer does."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.gauging.pieces import Piece
from lossgauge.frameworks.torch.gauging.statistics import Before, after, before
from lossgauge.frameworks.torch.gauging.trial import Change, Trials
from lossgauge.frameworks.torch.injection.inject import inject
from lossgauge.laws.law import Law
from lossgauge.records.injection import Injection
from lossgauge.records.session import TensorSample
from tests.frameworks.torch.gauging.arrangements import (
    CASES,
    Case,
    Training,
    enumerate_all,
    pieces_of,
    sampled_pieces,
)
from tests.known_laws import TABLE

SGD_LAW, ADAM_LAW = TABLE["torch.optim:SGD"].law, TABLE["torch.optim:Adam"].law


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in ("LBFGS", "Muon")], ids=str)
def test_the_trial_is_the_step_itself(case: Case):
    training = Training(case, torch.float64)
    for _ in range(5):
        training.step()
    old: list[torch.Tensor] = []
    pieces: dict[int, Piece] = {}
    starts: list[Before] = []

    def look() -> None:
        old.extend(tensor.detach().clone() for _, tensor, _ in training.watched)
        pieces.update(pieces_of(training.optimizer, training.watched))
        starts.append(before(training.optimizer, training.watched, training.law, True))

    training.step(look)
    updates = Trials(training.optimizer, list(pieces.values()), training.law).updates()
    for place, update in zip(pieces, updates, strict=True):
        seen, tensor = starts[0].sightings[place], training.watched[place][1]
        moved = (tensor.detach() - old[place]).reshape(-1)
        observed = moved if seen.where is None else moved[seen.where]
        expected = observed if pieces[place].flat else moved
        assert torch.allclose(update.reshape(-1), expected, rtol=1e-6, atol=1e-15)  # NAdam keeps a product in float32


def test_a_change_changes_what_it_says():
    training = Training(Case("Adam", dict(weight_decay=0.1)), torch.float64)
    trials = Trials(training.optimizer, sampled_pieces(training, 3), training.law)
    plain = trials.sizes(Change())
    for change in (Change(alpha=2.0), Change(setting="lr", factor=2.0), Change(setting="betas[0]", factor=0.5)):
        assert trials.sizes(change) != plain
    assert trials.sizes(Change(setting="lr", factor=2.0)) == pytest.approx([2 * size for size in plain])
    assert trials.sizes(Change(setting="nothing", factor=2.0)) == plain
    assert trials.sizes(Change()) == plain


class Foreign(torch.optim.Optimizer):
    """SGD the way others write it; subclasses do what optimizers should not."""

    def __init__(self, params: Any, lr: float = 0.1):
        super().__init__(params, dict(lr=lr))
        self.weights = [weight for group in self.param_groups for weight in group["params"]]
        self.count, self.log = 0, []

    def step(self, closure: Any = None) -> Any:
        self.count += 1
        self.log.append(self.count)
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data.add_(self.direction(weight), alpha=-group["lr"])

    def direction(self, weight: torch.Tensor) -> torch.Tensor:
        gradient: Any = weight.grad  # no assert, for pytest would put code of its own in here
        return gradient


class Noisy(Foreign):
    def direction(self, weight: torch.Tensor) -> torch.Tensor:
        gradient: Any = weight.grad
        return gradient * (1 + torch.rand_like(weight))


class ThroughAttribute(Foreign):
    def direction(self, weight: torch.Tensor) -> torch.Tensor:
        for own in self.weights:
            own.data.mul_(1.0 - 2**-10)
        return super().direction(weight)


class Hungry(Foreign):
    def direction(self, weight: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("needs a closure") if self.count > 1 else KeyError("what it never got")


class Parental(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


def looked_at(
    kind: type[torch.optim.Optimizer], law: Law | None = SGD_LAW, steps: int = 3
) -> tuple[list[Any], TensorSample]:
    torch.manual_seed(3)
    weights = [nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(5))]
    optimizer = kind(weights, lr=0.1)  # pyright: ignore[reportCallIssue]
    sample = TensorSample(0)
    for _ in range(steps):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        if law is None:
            optimizer.step()
            continue
        start = before(optimizer, enumerate_all([(weights[0], optimizer.param_groups[0])]), law, True)
        optimizer.step()
        sample = after(start)[0]
    own = {name: value for name, value in vars(optimizer).items() if name in ("count", "log")}
    return [[weight.detach().clone() for weight in weights], own, torch.get_rng_state()], sample


@pytest.fixture
def hooked() -> Iterator[list[str]]:
    calls: list[str] = []
    handle = register_optimizer_step_pre_hook(lambda optimizer, *_: calls.append(type(optimizer).__name__))
    yield calls
    handle.remove()


@pytest.mark.parametrize(
    "kind", [Foreign, Noisy, ThroughAttribute, Parental, torch.optim.SGD], ids=lambda k: k.__name__
)
def test_foreign_optimizers_go_on_as_if_nobody_had_looked(kind: type[torch.optim.Optimizer], hooked: list[str]):
    torch.optim.SGD([torch.zeros(1)])  # so that torch has wrapped the parent's step too
    looked, sample = looked_at(kind)
    calls = list(hooked)
    alone, _ = looked_at(kind, None)
    assert all(map(torch.equal, looked[0], alone[0]))
    assert looked[1] == alone[1]
    assert torch.equal(looked[2], alone[2])
    assert calls == hooked[len(calls) :]  # hooks were called by the steps and by nothing else
    assert sample.elasticity == pytest.approx(1.0, abs=1e-6) or kind is ThroughAttribute


def test_the_wrappers_of_torch_are_back_in_their_places():
    torch.optim.SGD([torch.zeros(1)])
    steps = vars(torch.optim.SGD)["step"], Parental.step
    looked_at(Parental)
    assert vars(torch.optim.SGD)["step"] is steps[0]
    assert steps[0].hooked


def test_a_step_that_cannot_be_tried_says_nothing():
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    optimizer = Hungry([weight])
    start = before(optimizer, enumerate_all([(weight, optimizer.param_groups[0])]), SGD_LAW, True)
    sample = after(start)[0]
    assert (sample.elasticity, sample.instant, sample.lost) == (None, None, None)
    assert sample.gradient_norm == pytest.approx(3**0.5)
    assert optimizer.count == 0


def test_large_tensors_of_foreign_optimizers_are_not_copied():
    weight = nn.Parameter(torch.ones(2**18 + 1))
    weight.grad = torch.ones_like(weight)
    optimizer = Foreign([weight])
    assert not before(optimizer, enumerate_all([(weight, optimizer.param_groups[0])]), SGD_LAW, True).chosen


def test_schedulers_and_tensor_learning_rates_are_no_obstacle():
    weight = nn.Parameter(torch.ones(30))
    weight.grad = torch.randn(30)
    optimizer = torch.optim.Adam([weight], lr=torch.tensor(1e-3), capturable=False)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    start = before(optimizer, enumerate_all([(weight, optimizer.param_groups[0])]), ADAM_LAW, True)
    optimizer.step()
    schedule.step()
    assert after(start)[0].elasticity == pytest.approx(0.0, abs=1e-4)
    assert optimizer.param_groups[0]["lr"].item() == pytest.approx(1e-4)


def test_adafactors_default_epsilon_is_that_of_the_weights_own_format():
    weight = nn.Parameter(torch.ones(30))
    weight.grad = torch.linspace(1e-9, 1e-8, 30)  # below float32's epsilon, far above float64's
    optimizer = torch.optim.Adafactor([weight], lr=1e-2)
    law = Case("Adafactor").law(optimizer)
    watched = enumerate_all([(weight, optimizer.param_groups[0])])
    start, pieces = before(optimizer, watched, law, True), pieces_of(optimizer, watched)
    optimizer.step()
    (update,) = Trials(optimizer, list(pieces.values()), law).updates()
    assert torch.allclose(update, weight.detach().double() - 1.0, rtol=0.0, atol=1e-7)
    assert after(start)[0].elasticity == pytest.approx(1.0, abs=1e-6)


class Looker(Observer):
    """Takes a sample at every step it is told of, as the gauge does."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.starts: list[Before] = []

    def enter(self, index: int, optimizer: Any) -> None:
        self.told.append(("enter", index))

    def before_step(self, index: int, optimizer: Any, closure: bool) -> None:
        self.told.append(("before", index))
        pairs = [(weight, group) for group in optimizer.optimizer.param_groups for weight in group["params"]]
        self.starts.append(before(optimizer.optimizer, enumerate_all(pairs), SGD_LAW, True, closure))

    def step(self, index: int, optimizer: Any) -> None:
        self.told.append(("after", index))
        assert all(sample.elasticity == pytest.approx(1.0, abs=1e-6) for sample in after(self.starts.pop()))


@pytest.mark.parametrize("kind", [torch.optim.SGD, Parental, Foreign], ids=lambda k: k.__name__)
def test_an_injection_is_not_told_of_trial_steps(kind: type[torch.optim.Optimizer]):
    looker = Looker()
    with inject(Injection(), looker):
        looked_at(kind, None, steps=2)
    assert looker.told == [("enter", 0), ("before", 0), ("after", 0), ("before", 0), ("after", 0)]
