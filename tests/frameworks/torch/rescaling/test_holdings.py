import copy
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch

from lossgauge.errors import InputError, LawError
from lossgauge.frameworks.torch.rescaling.edits import Edits
from lossgauge.frameworks.torch.rescaling.holdings import (
    plan_optimizer,
    plan_scaler,
    plan_schedule,
    plan_training,
    read_holdings,
)
from lossgauge.laws.law import Law
from lossgauge.laws.verdict import Verdict

torch.set_num_threads(1)

ADAM = Law(
    "torch.optim:Adam",
    Verdict.EXACT,
    {"lr": Fraction(0), "eps": Fraction(1), "weight_decay": Fraction(1)},
    {"exp_avg": Fraction(1), "exp_avg_sq": Fraction(2), "step": Fraction(0)},
)
SGD = Law("torch.optim:SGD", Verdict.EXACT, {"lr": Fraction(-1)}, {"momentum_buffer": Fraction(1)})


def adam(value: float = 1.0, dtype: torch.dtype = torch.float32, **settings: Any) -> torch.optim.Adam:
    """An optimizer that has made a step."""
    weight = torch.nn.Parameter(torch.tensor([1.0, 0.5, 0.25], dtype=dtype))
    optimizer = torch.optim.Adam([weight], **{"eps": 0.01, **settings})
    weight.grad = torch.tensor([value, 0.0, 1.0], dtype=dtype)
    optimizer.step()
    return optimizer


def rescaled(optimizer: Any, law: Law, alpha: Fraction | int, force: bool = False) -> Edits:
    holdings = read_holdings(optimizer)
    edits = Edits(Fraction(alpha), force)
    plan_optimizer(edits, holdings, [law] * (len(holdings.groups) + 1))
    edits.apply()
    return edits


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


@pytest.mark.parametrize(("power", "slot"), [(1, "exp_avg"), (2, "exp_avg_sq"), (0, "step")])
def test_states_are_multiplied_where_they_lie(power: int, slot: str):
    optimizer = adam()
    held = next(iter(optimizer.state.values()))[slot]
    before = held.clone()
    rescaled(optimizer, ADAM, 2**12)
    assert held is next(iter(optimizer.state.values()))[slot]
    assert torch.equal(held, before * 2.0 ** (12 * power))


def test_there_and_back_is_where_it_was():
    optimizer = adam(weight_decay=0.3)
    before = copy.deepcopy(optimizer.state_dict())
    rescaled(optimizer, ADAM, 2**12)
    assert not equal(optimizer.state_dict(), before)
    rescaled(optimizer, ADAM, Fraction(1, 2**12))
    assert equal(optimizer.state_dict(), before)


def test_a_state_dict_changes_and_its_optimizer_does_not():
    optimizer = adam(lr=torch.tensor(0.1))
    before = copy.deepcopy(optimizer.state_dict())
    content = optimizer.state_dict()
    moved = Law(ADAM.target, ADAM.verdict, {**ADAM.exponents, "lr": Fraction(-1)}, ADAM.states)
    rescaled(content, moved, 16)
    assert equal(optimizer.state_dict(), before)
    live = copy.deepcopy(optimizer)
    rescaled(live, moved, 16)
    assert equal(content, live.state_dict())


TINY = 2.0**-126


@pytest.mark.parametrize(
    ("build", "alpha", "message"),
    [
        (lambda: adam(2.0**40), 2**50, "exp_avg_sq of state.*overflow float32"),
        (lambda: adam(2.0**-55), Fraction(1, 2**5), "exp_avg_sq of state.*underflow float32"),
        (lambda: adam(2.0**-63), Fraction(1, 2), "exp_avg_sq of state.*underflow float32"),
        (lambda: adam(eps=1e-30), Fraction(1, 2**40), r"eps of param_groups\[0\].*underflows float32"),
        (lambda: adam(weight_decay=1e30), 2**40, r"weight_decay of param_groups\[0\].*overflows float32"),
        (lambda: adam(weight_decay=1e300, dtype=torch.float64), 2**40, "weight_decay.*too large"),
        (lambda: adam(eps=0, dtype=torch.float64), 2**600, "exp_avg_sq of state cannot be rescaled.*too large"),
    ],
)
def test_what_leaves_its_format_is_refused_before_anything_changes(build: Callable[[], Any], alpha: Any, message: str):
    optimizer = build()
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(InputError, match=message):
        rescaled(optimizer, ADAM, alpha)
    assert equal(optimizer.state_dict(), before)


