"""Trained tensors that no optimizer holds: as if the optimizer had been given them."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adagrad, Adam, RMSprop
from torch.optim.lr_scheduler import LambdaLR

from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import STEPS, copies, same, seeded, treated

HELD = Treatment("held-parameters")

OPTIMIZERS = [
    lambda p: SGD(p, lr=0.1, momentum=0.9),
    lambda p: Adam(p, lr=1e-2),
    lambda p: Adam(p, lr=1e-2, fused=True),
    lambda p: Adagrad(p, lr=0.1, initial_accumulator_value=0.1),
    lambda p: RMSprop(p, lr=1e-2),
]


def head_replaced(optimizer_of: Any, later: bool = True, named: bool = False):
    """The head is replaced after the optimizer was made, or before."""
    model: Any
    model, x, y = seeded()

    def make():
        return optimizer_of(list(model.named_parameters()) if named else list(model.parameters()))

    optimizer = make() if later else None
    torch.manual_seed(7)
    model[2] = nn.Linear(6, 1)
    optimizer = optimizer or make()
    schedule = LambdaLR(optimizer, lambda epoch: 0.9**epoch)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        schedule.step()
    return copies(model.parameters())


@pytest.mark.parametrize("optimizer_of", OPTIMIZERS)
@pytest.mark.parametrize("named", [False, True])
def test_added_tensors_are_trained_as_if_they_had_been_there(optimizer_of: Any, named: bool):
    by_hand = head_replaced(optimizer_of, later=False, named=named)
    assert same(treated(lambda: head_replaced(optimizer_of, named=named), HELD), by_hand)
    assert not same(head_replaced(optimizer_of, named=named), by_hand)


def test_what_only_the_second_loss_reaches_is_added_then():
    def train(all_held: bool = False, optimizer_of: Any = OPTIMIZERS[0]):
        (body, x, y), (late, _, _) = seeded(), seeded(1)
        optimizer = optimizer_of([*body.parameters(), *(late.parameters() if all_held else ())])
        for number in range(STEPS):
            optimizer.zero_grad()
            late.zero_grad()
            out = body(x) if number == 0 else body(x) + late(x)
            nn.functional.mse_loss(out, y).backward()
            optimizer.step()
        return [*copies(body.parameters()), *copies(late.parameters())]

    for optimizer_of in OPTIMIZERS[:4]:
        found = treated(lambda o=optimizer_of: train(optimizer_of=o), HELD)
        assert same(found, train(True, optimizer_of))


def test_a_line_search_takes_them_from_its_first_evaluation_on():
    def train(all_held: bool = False):
        model, x, y = seeded()
        first, *rest = model.parameters()
        optimizer = LBFGS([first, *(rest if all_held else ())], lr=0.5, max_iter=4)

        def closure():
            model.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            return loss

        for _ in range(4):
            optimizer.step(closure)
        return copies(model.parameters())

    found, by_hand, alone = treated(train, HELD), train(True), train()
    assert close(found, by_hand)  # not the same bits: the tensors stand in another order, and so do sums over them
    assert not close(alone, by_hand)


def close(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(first, second, strict=True))


def test_a_second_optimizer_keeps_its_own_and_inputs_are_not_trained():
    points: list[torch.Tensor] = []

    def train():
        (first, x, y), (second, _, _) = seeded(), seeded(1)
        x.requires_grad_()
        points[:] = [x]
        optimizers = SGD(first.parameters(), lr=0.1), SGD(second.parameters(), lr=0.01)
        for _ in range(STEPS):
            for optimizer in optimizers:
                optimizer.zero_grad()
            nn.functional.mse_loss(first(x) + second(x), y).backward()
            for optimizer in optimizers:
                optimizer.step()
        return [*copies(first.parameters()), *copies(second.parameters()), x.detach().clone()]

    assert same(treated(train, HELD), train())


def test_plain_tensors_join_plain_tensors():
    def train(all_held: bool = False):
        torch.manual_seed(0)
        x, y = torch.randn(16, 2), torch.randn(16)
        weights, bias = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
        optimizer = SGD([weights, bias] if all_held else [weights], lr=0.1)
        for _ in range(STEPS):
            weights.grad = bias.grad = None
            nn.functional.mse_loss(x @ weights + bias, y).backward()
            optimizer.step()
        return copies([weights, bias])

    assert same(treated(train, HELD), train(True))
    assert not same(train(), train(True))
