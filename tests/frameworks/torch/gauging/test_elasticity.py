"""Elasticity against closed forms, and against the definition itself: the same gradients replayed, multiplied by α."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.gauging.elasticity import HIDDEN, TOLERANCE
from lossgauge.frameworks.torch.gauging.statistics import after, before
from lossgauge.laws.law import Law
from lossgauge.records.session import TensorSample
from tests.frameworks.torch.gauging.arrangements import CASES, Case, Training, enumerate_all, sampled

LAWFUL = [case for case in CASES if case.name not in ("LBFGS", "RAdam", "Adafactor")]
DECAYING = [
    Case("SGD", dict(lr=1e-3, momentum=0.9, weight_decay=0.1)),
    Case("ASGD", dict(weight_decay=0.1)),
    Case("Adam", dict(lr=1e-2, amsgrad=True, weight_decay=1e-2, eps=1e-3)),
    Case("RMSprop", dict(lr=1e-3, eps=0.3, momentum=0.9, weight_decay=0.1)),
    Case("Adagrad", dict(weight_decay=0.1, initial_accumulator_value=0.01)),
]
Stream = list[tuple[list[Tensor], list[Tensor]]]


def recorded(case: Case, steps: int) -> tuple[tuple[TensorSample, ...], Stream]:
    """The last sample of a training, and the weights and gradients of all its steps."""
    training, stream = Training(case, torch.float64), Stream()
    starts = []

    def look() -> None:
        tensors = [tensor for _, tensor, _ in training.watched]
        stream.append(([t.detach().clone() for t in tensors], [t.grad.clone() for t in tensors if t.grad is not None]))

    def look_closely() -> None:
        look()
        starts.append(before(training.optimizer, training.watched, training.law, True, steps=steps - 1))

    for _ in range(steps - 1):
        training.step(look)
    training.step(look_closely)
    return after(starts[0]), stream


def replayed(case: Case, stream: Stream, alpha: float) -> list[float]:
    """‖Δw‖ of the last step when α had always been there, along the same weights."""
    weights = [nn.Parameter(weight.clone()) for weight in stream[0][0]]
    optimizer = getattr(torch.optim, case.name)(weights, **case.settings)
    for starts, gradients in stream:
        for weight, start, gradient in zip(weights, starts, gradients, strict=True):
            weight.data.copy_(start)
            weight.grad = gradient * alpha
        optimizer.step()
    return [float((end.detach() - start).norm()) for end, start in zip(weights, stream[-1][0], strict=True)]


def defined(case: Case, stream: Stream, h: float = 1e-4) -> list[float]:
    above, below = replayed(case, stream, math.exp(h)), replayed(case, stream, math.exp(-h))
    return [math.log(high / low) / (2 * h) for high, low in zip(above, below, strict=True)]


def observed_whole(values: Sequence[Any]) -> list[Any]:
    return [*values[:2], *values[3:]]  # of the third tensor not all elements are observed


EXACT = [case for case in LAWFUL if case.name != "Muon" and not case.settings.get("weight_decay")]
EXACT = [case for case in EXACT if case.name not in ("Adadelta", "Adamax") and "centered" not in case.settings]


@pytest.mark.parametrize("steps", [1, 2, 20])
@pytest.mark.parametrize("case", EXACT, ids=str)
def test_settled_elasticity_is_what_its_definition_says(case: Case, steps: int):
    samples, stream = recorded(case, steps)
    found = [sample.elasticity for sample in samples]
    assert observed_whole(found) == pytest.approx(observed_whole(defined(case, stream)), abs=2e-6)
    assert found == pytest.approx(defined(case, stream), abs=0.01)


@pytest.mark.parametrize("steps", [1, 20])
@pytest.mark.parametrize(
    "case", [case for case in LAWFUL if case not in EXACT and case.name != "Muon"] + DECAYING, ids=str
)
def test_where_a_history_can_only_be_divided_by_estimate_it_is_near(case: Case, steps: int):
    samples, stream = recorded(case, steps)
    close = 2e-6 if steps == 1 else 0.15
    for sample, wanted in zip(observed_whole(samples), observed_whole(defined(case, stream)), strict=True):
        assert sample.elasticity == pytest.approx(wanted, abs=close, rel=0.15)


@pytest.mark.parametrize("steps", [1, 20])
@pytest.mark.parametrize("case", [case for case in LAWFUL if case.name != "Muon"] + DECAYING, ids=str)
def test_what_is_not_called_an_estimate_is_exact(case: Case, steps: int):
    samples, stream = recorded(case, steps)
    wanted = defined(case, stream)
    for sample, exact in zip(observed_whole(samples), observed_whole(wanted), strict=True):
        assert sample.estimated or sample.elasticity == pytest.approx(exact, abs=2e-6)
    assert all(set(sample.estimated) <= set(sample.carriers) for sample in samples)
    assert not any(sample.estimated for sample in samples) or (steps > 1 and case not in EXACT)


@pytest.mark.parametrize("case", DECAYING, ids=str)
def test_what_a_coupled_decay_put_into_the_moments_is_called_an_estimate(case: Case):
    samples, _ = recorded(case, 20)
    without, _ = recorded(replace(case, settings=case.settings | {"weight_decay": 0.0}), 20)
    mixed = case.name in ("SGD", "Adam", "RMSprop", "Adagrad")  # ASGD has no moments
    assert any("weight_decay" in sample.estimated for sample in samples) == mixed
    assert not any("weight_decay" in sample.estimated for sample in without)


def test_without_the_division_a_settled_history_would_be_wrong():
    case = Case("Adagrad", dict(eps=1e-2, initial_accumulator_value=0.1))
    samples, _ = recorded(case, 20)
    assert samples[0].elasticity is not None
    assert samples[0].elasticity > 0.9
    assert samples[0].carriers["eps"] < 0.1  # all that scaling the whole accumulator would have left


@pytest.mark.parametrize("case", LAWFUL, ids=str)
def test_the_parts_add_up(case: Case):
    _, samples = sampled(Training(case), 6)
    for sample in samples:
        assert sample.elasticity is not None
        assert sum(sample.carriers.values()) == pytest.approx(sample.elasticity, abs=1e-6)


def test_adam_against_the_closed_form():
    weight = nn.Parameter(torch.zeros(1000, dtype=torch.float64))
    optimizer = torch.optim.Adam([weight], eps=1e-3, betas=(0.8, 0.9))
    law = Case("Adam").law(optimizer)
    generator = torch.Generator().manual_seed(0)
    old, samples = weight.detach().clone(), []
    for _ in range(5):
        weight.grad = torch.randn(1000, generator=generator, dtype=torch.float64) * 1e-3
        old = weight.detach().clone()
        samples.append(one_step(weight, optimizer, law))
    sample = samples[-1]
    denominator = (optimizer.state[weight]["exp_avg_sq"] / (1 - 0.9**5)).sqrt()
    share, update = 1e-3 / (denominator + 1e-3), (weight.detach() - old) ** 2
    assert sample.elasticity == pytest.approx(float((share * update).sum() / update.sum()), abs=1e-7)
    assert sample.carriers == {"eps": pytest.approx(sample.elasticity, abs=1e-7), "weight_decay": 0.0}


def one_step(weight: nn.Parameter, optimizer: torch.optim.Optimizer, law: Law | None) -> TensorSample:
    start = before(optimizer, enumerate_all([(weight, optimizer.param_groups[0])]), law, True)
    optimizer.step()
    return after(start)[0]


def leaf(gradient: float = 1e-3, start: float = 1.0, shape: tuple[int, ...] = (40,)) -> nn.Parameter:
    weight = nn.Parameter(torch.full(shape, start))
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * gradient
    return weight


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [("SGD", dict(lr=0.1), 1.0), ("Rprop", {}, 0.0), ("Adam", dict(eps=0.0), 0.0), ("Adam", dict(eps=1e6), 1.0)],
)
def test_the_ends_of_the_scale(name: str, settings: dict[str, Any], expected: float):
    weight = leaf()
    optimizer = getattr(torch.optim, name)([weight], **settings)
    assert one_step(weight, optimizer, Case(name).law(optimizer)).elasticity == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", [1e-35, 1e-20, 1e-10, 1.0, 1e10, 1e30])
def test_any_size_of_update_will_do(size: float):
    """Where an update is far below the last digit of the weights, too; that is where α is looked at."""
    weight = leaf(size)
    optimizer = torch.optim.Adam([weight], eps=size)
    sample = one_step(weight, optimizer, Case("Adam").law(optimizer))
    reference = leaf(1.0)
    optimizer = torch.optim.Adam([reference], eps=1.0)
    wanted = one_step(reference, optimizer, Case("Adam").law(optimizer))
    assert sample.elasticity == pytest.approx(wanted.elasticity, abs=1e-5)


def test_a_decay_that_drowns_in_the_weights_costs_digits_only():
    weight = leaf(1e-9)
    optimizer = torch.optim.SGD([weight], lr=1e-3, weight_decay=1e-9)
    sample = one_step(weight, optimizer, Case("SGD").law(optimizer))
    share = torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float32).double()
    total = share + 1.0
    assert sample.elasticity == pytest.approx(float((share * total).sum() / total.square().sum()), abs=1e-3)


def test_a_first_step_of_radam_has_a_hidden_constant():
    weight = leaf()
    optimizer = torch.optim.RAdam([weight])
    sample = one_step(weight, optimizer, Case("RAdam").law(optimizer))
    assert sample.elasticity == pytest.approx(1.0, abs=1e-6)
    assert sample.carriers[HIDDEN] == pytest.approx(1.0, abs=1e-6)


def test_a_law_that_is_wrong_is_not_believed():
    weight = leaf(1e-8)
    optimizer = torch.optim.Adam([weight])
    law = Case("Adam").law(optimizer)
    assert one_step(weight, optimizer, law).elasticity is not None
    for wrong in (Fraction(2), Fraction(1, 2), Fraction(0)):
        sample = one_step(weight, optimizer, replace(law, exponents={**law.exponents, "eps": wrong}))
        assert (sample.elasticity, sample.instant, sample.carriers) == (None, None, {})
        assert sample.lost is not None


def test_a_law_whose_states_are_wrong_is_not_believed():
    weight = leaf()
    optimizer = torch.optim.Adam([weight])
    law = Case("Adam").law(optimizer)
    wrong = replace(law, states={**law.states, "exp_avg_sq": Fraction(1)})
    assert [one_step(weight, optimizer, wrong).elasticity is None for _ in range(3)] == [False, True, True]


def test_without_a_law_there_is_the_instant_alone():
    weight = leaf()
    sample = one_step(weight, torch.optim.SGD([weight], lr=0.1), None)
    assert (sample.elasticity, sample.carriers) == (None, {})
    assert sample.instant == pytest.approx(1.0, abs=1e-6)


def test_instant_elasticity_holds_the_history_fixed():
    weight = leaf()
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    law = Case("SGD").law(optimizer)
    one_step(weight, optimizer, law)
    sample = one_step(weight, optimizer, law)  # the same gradient again: 1 of 1.9
    assert sample.elasticity == pytest.approx(1.0, abs=1e-6)
    assert sample.instant == pytest.approx(1 / 1.9, abs=1e-6)


def test_trial_steps_do_not_follow_on_each_other():
    samples: list[TensorSample] = []
    for known in (True, False):
        weight = leaf()
        optimizer = torch.optim.Adam([weight], lr=1e-2, betas=(0.5, 0.6))
        law = Case("Adam").law(optimizer) if known else None
        samples.append([one_step(weight, optimizer, law) for _ in range(4)][-1])
    assert samples[0].instant == samples[1].instant


def test_a_step_that_does_not_move_has_none():
    weight = leaf(0.0)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    sample = one_step(weight, optimizer, Case("SGD").law(optimizer))
    assert (sample.elasticity, sample.instant, sample.lost) == (None, None, 0.0)


def test_muon_is_exact_under_powers_of_two_alone():
    weight = leaf(shape=(8, 6))
    optimizer = torch.optim.Muon([weight])
    sample = one_step(weight, optimizer, Case("Muon").law(optimizer))
    assert sample.elasticity == 0.0
    assert sample.carriers == {"eps": 0.0}
    weight = leaf(1e-12, shape=(8, 6))
    optimizer = torch.optim.Muon([weight], eps=1.0)  # a floor far above the gradient, and Newton-Schulz on what is left
    sample = one_step(weight, optimizer, Case("Muon").law(optimizer))
    assert sample.elasticity is None or abs(sum(sample.carriers.values()) - sample.elasticity) <= TOLERANCE
