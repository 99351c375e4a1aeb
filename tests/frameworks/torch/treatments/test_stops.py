"""Early stops: where their smallest improvement is found, and that it is changed once and given back."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD

from lossgauge.frameworks.torch.treatments.stop_deltas import find_stop_deltas
from lossgauge.frameworks.torch.treatments.treat import treat
from lossgauge.records.treatment import Treatment
from tests.frameworks.torch.treatments.small import seeded

THOUSANDTH = Treatment("stop-delta", factor=1e-3)


class Stopper:
    def __init__(self, min_delta: float, patience: int = 2):
        self.min_delta, self.patience, self.best = min_delta, patience, math.inf

    def stops(self, loss: float) -> bool:
        if loss < self.best - self.min_delta:
            self.best, self.patience = loss, 2
        else:
            self.patience -= 1
        return self.patience == 0


@dataclass(frozen=True)
class Frozen:
    min_delta: float = 0.5


class Config:
    min_delta = 0.5


class Terse:
    """As written by hand, with names of its own."""

    def __init__(self, patience: int = 8, min_delta: float = 0.5):
        self.p, self.d, self.best, self.n = patience, float(min_delta), math.inf, 0


class Patient:
    def __init__(self, patience: int = 5, verbose: bool = False, delta: float = 0.5):
        self.patience: int = patience
        self.least: float = delta


class Loss:
    """A Huber loss, whose delta is no improvement."""

    def __init__(self, delta: float = 0.5):
        self.delta = delta


def steps_until(stops: Any, most: int = 12) -> int:
    model, x, y = seeded()
    optimizer = SGD(model.parameters(), lr=0.05)
    for number in range(most):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if stops(loss.item()):
            return number
    return most


def with_an_object(min_delta: float = 0.5):
    stopper = Stopper(min_delta)
    return steps_until(stopper.stops)


def with_a_variable(min_delta: float = 0.5):
    model, x, y = seeded()
    optimizer, best, bad = SGD(model.parameters(), lr=0.05), math.inf, 0
    for number in range(12):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if loss.item() < best - min_delta:
            best, bad = loss.item(), 0
        else:
            bad += 1
            if bad == 2:
                return number
    return 12


def with_a_dictionary(delta: float = 0.5):
    config = {"min_delta": delta}
    return steps_until(lambda loss: Stopper(config["min_delta"], 1).stops(2 * config["min_delta"]))


@pytest.mark.parametrize("train", [with_an_object, with_a_variable])
def test_a_smaller_improvement_is_enough(train: Any):
    with treat([THOUSANDTH]):
        assert train() == train(0.0005)  # the second has no more than a millionth, which is enough as well
    assert train() < train(0.0005) == 12


def test_it_is_changed_once_for_every_object_and_every_call():
    seen: list[float] = []

    def call(min_delta: float = 0.5):
        stopper = Stopper(0.25)
        config: dict[str, Any] = {"min_delta": 2}
        for _ in range(3):
            torch.ones(1, requires_grad=True).sum().backward()
            seen.append(min_delta)
            seen.append(stopper.min_delta)
            seen.append(config["min_delta"])

    with treat([Treatment("stop-delta", factor=0.5)]):
        call()
        call(1.0)
    assert seen == [0.25, 0.125, 1.0] * 3 + [0.5, 0.125, 1.0] * 3


def test_what_outlives_the_call_is_given_back():
    frozen, names, stopper = Frozen(), SimpleNamespace(min_delta=0.5), Stopper(0.5)
    holders = [frozen, names, stopper, Config]

    def train(frozen: Any, names: Any, stopper: Any, config: Any):
        torch.ones(1, requires_grad=True).sum().backward()
        return [holder.min_delta for holder in (frozen, names, stopper, config)]

    with treat([Treatment("stop-delta", value=0.125)]):
        assert train(*holders) == [0.125] * 4
    assert [holder.min_delta for holder in holders] == [0.5] * 4
    assert train(*holders) == [0.5] * 4


def test_the_variable_of_a_script_is_changed_and_given_back():
    names: dict[str, Any] = {"__name__": "__main__", "torch": torch, "min_delta": 0.5}
    code = "torch.ones(1, requires_grad=True).sum().backward()\nseen = min_delta"
    with treat([THOUSANDTH]):
        exec(compile(code, "script.py", "exec"), names)
    assert (names["seen"], names["min_delta"]) == (0.0005, 0.5)


def test_finding_says_where_and_changes_nothing():
    stopper, config, min_delta = Stopper(0.25), {"min_delta": 3}, 0.5

    def inner():
        other = SimpleNamespace(min_delta=True, patience=3)  # a flag is no improvement
        return find_stop_deltas(sys._getframe()), other

    found, _ = inner()
    mine = [(where, value) for where, value in found if Path(__file__).name in where]
    places = [where.partition(" (")[2].rstrip(")") for where, _ in mine]
    assert dict(zip(places, [value for _, value in mine], strict=True)) == {
        "min_delta": 0.5,
        "stopper.min_delta": 0.25,
        "config['min_delta']": 3,
    }
    assert all(where.partition(":")[2].partition(" ")[0].isdigit() for where, _ in mine)
    assert (stopper.min_delta, config["min_delta"], min_delta) == (0.25, 3, 0.5)


class Trainer:
    """Keeps its early stop where a training loop of one's own would."""

    def __init__(self):
        self.options = {"early_stop": {"min_delta": 0.5, "patience": 3}}
        self.callbacks = ["checkpoints", Stopper(0.25)]
        self.itself = self

    def fit(self):
        torch.ones(1, requires_grad=True).sum().backward()
        return self.options["early_stop"]["min_delta"], self.callbacks[1].min_delta  # pyright: ignore

    def find(self):
        return find_stop_deltas(sys._getframe())


