"""Settings and the mode of a plateau: as if the user had written the other value."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Rprop
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.treatments.treat import treat
from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import STEPS, closed, copies, loop, same, scaled, seeded, treated


def setting(name: str, factor: float | None = None, value: float | None = None, optimizer: int | None = 0) -> Treatment:
    return Treatment("setting", name, optimizer, factor, value)


CASES = [
    ("eps", 0.25, None, lambda p, v=2e-3: Adam(p, lr=1e-2, eps=v), dict(v=5e-4)),
    ("eps", None, 5e-4, lambda p, v=2e-3: Adam(p, lr=1e-2, eps=v), dict(v=5e-4)),
    ("eps", 0.25, None, lambda p, v=2e-3: Adam(p, lr=1e-2, eps=v, fused=True), dict(v=5e-4)),
    ("eps", 0.25, None, lambda p, v=2e-3: Adam(p, lr=1e-2, eps=v, foreach=True), dict(v=5e-4)),
    ("betas[1]", None, 0.9, lambda p, v=0.999: AdamW(p, lr=1e-2, betas=(0.8, v)), dict(v=0.9)),
    ("weight_decay", None, 0.125, lambda p, v=0.0: SGD(p, lr=0.1, weight_decay=v), dict(v=0.125)),
    ("lr", 2.0, None, lambda p, v=1e-2: Adam(p, lr=torch.tensor(v), eps=1e-3), dict(v=2e-2)),
    ("lr", None, 2e-2, lambda p, v=1e-2: Adam(p, lr=torch.tensor(v), eps=1e-3), dict(v=2e-2)),
    ("lr", 4.0, None, lambda p, v=1e-2: Rprop(p, lr=v), dict(v=4e-2)),
    (
        "initial_accumulator_value",
        0.25,
        None,
        lambda p, v=0.5: Adagrad(p, lr=0.1, initial_accumulator_value=v),
        dict(v=0.125),
    ),
    ("lr", 2.0, None, lambda p, v=0.5: Adagrad(p, lr=v, initial_accumulator_value=0.5), dict(v=1.0)),
]


@pytest.mark.parametrize(("name", "factor", "value", "optimizer_of", "other"), CASES)
def test_a_treated_setting_is_the_setting_of_the_constructor(
    name: str, factor: float | None, value: float | None, optimizer_of: Any, other: dict[str, float]
):
    by_hand = loop(lambda p: optimizer_of(p, **other))
    assert same(treated(lambda: loop(optimizer_of), setting(name, factor, value)), by_hand)
    assert not same(loop(optimizer_of), by_hand)


def test_two_settings_at_once_and_one_of_them_in_every_optimizer():
    def train(lr: float = 0.125, eps: float = 2e-3):
        return [
            *loop(lambda p: Adam(p, lr=lr, eps=eps)),
            *loop(lambda p: SGD(p, lr=lr)),
        ]

    found = treated(train, setting("eps", 0.25), setting("lr", 2.0, optimizer=None))
    assert same(found, train(0.25, 5e-4))


def test_only_the_optimizer_that_is_meant():
    def train(second: float = 0.1):
        return [*loop(lambda p: SGD(p, lr=0.1)), *loop(lambda p: SGD(p, lr=second))]

    assert same(treated(train, setting("lr", value=0.05, optimizer=1)), train(0.05))


def test_groups_keep_their_differences():
    def optimizer_of(parameters: Any, factor: float = 1.0):
        first, *rest = parameters
        return Adam([{"params": [first], "eps": factor * 2e-3}, {"params": rest, "eps": factor * 0.5}], lr=1e-2)

    assert same(treated(lambda: loop(optimizer_of), setting("eps", 0.25)), loop(lambda p: optimizer_of(p, 0.25)))


def test_schedules_go_on_with_the_users_value():
    rates: list[float] = []

    def train(lr: float = 0.25):
        model, x, y = seeded()
        optimizer = SGD(model.parameters(), lr=lr, momentum=0.9)
        schedule = StepLR(optimizer, 5, 0.5)
        for _ in range(STEPS):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            schedule.step()
            rates.append(optimizer.param_groups[0]["lr"])
        return copies(model.parameters())

    found = treated(train, setting("lr", 0.25))
    assert rates[-1] == 0.25 / 16
    assert same(found, train(0.0625))


def test_with_a_scaler_and_with_closures():
    assert same(
        treated(lambda: scaled(lambda p: Adam(p, lr=1e-2, eps=2e-3)), setting("eps", 0.25)),
        scaled(lambda p: Adam(p, lr=1e-2, eps=5e-4)),
    )
    slow, fast = (lambda p, lr=lr: LBFGS(p, lr=lr, max_iter=4) for lr in (0.25, 0.5))
    assert same(treated(lambda: closed(slow), setting("lr", 2.0)), closed(fast))
    assert not same(closed(slow), closed(fast))


def test_a_setting_is_the_users_again_after_an_error():
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.5)

    def closure():
        assert optimizer.param_groups[0]["lr"] == 1.0
        raise KeyError

    with pytest.raises(KeyError), treat([setting("lr", 2.0)]):
        optimizer.step(closure)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_a_setting_the_optimizer_does_not_have_is_refused_where_it_is_meant():
    with pytest.raises(InputError, match=r"optimizer 0, SGD, has no setting 'eps' to change; expected one of lr, "):
        treated(lambda: loop(lambda p: SGD(p, lr=0.1)), setting("eps", 2.0))
    unchanged = treated(lambda: loop(lambda p: SGD(p, lr=0.1)), setting("eps", 2.0, optimizer=None))
    assert same(unchanged, loop(lambda p: SGD(p, lr=0.1)))


def test_a_loaded_state_is_not_mistaken_for_a_filled_one():
    tensor = torch.ones(2, requires_grad=True)
    optimizer = Adam([tensor], lr=1.0)
    optimizer.state[tensor] = {
        "step": torch.tensor(1.0),
        "exp_avg": torch.tensor([1.0, 2.0]),
        "exp_avg_sq": torch.tensor([1.0, 4.0]),
    }
    tensor.grad = torch.zeros(2)
    with treat([setting("lr", 2.0)]):
        optimizer.step()
    assert optimizer.state[tensor]["step"] == 2.0


def test_the_mode_of_a_plateau():
    def train(mode: Any = "abs"):
        model, x, y = seeded()
        optimizer = SGD(model.parameters(), lr=0.1)
        schedule = ReduceLROnPlateau(optimizer, patience=0, threshold=0.01, threshold_mode=mode)
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            schedule.step(loss.item() * 1e-3)
        assert schedule.threshold_mode == mode
        return copies(model.parameters())

    assert same(treated(train, Treatment("plateau-mode", choice="rel")), train("rel"))
    assert not same(train(), train("rel"))
