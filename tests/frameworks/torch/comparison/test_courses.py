"""Trainings on copies: the same, bit for bit, as without anybody looking."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lossgauge.errors import InputError, ScriptError
from lossgauge.frameworks.torch.comparison.bench import Bench, prepare
from lossgauge.frameworks.torch.comparison.courses import SEED, build, follow, steps_of_interest
from tests.frameworks.torch.comparison.arrangements import (
    make_batches,
    noisy_model,
    plain_model,
    remember,
    unchanged,
)


class Ignoring(torch.optim.SGD):
    """As many people write it: the step takes no closure."""

    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] the very thing under test
        super().step()


class Failing(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:
        raise ZeroDivisionError


def arrange(model: Any, losses: tuple[Any, Any] = ("mse", "mae")) -> Bench:
    return prepare(*losses, model, make_batches(), 32)


def train_by_hand(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> nn.Module:
    for step in range(1, steps + 1):
        torch.manual_seed(SEED + step)
        given, target = make_batches()[(step - 1) % 3]
        optimizer.zero_grad()
        functional.mse_loss(model(given), target).backward()
        optimizer.step()
    return model


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_which_steps_are_looked_at():
    assert steps_of_interest(200) == [1, 2, 5, 10, 20, 50, 100, 200]
    assert steps_of_interest(7) == [1, 2, 5, 7]
    assert steps_of_interest(1) == [1]
    assert steps_of_interest(0) == []


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD, Ignoring])
def test_looking_does_not_change_the_training(kind: Any):
    original = noisy_model()
    bench = arrange(original)
    model, optimizer = build(bench, lambda weights: kind(weights, lr=0.05), {})
    points, diverged = follow(bench, model, optimizer, "a", 12, lambda stage: None)
    assert diverged is None
    assert [point.step for point in points] == [1, 2, 5, 10, 12]
    other = noisy_model()
    train_by_hand(other, kind(other.parameters(), lr=0.05), 12)
    assert same_weights(model, other)
    assert not same_weights(model, original)
    shorter = noisy_model()
    assert not same_weights(model, train_by_hand(shorter, kind(shorter.parameters(), lr=0.05), 11))


def test_a_live_optimizer_goes_on_with_its_state_and_stays_as_it_is():
    model = plain_model()
    live = torch.optim.Adam(model.parameters(), lr=0.05)
    train_by_hand(model, live, 4)
    before, moments = remember(model), live.state[next(model.parameters())]["exp_avg"].clone()
    bench = arrange(model)
    copied, optimizer = build(bench, live, {})
    follow(bench, copied, optimizer, "a", 6, lambda stage: None)
    assert unchanged(before, model)
    assert torch.equal(live.state[next(model.parameters())]["exp_avg"], moments)
    own = {id(weight) for weight in copied.parameters()}
    assert all(id(weight) in own for group in optimizer.param_groups for weight in group["params"])
    fresh = build(bench, lambda weights: torch.optim.Adam(weights, lr=0.05), {})
    follow(bench, *fresh, "a", 6, lambda stage: None)
    train_by_hand(model, live, 6)
    assert same_weights(copied, model)
    assert not same_weights(fresh[0], model), "without its state it would have gone elsewhere"


def test_named_optimizers_and_their_settings():
    bench = arrange(plain_model)
    _, optimizer = build(bench, "nadam", {"lr": 0.5, "betas[0]": 0.8, "betas[1]": 0.99})
    assert type(optimizer) is torch.optim.NAdam
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.99)


def test_a_line_search_is_given_its_closure():
    bench = prepare("mse", "mae", plain_model, make_batches((12,)), 32)
    points, diverged = follow(bench, *build(bench, "lbfgs", {}), "a", 3, lambda stage: None)
    assert diverged is None
    assert points[-1].value_a < 0.9 * points[0].value_a


def test_the_second_loss_leads_elsewhere():
    bench = arrange(plain_model)
    ends = {}
    for along in ("a", "b"):
        points, _ = follow(bench, *build(bench, "sgd", {"lr": 0.1}), along, 30, lambda stage: None)
        ends[along] = points[-1]
    assert ends["a"].value_a < ends["b"].value_a


def test_a_training_that_diverges_ends():
    bench = arrange(plain_model)
    said: list[str] = []
    points, diverged = follow(bench, *build(bench, "sgd", {"lr": 1e12}), "a", 100, said.append)
    assert diverged is not None
    assert 1 < diverged < 100
    assert [point.step for point in points] == [step for step in steps_of_interest(100) if step < diverged]
    assert len(said) == len(points)
    assert said[0] == "trained with mse for 1 of 100 steps"


@pytest.mark.parametrize(
    ("optimizer", "settings", "message"),
    [
        (torch.optim.SGD([torch.zeros(1)]), {}, "holds weights that are not of Sequential"),
        ("adm", {}, "did you mean 'Adam'?"),
        ("adam", {"lr": -1}, "the optimizer adam cannot be made: Invalid learning rate"),
        (3, {}, "expected a name, a function of the weights or a live optimizer"),
        (lambda weights: 3, {}, "makes int"),
    ],
)
def test_what_is_no_optimizer(optimizer: Any, settings: dict[str, Any], message: str):
    with pytest.raises(InputError, match=re.escape(message)):
        build(arrange(plain_model), optimizer, settings)


def test_settings_of_a_live_optimizer_are_its_own():
    model = plain_model()
    with pytest.raises(InputError, match="set in its param_groups"):
        build(arrange(model), torch.optim.SGD(model.parameters()), {"lr": 1.0})


def test_an_optimizer_that_fails_keeps_its_traceback():
    bench = arrange(plain_model)
    with pytest.raises(ScriptError, match="Failing failed in step 1") as caught:
        follow(bench, *build(bench, Failing, {}), "a", 3, lambda stage: None)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_random_numbers_of_the_user_stay():
    state = torch.random.get_rng_state()
    bench = arrange(noisy_model)
    assert not torch.equal(torch.rand(1), torch.rand(1)), "drawing would have been seen"
    torch.random.set_rng_state(state)
    follow(bench, *build(bench, "sgd", {}), "b", 3, lambda stage: None)
    assert torch.equal(state, torch.random.get_rng_state())


def test_both_trainings_draw_the_same_masks():
    def scaled(output: Tensor, target: Tensor) -> Tensor:
        return 4 * functional.mse_loss(output, target)

    bench = arrange(noisy_model, ("mse", scaled))
    models = []
    for along, rate in (("a", 0.1), ("b", 0.025), ("b", 0.05)):
        model, optimizer = build(bench, "sgd", {"lr": rate})
        follow(bench, model, optimizer, along, 9, lambda stage: None)
        models.append(model)
    assert same_weights(models[0], models[1])
    assert not same_weights(models[0], models[2])
