"""What is recorded of an optimizer, run on stacked tensors, has the bits of the optimizer itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lossgauge.frameworks.torch.stacking.program import GRADIENT, Operation, Program, Recording, Unstackable
from lossgauge.frameworks.torch.stacking.recording import record
from lossgauge.frameworks.torch.stacking.replicated import Divided
from lossgauge.frameworks.torch.stacking.serial import build_optimizer
from lossgauge.frameworks.torch.stacking.updates import StackedUpdate
from lossgauge.records.sweep import Setting
from tests.frameworks.torch.stacking.workshop import HERE

STEPS, SIZE = 12, 37
TORCH = "torch.optim:"

CASES = {
    "descent": ("SGD", dict(lr=0.1), dict(lr=0.3)),
    "momentum": ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.1), dict(lr=0.3, momentum=0.5, dampening=0.2)),
    "nesterov": ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True), dict(lr=0.2, momentum=0.8, nesterov=True)),
    "adam": ("Adam", dict(lr=0.1, betas=(0.9, 0.99)), dict(lr=0.2, betas=(0.8, 0.9))),
    "adam coupled": ("Adam", dict(lr=0.1, weight_decay=0.1, eps=1e-3), dict(lr=0.1, weight_decay=0.3, eps=1e-8)),
    "amsgrad": ("Adam", dict(lr=0.1, amsgrad=True, maximize=True), dict(lr=0.2, amsgrad=True, maximize=True)),
    "adamw": ("AdamW", dict(lr=0.1), dict(lr=0.2)),
    "nadam": ("NAdam", dict(lr=0.1, momentum_decay=4e-3), dict(lr=0.2, momentum_decay=1e-2)),
    "radam": ("RAdam", dict(lr=0.1, betas=(0.9, 0.999)), dict(lr=0.2, betas=(0.8, 0.999))),
    "adamax": ("Adamax", dict(lr=0.1), dict(lr=0.2)),
    "rmsprop": ("RMSprop", dict(lr=0.1, momentum=0.9, centered=True), dict(lr=0.2, momentum=0.5, centered=True)),
    "adagrad": ("Adagrad", dict(lr=0.1, initial_accumulator_value=0.1, lr_decay=0.1),
                dict(lr=0.2, initial_accumulator_value=0.2, lr_decay=0.2)),
    "adadelta": ("Adadelta", dict(lr=0.1), dict(lr=0.2)),
    "asgd": ("ASGD", dict(lr=0.1, lambd=0.1, t0=5.0), dict(lr=0.2, lambd=0.2, t0=5.0)),
    "rprop": ("Rprop", dict(lr=0.1, etas=(0.5, 1.2)), dict(lr=0.2, etas=(0.4, 1.5))),
}  # fmt: skip


def stacked(settings: list[Setting], gradients: torch.Tensor, recording: Recording | None = None) -> torch.Tensor:
    dtype = gradients.dtype
    recording = recording or record(settings, SIZE, STEPS, dtype)
    update = StackedUpdate(recording, range(len(settings)), torch.linspace(-1, 1, SIZE, dtype=dtype).repeat(2, 1))
    for step in range(STEPS):
        update.gradient.copy_(gradients[step])
        update.step(step)
    return update.slots[0]


def alone(setting: Setting, gradients: torch.Tensor) -> torch.Tensor:
    weight = torch.nn.Parameter(torch.linspace(-1, 1, SIZE, dtype=gradients.dtype))
    optimizer = build_optimizer(setting, [weight])
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def random_gradients(dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(STEPS, 2, SIZE, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
def test_stacked_steps_have_the_bits_of_single_ones(case, dtype):
    name, *chosen = CASES[case]
    settings = [Setting(TORCH + name, hyperparameters) for hyperparameters in chosen]
    gradients = random_gradients(dtype)
    together = stacked(settings, gradients)
    for place, setting in enumerate(settings):
        assert torch.equal(together[place], alone(setting, gradients[:, place]))


def test_third_party_code_that_keeps_gradients_and_swaps_states():
    settings = [Setting(f"{HERE}:KeepsGradient", {"lr": 0.1, "blend": b}) for b in (0.25, 0.75)]
    gradients = random_gradients(torch.float64)
    together = stacked(settings, gradients)
    for place, setting in enumerate(settings):
        assert torch.allclose(together[place], alone(setting, gradients[:, place]), rtol=1e-14, atol=1e-14)


def test_the_comparison_notices_an_operation_gone_wrong():
    name, *chosen = CASES["adam"]
    settings = [Setting(TORCH + name, hyperparameters) for hyperparameters in chosen]
    gradients = random_gradients(torch.float32)
    good = record(settings, SIZE, STEPS, torch.float32)
    for place in good.programs[1].needed():
        operation = good.programs[1].operations[place]
        if operation.name not in ("mul", "add"):
            continue
        other = Operation({"mul": "div", "add": "sub"}[operation.name], operation.operands)
        operations = (*good.programs[1].operations[:place], other, *good.programs[1].operations[place + 1 :])
        bad = replace(good, programs=[good.programs[0], replace(good.programs[1], operations=operations)])
        assert not torch.equal(stacked(settings, gradients, bad)[0], alone(settings[0], gradients[:, 0]))


def test_the_comparison_notices_scalars_in_single_precision():
    """Bias corrections computed in float32 are off by 2e-5 in the first steps: the trap this design avoids."""
    settings = [Setting(TORCH + "Adam", {"lr": lr}) for lr in (0.1, 0.2)]
    gradients = random_gradients(torch.float32)
    good = record(settings, SIZE, STEPS, torch.float32)
    beta = np.float32(0.999)
    rough = [np.where(rows == 1 - 0.999, float(np.float32(1) - beta), rows) for rows in good.scalars]
    assert torch.equal(stacked(settings, gradients)[0], alone(settings[0], gradients[:, 0]))
    bad = stacked(settings, gradients, replace(good, scalars=rough))
    assert not torch.equal(bad[0], alone(settings[0], gradients[:, 0]))


def test_programs_follow_conditions_on_the_step():
    recording = record([Setting(TORCH + "RAdam")], SIZE, STEPS, torch.float32)
    assert recording.steps[:7] == [0, 1, 1, 1, 1, 2, 2]
    assert len(recording.programs) == 3


def test_scalars_that_stay_the_same_are_kept_once():
    recording = record([Setting(TORCH + "SGD", {"lr": 0.1, "momentum": 0.9})], SIZE, 50, torch.float32)
    assert len({id(rows) for rows in recording.scalars}) == 2


def test_dead_operations_are_left_out():
    program = Program(2, 2, (Operation("neg", (("value", 0),)), Operation("abs", (("value", 1),))), (3, 1))
    assert program.needed() == [1]


def test_a_new_slot_is_a_change_even_where_numbers_coincide():
    """Slot 2 did not exist before and holds value 2, the result of the first operation."""
    program = Program(3, 2, (Operation("neg", (("value", GRADIENT),)),), (0, 1, 2))
    assert program.changes == [(2, 2)]


@pytest.mark.parametrize("target", [
    TORCH + "LBFGS", TORCH + "Adafactor", f"{HERE}:Centred", f"{HERE}:ByShape", "tests.zoo.trust_ratio:LarsWhere",
])  # fmt: skip
def test_what_is_not_elementwise_is_refused_or_left_to_the_trial(target):
    setting = Setting(target, {"lr": 0.1})
    if target.endswith("ByShape"):
        assert record([setting], SIZE, 2, torch.float32).programs  # calls alone do not show it: see test_trial
        return
    with pytest.raises(Unstackable):
        record([setting], SIZE, 2, torch.float32)


def test_settings_that_take_different_branches_are_divided():
    settings = [Setting(f"{HERE}:Thresholded", {"power": p}) for p in (0.5, 1.0, 0.9)]
    with pytest.raises(Divided) as caught:
        record(settings, SIZE, 2, torch.float32)
    assert caught.value.mask.tolist() == [False, True, True]


def test_recording_leaves_python_as_it_was():
    import gc
    import math

    before = math.sqrt, gc.isenabled(), torch.get_default_dtype()
    with pytest.raises(Unstackable):
        record([Setting(TORCH + "LBFGS")], SIZE, 2, torch.float64)
    assert (math.sqrt, gc.isenabled(), torch.get_default_dtype()) == before