def test_float64_has_room_where_float32_has_none():
    assert not rescaled(adam(2.0**40, torch.float64, eps=1e-30), ADAM, 2**50).doubts
    assert not rescaled(adam(2.0**-55, torch.float64, eps=1e-30), ADAM, Fraction(1, 2**5)).doubts


@pytest.mark.parametrize("value", [0.0, float("inf"), float("nan")])
def test_zeros_and_what_is_not_finite_stay(value: float):
    optimizer = adam()
    slots = next(iter(optimizer.state.values()))
    slots["exp_avg"].fill_(value)
    rescaled(optimizer, ADAM, 2**12)
    assert torch.equal(slots["exp_avg"].nan_to_num(7.0), torch.full((3,), value).nan_to_num(7.0))


@pytest.mark.parametrize(("value", "alpha"), [(TINY / 16, 4.0), (TINY / 16, 0.25), (TINY / 2**23, 2.0)])
def test_a_subnormal_number_that_keeps_its_bits_is_no_reason_to_refuse(value: float, alpha: float):
    optimizer = adam()
    slots = next(iter(optimizer.state.values()))
    slots["exp_avg"].fill_(value)
    rescaled(optimizer, ADAM, Fraction(alpha))
    assert torch.equal(slots["exp_avg"], torch.full((3,), value * alpha))


def test_a_subnormal_number_that_loses_bits_is_refused():
    optimizer = adam()
    next(iter(optimizer.state.values()))["exp_avg"].fill_(TINY / 2**23 * 3)
    with pytest.raises(InputError, match=r"exp_avg of state.*underflow"):
        rescaled(optimizer, ADAM, Fraction(1, 2))


def test_force_lets_tiny_numbers_go_and_says_so():
    optimizer = adam(2.0**-55)
    edits = rescaled(optimizer, ADAM, Fraction(1, 2**5), force=True)
    assert len(edits.doubts) == 1
    assert "exp_avg_sq" in edits.doubts[0]
    with pytest.raises(InputError, match="overflow"):
        rescaled(adam(2.0**40), ADAM, 2**50, force=True)


def test_an_unknown_state_is_refused_or_left():
    law = Law(ADAM.target, ADAM.verdict, ADAM.exponents, {"exp_avg": Fraction(1)})
    optimizer = adam()
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(LawError, match="no exponent for its state exp_avg_sq; discover"):
        rescaled(optimizer, law, 2)
    assert equal(optimizer.state_dict(), before)
    edits = rescaled(optimizer, law, 2, force=True)
    assert "exp_avg_sq" in edits.doubts[0]
    after = optimizer.state_dict()["state"][0]
    assert torch.equal(after["exp_avg"], before["state"][0]["exp_avg"] * 2)
    assert torch.equal(after["exp_avg_sq"], before["state"][0]["exp_avg_sq"])


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (7, True),
        (torch.tensor(7), True),
        (None, True),
        (True, True),
        ([], True),
        (torch.tensor([7, 8], dtype=torch.uint8), False),  # a quantised moment is no counter
        (0.5, False),
        ([torch.ones(2)], False),
        ({"inner": torch.ones(2)}, False),
    ],
)
def test_counters_carry_no_units_and_everything_else_may(value: Any, known: bool):
    optimizer = adam()
    next(iter(optimizer.state.values()))["extra"] = value
    if known:
        rescaled(optimizer, ADAM, 2)
        assert equal(next(iter(optimizer.state.values()))["extra"], value)
    else:
        with pytest.raises(LawError, match="extra"):
            rescaled(optimizer, ADAM, 2)


@pytest.mark.parametrize("value", [0.5, [torch.ones(2), torch.ones(2)], torch.full((2,), 1 + 1j)])
def test_a_state_may_be_a_number_a_list_or_complex(value: Any):
    optimizer = adam()
    law = Law(ADAM.target, ADAM.verdict, ADAM.exponents, {**ADAM.states, "extra": Fraction(1)})
    slots = next(iter(optimizer.state.values()))
    slots["extra"] = copy.deepcopy(value)
    rescaled(optimizer, law, 4)
    assert equal(slots["extra"], [v * 4 for v in value] if isinstance(value, list) else value * 4)


def test_whole_numbers_cannot_carry_units():
    optimizer = adam()
    law = Law(ADAM.target, ADAM.verdict, ADAM.exponents, {**ADAM.states, "extra": Fraction(1)})
    next(iter(optimizer.state.values()))["extra"] = torch.tensor([1, 2])
    with pytest.raises(InputError, match="whole numbers"):
        rescaled(optimizer, law, 4)


