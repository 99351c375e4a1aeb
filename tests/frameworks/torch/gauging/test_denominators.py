"""√v̂ of every optimizer against the formula written down once more, by hand, from the gradients alone."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lossgauge.frameworks.torch.gauging.denominators import (
    FACTORS,
    Moments,
    denominator,
    factored,
    moments_of,
    signal,
)
from lossgauge.laws.law import Law
from lossgauge.laws.table import read_table

STEPS = 7
GRADIENTS = torch.randn(STEPS, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def average(values: torch.Tensor, beta: float) -> torch.Tensor:
    state = torch.zeros_like(values[0])
    for value in values:
        state = beta * state + (1 - beta) * value
    return state


def corrected(beta: float) -> torch.Tensor:
    return average(GRADIENTS**2, beta) / (1 - beta**STEPS)


def centered() -> torch.Tensor:
    return average(GRADIENTS**2, 0.99) - average(GRADIENTS, 0.99) ** 2


def largest() -> torch.Tensor:
    raw = [average(GRADIENTS[: t + 1] ** 2, 0.9) for t in range(STEPS)]
    return torch.stack(raw).amax(0) / (1 - 0.9**STEPS)


def adafactor() -> torch.Tensor:
    row, column = torch.zeros(5, 1, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.float64)
    for t, gradient in enumerate(GRADIENTS, 1):
        share = t**-0.8
        row = row + share * ((gradient**2).mean(1, keepdim=True) - row)
        column = column + share * ((gradient**2).mean(0, keepdim=True) - column)
    return row @ column / row.mean()


SQUARES: dict[str, tuple[str, dict[str, Any], Callable[[], torch.Tensor]]] = {
    "Adam": ("Adam", {}, lambda: corrected(0.999)),
    "Adam fused": ("Adam", dict(fused=True), lambda: corrected(0.999)),
    "Adam foreach": ("Adam", dict(foreach=True, betas=(0.5, 0.8)), lambda: corrected(0.8)),
    "Adam amsgrad": ("Adam", dict(amsgrad=True, betas=(0.9, 0.9)), largest),
    "AdamW": ("AdamW", {}, lambda: corrected(0.999)),
    "NAdam": ("NAdam", {}, lambda: corrected(0.999)),
    "RAdam": ("RAdam", {}, lambda: corrected(0.999)),
    "Adamax": ("Adamax", dict(betas=(0.9, 0.0), eps=0.5), lambda: (GRADIENTS[-1].abs() + 0.5) ** 2),
    "RMSprop": ("RMSprop", {}, lambda: average(GRADIENTS**2, 0.99)),
    "RMSprop centered": ("RMSprop", dict(centered=True, momentum=0.5), centered),
    "Adagrad": ("Adagrad", dict(initial_accumulator_value=2.0), lambda: 2.0 + (GRADIENTS**2).sum(0)),
    "Adadelta": ("Adadelta", {}, lambda: average(GRADIENTS**2, 0.9)),
    "Adafactor": ("Adafactor", {}, adafactor),
}


def stepped(name: str, settings: dict[str, Any], steps: int = STEPS) -> tuple[torch.optim.Optimizer, torch.Tensor]:
    weight = torch.nn.Parameter(torch.ones(5, 4, dtype=torch.float64))
    optimizer = getattr(torch.optim, name)([weight], **settings)
    for gradient in GRADIENTS[:steps]:
        weight.grad = gradient.clone()
        optimizer.step()
    return optimizer, weight


def law_of(optimizer: torch.optim.Optimizer) -> Law:
    return read_table()[f"torch.optim:{type(optimizer).__name__}"].law_for(optimizer.param_groups[0])


def found(optimizer: torch.optim.Optimizer, law: Law | None) -> tuple[Moments, dict[str, np.ndarray], float]:
    group = optimizer.param_groups[0]
    weight = group["params"][0]
    moments, state = moments_of(optimizer, group, weight, law), optimizer.state[weight]
    states = {name: state[name].numpy().reshape(-1) for name in moments.names}
    if FACTORS[0] in states:
        states[FACTORS[0]] = factored(states[FACTORS[0]], states[FACTORS[1]], (5, 4), np.arange(20))
    return moments, states, float(state.get("step", 0))


@pytest.mark.parametrize("case", SQUARES)
def test_the_denominator_is_the_one_the_step_uses(case: str):
    name, settings, square = SQUARES[case]
    optimizer, _ = stepped(name, settings)
    value = denominator(*found(optimizer, law_of(optimizer)))
    assert value == pytest.approx(square().sqrt().numpy().reshape(-1), rel=1e-9)


@pytest.mark.parametrize("case", ["Adam", "Adam fused", "Adam foreach", "Adam amsgrad", "AdamW", "NAdam", "RAdam"])
def test_a_missing_bias_correction_would_be_seen(case: str):
    name, settings, square = SQUARES[case]
    optimizer, _ = stepped(name, settings)
    moments, states, step = found(optimizer, law_of(optimizer))
    value = denominator(replace(moments, corrected=False), states, step)
    assert value != pytest.approx(square().sqrt().numpy().reshape(-1), rel=1e-3)


@pytest.mark.parametrize("name", ["SGD", "ASGD", "Rprop", "LBFGS"])
def test_optimizers_without_a_second_moment_have_none(name: str):
    optimizer, weight = stepped("SGD" if name == "LBFGS" else name, dict(lr=0.1))
    moments = moments_of(optimizer, optimizer.param_groups[0], weight, law_of(optimizer))
    assert moments.used == ""
    assert denominator(moments, {}, 3.0) is None
    assert signal(moments, {}, 3.0) is None


def test_the_first_steps_of_radam_have_no_denominator():
    early, _ = stepped("RAdam", {}, 5)
    late, _ = stepped("RAdam", {}, 6)
    assert denominator(*found(early, law_of(early))) is None
    assert denominator(*found(late, law_of(late))) is not None


def test_well_known_names_do_without_a_law():
    optimizer, _ = stepped("Adam", {})
    assert denominator(*found(optimizer, None)) == pytest.approx(corrected(0.999).sqrt().numpy().reshape(-1))


def test_an_optimizer_nobody_knows_is_read_by_its_law():
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.param_groups[0] |= {"betas": (0.5, 0.75), "epsilon": 1e-3}
    optimizer.state[weight] = {"curvature": torch.full((3,), 7.0), "step": 2}
    law = replace(law_of(optimizer), states={"curvature": 2})
    moments = moments_of(optimizer, optimizer.param_groups[0], weight, law)
    assert denominator(moments, {"curvature": np.full(3, 7.0)}, 2.0) == pytest.approx(4.0)
    assert moments.threshold(2.0) == 1e-3
    optimizer.param_groups[0]["correct_bias"] = False
    moments = moments_of(optimizer, optimizer.param_groups[0], weight, law)
    assert denominator(moments, {"curvature": np.full(3, 7.0)}, 2.0) == pytest.approx(math.sqrt(7.0))


EPSILONS = {
    "Adam": 1e-3,
    "Adagrad": 1e-3,
    "RMSprop": 1e-3,
    "Adadelta": math.sqrt(1e-3),  # inside the root
    "RAdam": 1e-3 / math.sqrt(1 - 0.999**STEPS),  # before the bias correction
    "Adamax": 2e-3,  # inside the maximum
}


@pytest.mark.parametrize("name", EPSILONS)
def test_epsilon_is_compared_where_it_stands(name: str):
    optimizer, _ = stepped(name, dict(eps=1e-3))
    moments, _, step = found(optimizer, law_of(optimizer))
    assert moments.threshold(step) == pytest.approx(EPSILONS[name])


def test_adafactors_floor():
    optimizer, _ = stepped("Adafactor", {})
    assert found(optimizer, law_of(optimizer))[0].threshold(STEPS) == torch.finfo(torch.float64).eps
    optimizer, _ = stepped("Adafactor", dict(eps=(1e-5, 1e-3)))
    assert found(optimizer, law_of(optimizer))[0].threshold(STEPS) == 1e-5


@pytest.mark.parametrize("case", ["Adam", "Adam amsgrad", "AdamW", "NAdam", "RAdam", "RMSprop centered"])
def test_signal_is_one_for_constant_gradients_and_small_for_noise(case: str):
    name, settings, _ = SQUARES[case]
    noisy, weight = stepped(name, settings)
    steady = type(noisy)([torch.nn.Parameter(weight.detach().clone())], **settings)
    for _ in range(STEPS):
        steady.param_groups[0]["params"][0].grad = GRADIENTS[0].clone()
        steady.step()
    assert signal(*found(steady, law_of(steady))) == pytest.approx(1.0)
    noise = signal(*found(noisy, law_of(noisy)))
    assert noise is not None
    assert 0.2 < noise < 0.6  # about 1/√7


def test_negative_centered_moments_are_not_hidden():
    moments = Moments(used="square_avg", mean="grad_avg", centered=True)
    value = denominator(moments, {"square_avg": np.array([1.0, 4.0]), "grad_avg": np.array([2.0, 0.0])}, 1.0)
    assert value is not None
    assert math.isnan(value[0])
    assert value[1] == 2.0
