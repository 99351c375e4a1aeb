import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD, Adagrad, Adam, Rprop

from lossgauge.laws.law import Law
from lossgauge.records.attribution import ATTRIBUTED, ROUNDING, UNCHANGED, Attribution
from tests.experiments.attributed import asked, training
from tests.trainings import examples
from tests.trainings.laws import law, law_of, wrong_law_of

ONE_CARRIER = {
    "eps": training(lambda p: Adam(p, lr=1e-2, eps=1e-3)),
    "weight_decay": training(lambda p: Adam(p, lr=1e-2, eps=0.0, weight_decay=1e-2)),
    "lr": training(lambda p: SGD(p, lr=1e-4)),
    "max_norm": training(lambda p: Adam(p, lr=1e-2, eps=0.0), lambda p: clip_grad_norm_(p, 5e4), unit=1e5),
    "clip_value": training(lambda p: Adam(p, lr=1e-2, eps=0.0), lambda p: clip_grad_value_(p, 0.05)),
}


def sum_of_shares(found: Attribution) -> float:
    return math.fsum(part.share for part in found.parts)


@pytest.mark.parametrize("outcome", ["loss", "weights"])
@pytest.mark.parametrize("alpha", ["2**10", "1e3", "1/64"])
@pytest.mark.parametrize("name", ONE_CARRIER)
def test_the_only_carrier_carries_all(name: str, alpha: str, outcome: str):
    found = asked(ONE_CARRIER[name], alpha, outcome=outcome)
    assert found.verdict == ATTRIBUTED
    assert found.share(name) == pytest.approx(1, abs=1e-6)
    assert sum_of_shares(found) == pytest.approx(1, abs=1e-9)
    assert found.parts[0].name == name
    assert found.runs == {"made": 1, "reused": 1, "checks": 6, "kept": 0}
    assert found.rounding_floor is not None
    assert abs(found.total or 0) > 100 * found.rounding_floor


def test_the_equivalent_setting_does_the_same_without_the_multiplier():
    (part,) = asked(ONE_CARRIER["eps"], "2**10").parts
    assert (part.quantity, part.exponent, part.own, part.equivalent) == ("Adam.eps", 1, 1e-3, 1e-3 / 1024)
    changed = asked(training(lambda p: Adam(p, lr=1e-2, eps=1e-3 / 1024)), 2)
    assert changed.reference == asked(ONE_CARRIER["eps"], "2**10").multiplied


@pytest.mark.parametrize(
    ("train", "alpha", "players"),
    [
        (training(lambda p: Adam(p, lr=1e-2, eps=1e-3, weight_decay=1e-2)), 64, 2),
        (training(lambda p: Adagrad(p, eps=1e-3, weight_decay=1e-2, initial_accumulator_value=0.1)), "1/64", 3),
        (examples.mixed_precision, 2**10, 3),
        (examples.plateau, 2**10, 2),
        (examples.two_optimizers, 4, 2),
    ],
)
def test_no_run_is_made_twice(train: Any, alpha: Any, players: int):
    found = asked(train, alpha)
    assert found.co_scaled_identical
    assert found.runs == {"made": 2**players - 1, "reused": 1, "checks": 6, "kept": 0}
    assert sum_of_shares(found) == pytest.approx(1, abs=1e-9)
    assert found.exact


def test_four_carriers_take_at_most_sixteen_runs():
    train = training(
        lambda p: Adagrad(p, eps=1e-3, weight_decay=1e-2, initial_accumulator_value=0.1),
        lambda p: clip_grad_norm_(p, 0.1),
    )
    found = asked(train, 2**-8)
    assert {part.name for part in found.parts} >= {"eps", "weight_decay", "initial_accumulator_value", "max_norm"}
    assert found.runs["made"] + found.runs["reused"] == 16
    assert sum_of_shares(found) == pytest.approx(1, abs=1e-9)


def test_beyond_the_budget_orders_are_drawn():
    train = training(
        lambda p: Adagrad(p, eps=1e-3, weight_decay=1e-2, initial_accumulator_value=0.1),
        lambda p: clip_grad_value_(p, 0.1),
    )
    exact, drawn = asked(train, 2**8), asked(train, 2**8, runs=12)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.runs["made"] < exact.runs["made"] == 15
    assert sum_of_shares(drawn) == pytest.approx(1, abs=1e-9)
    assert any(part.low is not None and part.high is not None and part.low < part.high for part in drawn.parts)
    assert "orders" in drawn.notes[0]
    assert drawn.total == exact.total