def test_entries_of_tuples_have_their_own_exponents():
    optimizer = torch.optim.Adafactor([torch.nn.Parameter(torch.ones(2, 2))], eps=(0.5, 0.25))
    rescaled(optimizer, Law("torch.optim:Adafactor", Verdict.BROKEN, {"eps[0]": Fraction(2)}), 4)
    assert optimizer.param_groups[0]["eps"] == optimizer.defaults["eps"] == (8.0, 0.25)


def test_what_schedules_left_in_a_group_follows_the_learning_rate():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=1, momentum=0.5)
    optimizer.param_groups[0] |= {"initial_lr": 0.5, "max_lr": 1.0, "min_lr": 0.25, "swa_lr": 0.125, "gain": 3.0}
    edits = rescaled(optimizer, SGD, 2)
    kept = {k: v for k, v in optimizer.param_groups[0].items() if isinstance(v, float)}
    expected = {"lr": 0.5, "initial_lr": 0.25, "max_lr": 0.5, "min_lr": 0.125, "swa_lr": 0.0625}
    assert expected.items() <= kept.items()
    assert kept["gain"] == 3.0
    assert any("gain have no known exponent: left unchanged" in note for note in edits.notes)
    assert optimizer.defaults["lr"] == 0.5


def scheduled(fields: dict[str, Any], law: Law = SGD, alpha: int = 4) -> Edits:
    edits = Edits(Fraction(alpha))
    plan_schedule(edits, fields, law.exponents["lr"])
    edits.apply()
    return edits


def test_a_scheduler_remembers_learning_rates():
    fields = {
        "base_lrs": [1.0, 2.0],
        "_last_lr": [1.0, 2.0],
        "max_lrs": [4.0],
        "eta_min": 0.5,
        "T_max": 10,
        "gamma": 0.1,
    }
    shared = fields["base_lrs"]
    scheduled(fields)
    assert fields == {"base_lrs": [0.25, 0.5], "_last_lr": [0.25, 0.5], "max_lrs": [1.0], "eta_min": 0.125, "T_max": 10, "gamma": 0.1}  # fmt: skip # noqa: E501
    assert shared == [1.0, 2.0], "the list may belong to a live scheduler"


@pytest.mark.parametrize(
    ("mode", "kind", "threshold", "best"),
    [("min", "abs", 2.0, 12.0), ("min", "rel", 0.5, 12.0), ("max", "abs", 0.5, 3.0)],
)
def test_a_plateau_remembers_losses(mode: str, kind: str, threshold: float, best: float):
    plateau = {"mode": mode, "threshold_mode": kind, "threshold": 0.5, "best": 3.0, "eps": 1.0, "min_lrs": [1.0]}
    scheduled(plateau | {"mode_worse": float("inf")})
    scheduled(plateau)
    assert plateau == {"mode": mode, "threshold_mode": kind, "threshold": threshold, "best": best, "eps": 0.25, "min_lrs": [0.25]}  # fmt: skip # noqa: E501


def test_a_plateau_that_has_seen_nothing_stays_endless():
    plateau = {"mode": "min", "threshold_mode": "abs", "threshold": 0.5, "best": float("inf"), "eps": 1.0}
    scheduled(plateau)
    assert plateau["best"] == float("inf")


def test_learning_rates_of_foreign_schedulers_are_named():
    fields = {"warmup_lr": 0.5, "colour": 2.0, "base_lrs": [1.0]}
    assert any("warmup_lr" in note for note in scheduled(fields).notes)
    assert not scheduled({"warmup_lr": 0.5}, ADAM).notes, (
        "where the learning rate carries no units it is right as it is"
    )


def test_a_scaler_takes_the_multiplier_out():
    for fields, expected in (({"scale": 8.0, "growth_factor": 2.0}, {"scale": 2.0, "growth_factor": 2.0}), ({}, {})):
        edits = Edits(Fraction(4))
        plan_scaler(edits, fields)
        edits.apply()
        assert fields == expected


def test_nothing_is_applied_when_the_last_part_is_refused():
    optimizer = adam()
    before = copy.deepcopy(optimizer.state_dict())
    holdings = read_holdings(optimizer)
    edits = Edits(Fraction(1, 2**140))
    with pytest.raises(InputError):
        plan_training(edits, holdings, [SGD] * 2, {"base_lrs": [1.0]}, {"scale": 1.0})
    assert equal(optimizer.state_dict(), before)
