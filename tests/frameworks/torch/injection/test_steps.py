"""What an optimizer sees around its steps, and what the user sees before and after them."""

import copy
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch.optim import SGD, Adagrad, Adam

from lossgauge.frameworks.torch.injection.inject import inject
from lossgauge.records.injection import Injection
from lossgauge.trainings.recorder import Recorder, Watch
from tests.trainings.laws import LAWS

TWICE = Injection(Fraction(2), (LAWS["SGD"],))


def recorder() -> Recorder:
    return Recorder(Watch())


def leaf(value: float = 1.0) -> torch.Tensor:
    return torch.full((2,), value, requires_grad=True)


def test_hyperparameters_are_co_scaled_only_inside_the_step():
    tensor, seen = leaf(), []
    optimizer = SGD([tensor], lr=0.5)
    optimizer.register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[0]["lr"]))
    optimizer.register_step_post_hook(lambda o, *_: seen.append(o.param_groups[0]["lr"]))

    def closure():
        seen.append(optimizer.param_groups[0]["lr"])

    with inject(TWICE, recorder()):
        optimizer.step(closure)
    assert seen == [0.5, 0.25, 0.5]


def test_a_value_the_step_itself_changes_is_converted_back():
    class Halving(SGD):
        def step(self, closure: Any = None) -> Any:
            super().step(closure)
            self.param_groups[0]["lr"] /= 2

    law = replace(LAWS["SGD"], target="x:Halving")
    optimizer = Halving([leaf()], lr=0.5)
    with inject(Injection(Fraction(2), (law,)), recorder()):
        optimizer.step()
        optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0.125


def test_an_optimizer_around_another_one_is_co_scaled_once():
    class Outer(torch.optim.Optimizer):
        def __init__(self, inner: torch.optim.Optimizer):
            super().__init__(inner.param_groups[0]["params"], {})
            self.inner, self.param_groups = inner, inner.param_groups

        def step(self, closure: Any = None):
            return self.inner.step(closure)

    tensor = leaf()
    optimizer = Outer(SGD([tensor], lr=0.5))
    with inject(Injection(Fraction(2), (LAWS["SGD"], LAWS["SGD"])), recorder()):
        tensor.sum().backward()
        optimizer.step()
    assert torch.equal(tensor.detach(), torch.full((2,), 0.5))


def test_attributes_and_entries_of_tuples_are_hyperparameters_too():
    class Own(torch.optim.Optimizer):
        def __init__(self, params: Any):
            super().__init__(params, {"pair": (1.0, 1.0)})
            self.rate = 1.0
            self.seen: list[Any] = []

        def step(self, closure: Any = None) -> Any:
            self.seen.append((self.rate, self.param_groups[0]["pair"]))

    law = replace(LAWS["SGD"], exponents={"rate": Fraction(-1), "pair[1]": Fraction(1, 2)})
    optimizer = Own([leaf()])
    with inject(Injection(Fraction(4), (law,)), recorder()):
        optimizer.step()
    assert optimizer.seen == [(0.25, (1.0, 2.0))]
    assert (optimizer.rate, optimizer.param_groups[0]["pair"]) == (1.0, (1.0, 1.0))


def test_states_that_exist_before_the_first_step_are_scaled_once():
    tensor = leaf()
    optimizer = Adagrad([tensor], initial_accumulator_value=0.1)
    with inject(Injection(Fraction(2), (LAWS["Adagrad"],)), recorder()):
        for _ in range(2):
            tensor.grad = torch.zeros(2)
            optimizer.step()
    assert torch.equal(optimizer.state[tensor]["sum"], torch.full((2,), 0.1) * 4)


def test_a_loaded_checkpoint_is_scaled_by_the_law_of_its_states():
    tensor = leaf()
    first = Adam([tensor], lr=0.1)
    tensor.sum().backward()
    first.step()
    second = Adam([tensor], lr=0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    tensor.grad = None
    with inject(Injection(Fraction(2), (LAWS["Adam"],)), recorder()):
        second.step()
    assert torch.equal(second.state[tensor]["exp_avg_sq"], 4 * first.state[tensor]["exp_avg_sq"])
    assert torch.equal(second.state[tensor]["exp_avg"], 2 * first.state[tensor]["exp_avg"])
    assert torch.equal(second.state[tensor]["step"], first.state[tensor]["step"])


def test_an_optimizer_sees_the_multiplied_loss_and_the_user_the_own_one():
    class Polyak(torch.optim.Optimizer):
        def __init__(self, params: Any):
            super().__init__(params, {})
            self.seen: list[float] = []

        def step(self, closure: Any = None) -> Any:
            loss = closure()
            self.seen.append(float(loss))
            return loss

    own = torch.tensor(3.0)
    optimizer = Polyak([leaf()])
    with inject(Injection(Fraction(2), (LAWS["SGD"],)), recorder()):
        assert optimizer.step(lambda: own) is own
        assert optimizer.step(lambda: 5.0) == 5.0
    assert optimizer.seen == [6.0, 10.0]
