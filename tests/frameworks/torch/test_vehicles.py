import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import lr_scheduler

from lossgauge.frameworks.torch.signatures import read_signature
from lossgauge.frameworks.torch.vehicles import (
    SCHEDULES,
    ClippedDescent,
    ScheduledDescent,
    clip_factory,
    schedule_factory,
)


def weights(gradient: float) -> list[torch.nn.Parameter]:
    weight = torch.nn.Parameter(torch.zeros(4))
    weight.grad = torch.full((4,), gradient)
    return [weight]


@pytest.mark.parametrize(
    ("function", "threshold", "clipped"), [(clip_grad_value_, "clip_value", 2.0), (clip_grad_norm_, "max_norm", 1.0)]
)
def test_gradients_are_clipped_before_the_step(function: Callable[..., Any], threshold: str, clipped: float):
    descent = clip_factory(function)(params := weights(8.0), lr=0.5, **{threshold: 2.0})
    assert isinstance(descent, ClippedDescent)
    descent.step()
    assert torch.allclose(params[0].detach(), torch.full((4,), -0.5 * clipped), rtol=1e-6)


def test_small_gradients_pass():
    clip_factory(clip_grad_value_)(params := weights(1.0), lr=0.5).step()
    assert torch.equal(params[0].detach(), torch.full((4,), -0.5))


def test_the_signature_is_the_function_s_own_with_a_rate():
    settings = read_signature("m:n", clip_factory(clip_grad_norm_))
    assert list(settings)[:3] == ["lr", "max_norm", "norm_type"]
    assert (settings["max_norm"].default, settings["max_norm"].kind) == (2.0, "number")
    assert settings["lr"].default == 0.1
    assert clip_factory(clip_grad_norm_).__module__ == "torch.nn.utils.clip_grad"


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_moves_the_rate_and_the_weights(name: str):
    factory = schedule_factory(getattr(lr_scheduler, name))
    descent = factory(params := weights(1.0))
    assert isinstance(descent, ScheduledDescent)
    rates: list[float] = []
    for loss in [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]:
        descent.step(lambda loss=loss: torch.tensor(loss))
        rates.append(descent.param_groups[0]["lr"])
    assert len(set(rates)) > 1, "the loss only rises, so a plateau scheduler acts too"
    assert not torch.equal(params[0].detach(), torch.zeros(4))
    own = set(read_signature("m:n", factory))
    assert set(SCHEDULES[name]) <= own
    assert not {"last_epoch", "verbose", "optimizer"} & own


def test_a_schedule_may_ride_on_another_optimizer():
    descent = schedule_factory(lr_scheduler.CosineAnnealingLR, "Adam")(weights(1.0), lr=0.3, eta_min=0.1)
    assert isinstance(descent.optimizer, torch.optim.Adam)
    assert descent.param_groups[0]["lr"] == 0.3
    assert descent.schedule.eta_min == 0.1
    assert inspect.signature(schedule_factory(lr_scheduler.CosineAnnealingLR)).parameters["eta_min"].default == 0.01


def test_only_a_plateau_scheduler_is_fed_the_loss():
    fed: list[float] = []

    class Plateau:
        def step(self, metrics: float) -> None:
            fed.append(metrics)

    optimizer = torch.optim.SGD(weights(1.0), lr=0.1)
    ScheduledDescent(optimizer, Plateau()).step(lambda: torch.tensor(2.5))
    assert fed == [2.5]