def test_where_the_orders_meet_every_subset_the_parts_are_exact():
    train = training(lambda p: SGD(p, lr=0.05, weight_decay=0.1))
    whole, few = asked(train, 4), asked(train, 4, runs=1)
    assert (few.exact, few.parts, few.notes) == (True, whole.parts, ())
    assert few.interactions == whole.interactions


def test_an_interaction_is_named():
    """Everything is clipped: α reaches ε only where the threshold is moved with it."""
    train = training(lambda p: Adam(p, lr=1e-2, eps=1e-1), lambda p: clip_grad_value_(p, 1e-4))
    (pair,) = asked(train, 2**10).interactions or asked(train, 2**-10).interactions
    assert set(pair.names) == {"eps", "clip_value"}
    assert abs(pair.share) > 0.1


def test_far_above_epsilon_a_change_is_rounding():
    train = training(lambda p: Adam(p, lr=1e-2), unit=1e6, steps=60)
    found = asked(train, 1e3, outcome="weights")
    assert found.verdict == ROUNDING
    assert [(part.name, part.share) for part in found.parts] == [("rounding", 1.0)]
    assert {part.name for part in found.raw_parts} == {"eps", "rounding"}
    assert math.fsum(part.share for part in found.raw_parts) == pytest.approx(1, abs=1e-9)
    assert abs(found.total or 0) <= (found.rounding_floor or 0)


@pytest.mark.parametrize("outcome", ["loss", "weights"])
@pytest.mark.parametrize("alpha", [2**7, 100])
def test_a_training_that_grows_beyond_all_measure_is_not_rounding(alpha: int, outcome: str):
    """Rounding changes a loss of 1e30 by 1e29; that is no reason to take the way from 0.1 to there for rounding."""
    found = asked(training(lambda p: SGD(p, lr=0.01, momentum=0.9), steps=20), alpha, outcome=outcome)
    assert (found.total or 0) > 1e6
    assert found.verdict == ATTRIBUTED
    assert found.share("lr") == pytest.approx(1, abs=1e-6)


def test_a_power_of_two_far_above_epsilon_changes_no_bit():
    found = asked(training(lambda p: Adam(p, lr=1e-2), unit=1e12), 2**10)
    assert (found.verdict, found.total, found.parts) == (UNCHANGED, 0.0, ())
    assert found.runs["made"] == 1


def test_an_optimizer_without_carriers_leaves_rounding_only():
    found = asked(training(lambda p: Rprop(p, lr=1e-2)), 3)
    assert found.verdict in (UNCHANGED, ROUNDING)
    assert not found.raw_parts or [part.name for part in found.raw_parts] == ["rounding"]
    assert asked(training(lambda p: Rprop(p, lr=1e-2)), 4).verdict == UNCHANGED


def test_a_wrong_exponent_is_noticed_and_not_called_rounding():
    found = asked(training(lambda p: Adam(p, lr=1e-2, eps=1e-3, weight_decay=1e-2)), 2**10, law_of=wrong_law_of)
    assert found.co_scaled_identical is False
    assert found.verdict == ATTRIBUTED
    assert "unexplained" in {part.name for part in found.parts}
    assert "rounding" not in {part.name for part in found.parts}
    assert abs(found.share("unexplained")) > 0.01
    assert sum_of_shares(found) == pytest.approx(1, abs=1e-9)
    (part,) = [part for part in found.parts if part.name == "unexplained"]
    assert "something else in the training has units of the loss" in part.reason


def test_a_clip_of_the_users_own_is_unexplained():
    found = asked(examples.sgd_with_a_clip_of_its_own, 2**4)
    assert "unexplained" in {part.name for part in found.parts}


def test_a_hidden_constant_is_a_part_of_its_own_and_named():
    """The norms are near torch's 1e-6."""
    train = training(lambda p: Adam(p, lr=1e-2, eps=0.0), lambda p: clip_grad_norm_(p, 1e-6), unit=1e-6)
    found = asked(train, 2**10, outcome="weights")
    assert found.co_scaled_identical is False
    (part,) = [part for part in found.parts if part.name == "hidden constant"]
    assert abs(part.share) > 0.01
    assert "1e-06 at clip_grad.py:155" in part.reason
    assert sum_of_shares(found) == pytest.approx(1, abs=1e-9)
    assert (found.runs["made"], found.runs["reused"]) == (1, 1), "the twin at a power of two is the run with all"


def test_a_hidden_constant_that_nobody_would_see_is_only_told_of():
    train = training(lambda p: Adam(p, lr=1e-2, eps=0.0), lambda p: clip_grad_norm_(p, 0.5))
    found = asked(train, 2**10, outcome="weights")
    assert found.co_scaled_identical is False
    assert [part.name for part in found.parts] == ["max_norm"]
    assert any("hidden constant" in note and "clip_grad.py:155" in note for note in found.notes)


