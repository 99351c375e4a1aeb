"""Finer copies of coarse weights: as if the user had kept them."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW

from lossgauge.frameworks.torch.treatments.treat import treat
from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import STEPS, copies, loop, same, seeded, treated

MASTERS = Treatment("master-weights", choice="float32")
COARSE = torch.bfloat16

OPTIMIZERS = [
    lambda p: SGD(p, lr=0.01, momentum=0.9),
    lambda p: Adam(p, lr=1e-3),
    lambda p: Adam(p, lr=1e-3, fused=True),
    lambda p: Adam(p, lr=1e-3, foreach=True),
    lambda p: Adagrad(p, lr=0.01, initial_accumulator_value=0.1),
]


def by_hand(optimizer_of: Any, coarse: torch.dtype = COARSE, fine: torch.dtype = torch.float32):
    model, x, y = seeded(dtype=coarse)
    masters = [nn.Parameter(tensor.detach().to(fine)) for tensor in model.parameters()]
    optimizer = optimizer_of(masters)
    for _ in range(STEPS):
        model.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        for master, tensor in zip(masters, model.parameters(), strict=True):
            assert tensor.grad is not None
            master.grad = tensor.grad.to(fine)
        optimizer.step()
        with torch.no_grad():
            for master, tensor in zip(masters, model.parameters(), strict=True):
                tensor.copy_(master)
    return copies(model.parameters())


@pytest.mark.parametrize("optimizer_of", OPTIMIZERS)
def test_master_weights_are_a_loop_written_by_hand(optimizer_of: Any):
    found = treated(lambda: loop(optimizer_of, dtype=COARSE), MASTERS)
    assert same(found, by_hand(optimizer_of))
    assert not same(found, loop(optimizer_of, dtype=COARSE))


def test_double_precision_for_single():
    def sgd(parameters: Any):
        return SGD(parameters, lr=0.1, momentum=0.9)

    found = treated(lambda: loop(sgd), Treatment("master-weights", choice="float64"))
    assert same(found, by_hand(sgd, torch.float32, torch.float64))
    assert not same(found, loop(sgd))


def test_finer_weights_are_left_alone():
    assert same(treated(lambda: loop(OPTIMIZERS[1]), MASTERS), loop(OPTIMIZERS[1]))


def test_eps_does_not_underflow_any_more():
    def train():
        torch.manual_seed(0)
        table = nn.Embedding(6, 2).half()
        optimizer = AdamW(table.parameters(), lr=1e-2)
        for _ in range(3):
            optimizer.zero_grad()
            table(torch.tensor([0, 1])).float().square().sum().backward()
            optimizer.step()
        return copies(table.parameters())

    assert not bool(torch.isfinite(train()[0]).all())
    assert bool(torch.isfinite(treated(train, MASTERS)[0]).all())


def test_what_the_user_does_to_the_weights_and_holds_of_the_optimizer_stays_theirs():
    tensor = nn.Parameter(torch.tensor([1.0, 1.0], dtype=COARSE))
    optimizer = Adam([tensor], lr=1e-3)
    with treat([MASTERS]):
        tensor.grad = torch.ones_like(tensor)
        optimizer.step()
        assert tensor.tolist() == [1.0, 1.0]  # half an ulp of 1 is 0.00195
        with torch.no_grad():
            tensor[0] = 2.0
        optimizer.step()
        assert tensor.tolist() == [2.0, 0.99609375]
        assert optimizer.param_groups[0]["params"][0] is tensor
        assert list(optimizer.state) == [tensor]
        saved = optimizer.state_dict()
        assert list(saved["state"]) == [0]
        optimizer.load_state_dict(saved)
        assert optimizer.state[tensor]["exp_avg"].dtype == COARSE
        optimizer.step()
        assert optimizer.state[tensor]["exp_avg"].dtype == torch.float32
        assert float(optimizer.state[tensor]["step"]) == 3
    assert tensor.grad.dtype == COARSE


def test_closures_evaluate_the_users_own_weights():
    def train(masters: bool = False):
        model, x, y = seeded(dtype=COARSE)
        fine = [nn.Parameter(tensor.detach().float()) for tensor in model.parameters()]
        optimizer = LBFGS(fine if masters else model.parameters(), lr=0.25, max_iter=3)

        def closure():
            with torch.no_grad():
                for master, tensor in zip(fine if masters else (), model.parameters(), strict=False):
                    tensor.copy_(master)
            model.zero_grad()
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x).float(), y.float())
            loss.backward()
            for master, tensor in zip(fine if masters else (), model.parameters(), strict=False):
                assert tensor.grad is not None
                master.grad = tensor.grad.float()
            return loss

        for _ in range(4):
            optimizer.step(closure)
        with torch.no_grad():
            for master, tensor in zip(fine if masters else (), model.parameters(), strict=False):
                tensor.copy_(master)
        return copies(model.parameters())

    found = treated(train, MASTERS)
    assert same(found, train(True))
    assert not same(found, train())


def test_groups_and_an_optimizer_that_is_not_meant():
    def grouped(parameters: Any):
        first, *rest = parameters
        return SGD([{"params": [first]}, {"params": rest, "lr": 0.001}], lr=0.01)

    def train():
        return [*loop(grouped, dtype=COARSE), *loop(grouped, dtype=COARSE)]

    found = treated(train, Treatment("master-weights", optimizer=0, choice="float32"))
    assert same(found, [*by_hand(grouped), *loop(grouped, dtype=COARSE)])
