"""How states are taken apart: the parts are the state, and their powers are its exponent."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from lossgauge.frameworks.torch.gauging.memories import Part, take_apart
from lossgauge.frameworks.torch.gauging.pieces import Piece
from lossgauge.laws.law import Law
from tests.frameworks.torch.gauging.arrangements import CASES, Case, Training, sampled_pieces

DECAYING = [
    Case("SGD", dict(momentum=0.9, dampening=0.5, weight_decay=0.1)),
    Case("Adam", dict(weight_decay=0.3, amsgrad=True)),
    Case("RMSprop", dict(momentum=0.9, weight_decay=0.1, centered=True)),
    Case("Adagrad", dict(weight_decay=0.1, initial_accumulator_value=0.5)),
    Case("Adadelta", dict(weight_decay=0.1)),
    Case("Adamax", dict(weight_decay=0.1)),
    Case("ASGD", dict(weight_decay=0.1)),
]


def pieces_of(case: Case) -> tuple[list[Piece], Law]:
    training = Training(case, torch.float64)
    return sampled_pieces(training, 6), training.law


def power(part: Part, law: Law) -> torch.Tensor:
    """The power of the loss when the settings move with it."""
    moved: Any = torch.as_tensor(part.alpha, dtype=torch.float64)
    for name, exponent in part.settings.items():
        moved = moved + torch.as_tensor(exponent, dtype=torch.float64) * float(law.exponents[name])
    return moved


def check(state: Mapping[str, Any], parts: Mapping[str, tuple[Part, ...]], law: Law) -> None:
    for name, summands in parts.items():
        whole = sum(torch.as_tensor(part.value) for part in summands)
        assert torch.allclose(torch.as_tensor(whole), torch.as_tensor(state[name]), rtol=1e-12, atol=1e-15)
        expected = torch.tensor(float(law.states.get(name, 0)), dtype=torch.float64)
        assert all(torch.allclose(power(part, law), expected) for part in summands)


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "LBFGS"] + DECAYING, ids=str)
def test_parts_add_up_in_value_and_in_power(case: Case):
    pieces, law = pieces_of(case)
    for piece in pieces:
        check(piece.state, take_apart(piece, law), law)


def test_a_part_of_another_power_would_be_seen():
    pieces, law = pieces_of(DECAYING[0])
    parts = take_apart(pieces[0], law)
    first, second = parts["momentum_buffer"]
    with pytest.raises(AssertionError):
        check(pieces[0].state, {"momentum_buffer": (first, replace(second, alpha=1.0))}, law)
    with pytest.raises(AssertionError):
        check(pieces[0].state, {"momentum_buffer": (first,)}, law)


@pytest.mark.parametrize(
    ("case", "state", "setting"),
    [
        (DECAYING[0], "momentum_buffer", "weight_decay"),
        (DECAYING[1], "exp_avg_sq", "weight_decay"),
        (DECAYING[2], "momentum_buffer", "eps"),
        (DECAYING[3], "sum", "initial_accumulator_value"),
        (DECAYING[4], "acc_delta", "eps"),
        (DECAYING[5], "exp_inf", "eps"),
        (DECAYING[6], "eta", "lr"),
    ],
    ids=lambda value: str(value),
)
def test_settings_are_found_where_they_left_their_mark(case: Case, state: str, setting: str):
    pieces, law = pieces_of(case)
    assert any(setting in part.settings for part in take_apart(pieces[0], law)[state])


@pytest.mark.parametrize("case", [Case("AdamW", dict(weight_decay=0.5)), Case("Adam")], ids=str)
def test_decay_that_stays_out_of_the_moments_leaves_no_mark(case: Case):
    pieces, law = pieces_of(case)
    assert all(not part.settings for parts in take_apart(pieces[0], law).values() for part in parts)


def test_a_mean_of_squares_stays_one_at_every_alpha():
    pieces, law = pieces_of(DECAYING[1])
    for piece in pieces:
        data, cross, own = take_apart(piece, law)["exp_avg_sq"]
        for alpha in (0.0, 0.3, 1.0, 5.0):
            assert bool((alpha**2 * data.value + alpha * cross.value + own.value >= -1e-18).all())