def test_gradients_below_the_range_of_half_precision_are_named():
    def train():
        torch.manual_seed(0)
        model, x = nn.Linear(4, 1), torch.randn(16, 4)
        optimizer = Adam(model.parameters(), lr=1e-2, eps=1e-12)
        for _ in range(10):
            optimizer.zero_grad()
            half = (x.half() @ model.weight.half().T + model.bias.half()).float()
            (1e-7 * (half - 1).square().mean()).backward()
            optimizer.step()
        return model

    found = asked(train, 2**12)
    assert found.share("number format") > 0.9
    assert "leave the range of their number format" in found.parts[0].reason


@pytest.mark.parametrize("alpha", ["1e300", "1e-300"])
def test_a_multiplier_that_no_float32_holds_is_named(alpha: str):
    """The twin fails there, since torch cannot take such a learning rate: that alone would explain nothing."""
    found = asked(training(lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1)), alpha)
    assert "float32 itself ends at about 1e-38 and 3e38" in next(part.reason for part in found.parts if part.reason)
    assert found.share("number format") > 0.9
    assert sum_of_shares(found) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("alpha", [1e12, 1e-12])
def test_what_makes_a_training_diverge(alpha: float):
    train = training(lambda p: SGD(p, lr=1e-3 if alpha > 1 else 1e9, weight_decay=1e-12), steps=30)
    found = asked(train, alpha)
    assert (found.outcome, found.asked) == ("divergence", "loss")
    assert found.total == (1.0 if alpha > 1 else -1.0)
    assert found.share("lr") == pytest.approx(1, abs=1e-9)
    assert sum_of_shares(found) == pytest.approx(1, abs=1e-9)
    assert found.rounding_floor is None
    assert math.isfinite(found.reference or 0) == (alpha > 1)


def test_a_training_that_diverges_either_way_is_undecided():
    found = asked(training(lambda p: SGD(p, lr=1e30)), 2)
    assert found.verdict == "UNDECIDED"
    assert "with the multiplier and without it" in found.reason


def test_a_run_that_fails_counts_as_diverged():
    def train():
        def check(parameters: Any):
            if max(float(tensor.grad.norm()) for tensor in parameters) > 100:
                raise ArithmeticError("the gradient exploded")

        return training(lambda p: SGD(p, lr=1e-3), check)()

    found = asked(train, 2**17)
    assert (found.outcome, found.total) == ("divergence", 1.0)
    assert any("ArithmeticError: the gradient exploded" in note for note in found.notes)


def resumed() -> nn.Module:
    model, x, y = examples.seeded()
    optimizer = SGD(model.parameters(), lr=1e-4, momentum=0.9)
    for tensor in model.parameters():
        generator = torch.Generator().manual_seed(1)
        optimizer.state[tensor]["momentum_buffer"] = torch.randn(tensor.shape, generator=generator)
    for _ in range(examples.STEPS):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return model


def test_what_a_checkpoint_remembers_is_a_carrier():
    def own(optimizer: Any) -> Law:
        return law("SGD", states={"momentum_buffer": 1}, lr=-1, momentum=0, dampening=0, weight_decay=1)

    found = asked(resumed, 2**6, law_of=own)
    assert found.co_scaled_identical
    assert {part.name for part in found.parts} == {"lr", "states"}
    assert abs(found.share("states")) > 0.01


def test_a_learning_rate_that_warms_up_from_zero_is_a_carrier():
    def train():
        model, x, y = examples.seeded()
        optimizer = SGD(model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / examples.STEPS)
        for _ in range(examples.STEPS):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
            schedule.step()
        return model

    found = asked(train, 4)
    assert found.co_scaled_identical
    assert found.share("lr") == pytest.approx(1, abs=1e-9)


def test_an_exponent_may_be_a_fraction():
    """A law that is wrong in a way that a power of two shows: the twin must not pass."""
    halved = replace(law_of(Adam([torch.ones(1)])), exponents={"eps": Fraction(1, 2)})
    found = asked(ONE_CARRIER["eps"], 2**10, law_of=lambda optimizer: halved)
    assert found.co_scaled_identical is False
    assert found.parts[0].exponent in (Fraction(1, 2), None)


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        (examples.unseeded, "does not repeat itself: untouched, it differs from itself at step"),
        (examples.stepless, "makes no optimizer step"),
        (examples.without_backward, "no backward"),
    ],
)
def test_what_cannot_be_established_is_undecided(train: Callable[[], Any], reason: str):
    found = asked(train, 2)
    assert found.verdict == "UNDECIDED"
    assert reason in found.reason
    assert found.to_dict()["parts"] == []
