"""The injection on its own: what it changes, what it leaves alone, and that nothing of it remains."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch.autograd import graph
from torch.nn.utils import clip_grad, clip_grad_norm_
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.optimizer import _global_optimizer_pre_hooks

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.injection.inject import inject
from lossgauge.frameworks.torch.injection.patches import enclosed
from lossgauge.records.injection import Injection
from lossgauge.trainings.recorder import Recorder, Watch
from tests.trainings import examples
from tests.trainings.laws import LAWS

TWICE = Injection(Fraction(2), (LAWS["SGD"],))


def recorder() -> Recorder:
    return Recorder(Watch())


def leaf(value: float = 1.0) -> torch.Tensor:
    return torch.full((2,), value, requires_grad=True)


def state() -> list[Any]:
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    scaler = torch.amp.GradScaler
    cells = [enclosed(f) for f in (clip_grad._clip_grads_with_norm_, clip_grad_norm_, SGD.step, Adam.step)]
    patched = [vars(scaler)[n] for n in ("_lazy_init_scale_growth_tracker", "load_state_dict", "update", "get_scale")]
    start = vars(torch.autograd)["_engine_run_backward"]
    held = [cell and cell.cell_contents for cell in cells]
    return [start, plateau.step, *patched, *held, len(_global_optimizer_pre_hooks)]


TRAININGS = [
    examples.sgd,
    examples.adam,
    examples.adagrad,
    examples.nadam_clipped_by_norm,
    examples.mixed_precision,
    examples.lbfgs,
    examples.closed,
    examples.plateau,
    examples.checkpointed,
]


def weights(found: Any) -> list[torch.Tensor]:
    model = found["model"] if isinstance(found, dict) else found[0] if isinstance(found, tuple) else found
    return list(model.parameters())


@pytest.mark.parametrize("train", TRAININGS)
def test_an_observed_training_has_the_bits_of_an_unobserved_one(train: Any):
    alone = train()
    with inject(Injection(), recorder()):
        observed = train()
    assert all(torch.equal(a, b) for a, b in zip(weights(alone), weights(observed), strict=True))
    if isinstance(alone, tuple):
        assert alone[1:] == observed[1:]


def test_what_the_user_reads_is_in_the_users_units():
    """Losses a closure returned, the best loss of a plateau, learning rates and the scale of mixed precision."""
    for train, name, read in [
        (examples.closed, "SGD", lambda found: found[1]),
        (examples.plateau, "Adam", lambda found: found[1:]),
        (examples.mixed_precision, "AdamW", lambda found: found["scale"]),
    ]:
        alone = train()
        with inject(Injection(Fraction(2) ** 17, (LAWS[name],)), recorder()):
            twin = train()
        assert read(alone) == read(twin)


def test_nothing_remains():
    examples.adam()
    examples.sgd()
    before = state()
    with inject(TWICE, recorder()):
        for train in (examples.sgd, examples.adam, examples.mixed_precision):
            train()
        assert state() != before
    assert state() == before


def test_nothing_remains_after_an_error():
    examples.adam()
    examples.sgd()
    before = state()
    optimizer = SGD([leaf()], lr=0.1)

    def closure():
        raise KeyError("the user's own mistake")

    with pytest.raises(KeyError), inject(TWICE, recorder()):
        optimizer.step(closure)
    assert state() == before
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_the_gradient_is_multiplied_once():
    tensor = leaf()
    with inject(TWICE, recorder()):
        (3 * tensor).sum().backward()
        torch.autograd.backward([(3 * tensor).sum(), 3 * tensor], [None, torch.ones(2)])
        assert torch.equal(torch.autograd.grad((3 * tensor).sum(), tensor)[0], torch.full((2,), 3.0))
    assert tensor.grad is not None
    assert torch.equal(tensor.grad, torch.full((2,), 18.0))


def test_a_backward_inside_a_backward_is_not_multiplied_again():
    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, given: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(given)
            return given * 3

        @staticmethod
        def backward(ctx: Any, *slopes: torch.Tensor) -> Any:
            inner = ctx.saved_tensors[0].detach().requires_grad_()
            with torch.enable_grad():
                torch.autograd.backward(inner * 3, slopes[0])
            return inner.grad

    watching, tensor = recorder(), leaf()
    with inject(TWICE, watching):
        outcome: Any = Inner.apply(tensor)
        outcome.sum().backward()
    assert tensor.grad is not None
    assert torch.equal(tensor.grad, torch.full((2,), 6.0))
    assert watching.run.backwards == 1


def test_a_subset_leaves_everything_else_alone():
    injection = Injection(Fraction(2), (LAWS["SGD"],), co_scaled=frozenset({"SGD.weight_decay"}))
    law = injection.law_at(0)
    assert law is not None
    assert law.carriers == {"weight_decay": 1}
    assert injection.companion("max_norm") == 0
    assert Injection.from_dict(injection.to_dict()) == injection


def test_a_planted_violation_puts_one_exponent_off():
    injection = replace(TWICE, planted={"SGD.lr": Fraction(-1), "max_norm": Fraction(1)})
    law = injection.law_at(0)
    assert law is not None
    assert law.exponents == {**LAWS["SGD"].exponents, "lr": -2}
    assert injection.companion("max_norm") == 2
    assert Injection.from_dict(injection.to_dict()) == injection


def test_a_relative_threshold_stays_and_an_absolute_one_moves():
    for mode, expected in (("rel", []), ("abs", ["threshold"])):
        watching = recorder()
        schedule = ReduceLROnPlateau(SGD([leaf()], lr=0.5), threshold_mode=mode)  # pyright: ignore[reportArgumentType]
        with inject(TWICE, watching):
            schedule.step(3.0)
        assert (schedule.best, schedule.threshold) == (3.0, 1e-4)
        assert list(watching.run.thresholds) == expected


def test_a_scale_that_is_loaded_or_set_is_the_users_own():
    with inject(TWICE, recorder()):
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        assert float(scaler.scale(torch.tensor(1.0))) == 4.0
        scaler.load_state_dict({**scaler.state_dict(), "scale": 16.0})
        assert (float(scaler.scale(torch.tensor(1.0))), scaler.get_scale()) == (8.0, 16.0)
        scaler.update(32.0)
        assert (float(scaler.scale(torch.tensor(1.0))), scaler.get_scale()) == (16.0, 32.0)


def test_a_multiplier_beyond_the_numbers_is_refused():
    for alpha in (Fraction(10) ** 400, Fraction(1, 10**400)):
        with pytest.raises(InputError, match="beyond the floating-point numbers"), inject(Injection(alpha), recorder()):
            pass


def test_torch_still_has_the_places_that_are_replaced():
    assert vars(torch.autograd)["_engine_run_backward"] is graph._engine_run_backward
    assert enclosed(clip_grad_norm_) is not None
    assert enclosed(lambda: None) is None