def test_what_is_held_by_what_a_variable_holds_is_found_and_changed():
    here, trainer = Path(__file__).name, Trainer()
    found = {where.partition(" ")[2]: value for where, value in trainer.find() if here in where}
    assert found == {"(self.options['early_stop']['min_delta'])": 0.5, "(self.callbacks[1].min_delta)": 0.25}
    with treat([Treatment("stop-delta", factor=0.5)]):
        assert trainer.fit() == trainer.fit() == (0.25, 0.125)
    assert trainer.fit() == (0.5, 0.25)


def test_every_call_of_a_function_has_variables_of_its_own():
    def call(min_delta: float) -> list[tuple[str, float]]:
        return call(min_delta / 2) if min_delta > 1 else find_stop_deltas(sys._getframe())

    assert [value for _, value in call(4.0)] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("many", [4, 60])
def test_the_search_ends_where_much_is_held(many: int):
    def find(crowd: Any, options: Any, stopper: Any):
        assert crowd
        return find_stop_deltas(sys._getframe()), options, stopper

    crowd = {str(row): [SimpleNamespace(other=i) for i in range(60)] for row in range(many)}
    found, _, _ = find(crowd, {"callbacks": [Stopper(0.5)]}, Stopper(0.25))
    places = [where.partition(" (")[2].rstrip(")") for where, _ in found]
    assert "stopper.min_delta" in places
    assert ("options['callbacks'][0].min_delta" in places) == (many == 4)


def test_an_object_is_never_asked():
    class Proxy:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError("asked")

    class Lazy(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("asked")

    proxy, lazy = Proxy(), Lazy([Stopper(0.5)])
    assert [where.partition(" (")[2] for where, _ in find_stop_deltas(sys._getframe())] == ["lazy[0].min_delta)"]
    assert type(proxy) is Proxy
    assert len(lazy) == 1


def found_in(module: str) -> list[tuple[str, float]]:
    names = {"__name__": module, "min_delta": 0.5, "find": find_stop_deltas, "sys": sys}
    hidden = [[[names]]]  # farther from a variable of this frame than is looked
    del names
    exec("found = find(sys._getframe())", hidden[0][0][0])
    return hidden[0][0][0]["found"]


def test_frames_of_torch_are_passed_over():
    assert found_in("torch.optim.swa_utils") == []
    assert found_in("torchlike") == [("<string>:1 (min_delta)", 0.5)]


def test_what_an_early_stop_keeps_under_a_name_of_its_own_is_found():
    terse, patient, loss = Terse(), Patient(), Loss()
    here = Path(__file__).name
    found = {where.partition(" ")[2]: value for where, value in find_stop_deltas(sys._getframe()) if here in where}
    assert found == {"(terse.d)": 0.5, "(patient.least)": 0.5}
    assert (terse.d, patient.least, loss.delta) == (0.5, 0.5, 0.5)


def test_and_it_is_changed_there():
    def train(stopper: Any):
        torch.ones(1, requires_grad=True).sum().backward()
        return vars(stopper)

    with treat([Treatment("stop-delta", factor=0.5)]):
        assert train(Terse())["d"] == train(Patient())["least"] == 0.25
        assert train(Loss())["delta"] == 0.5
