"""Whether somebody else's code may be called once more."""

import math
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from lossgauge.frameworks.torch.gauging.pieces import why_untried
from lossgauge.frameworks.torch.gauging.purity import doubt_about, doubt_about_step
from lossgauge.frameworks.torch.gauging.reading import read_loss

SEEN: list[float] = []
COUNT = 0
SCALE = 2.0


def rooted(x: float) -> float:
    return SCALE * math.sqrt(x)


def recorder(x: float) -> float:
    SEEN.append(x)
    return x


class Computing(Adam):
    """Keeps its own count, calls functions, makes tensors: nothing that anybody else could notice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.count, self.norms = 0, [0.0]
        self.inner = SGD([nn.Parameter(torch.ones(1))], lr=0.1)

    def step(self, closure: Any = None) -> Any:
        self.count += 1
        self.norms.append(rooted(float(self.count)))
        return super().step(closure)


class Printing(Adam):
    def step(self, closure: Any = None) -> Any:
        print("step")
        return super().step(closure)


class Recording(Adam):
    def step(self, closure: Any = None) -> Any:
        recorder(1.0)
        return super().step(closure)


class Counting(Adam):
    made = 0

    def step(self, closure: Any = None) -> Any:
        type(self).made += 1
        return super().step(closure)


class Named(Adam):
    made = 0

    def step(self, closure: Any = None) -> Any:
        Named.made += 1
        return super().step(closure)


class Sharing(Adam):
    history: list[float] = []  # noqa: RUF012 - this is what is to be found

    def step(self, closure: Any = None) -> Any:
        self.history.append(1.0)
        return super().step(closure)


class Global(Adam):
    def step(self, closure: Any = None) -> Any:
        global COUNT
        COUNT += 1
        return super().step(closure)


class Importing(Adam):
    def step(self, closure: Any = None) -> Any:
        import os

        os.environ["STEPPED"] = "1"
        return super().step(closure)


class Complaining(Adam):
    def step(self, closure: Any = None) -> Any:
        warnings.warn("a step", stacklevel=2)
        return super().step(closure)


class Filing(Adam):
    def step(self, closure: Any = None) -> Any:
        torch.save(self.state_dict(), "/dev/null")
        return super().step(closure)


def made(kind: Any) -> Any:
    return kind([nn.Parameter(torch.ones(2))], lr=1e-2)


def enclosing() -> type[Adam]:
    count = 0

    class Enclosed(Adam):
        def step(self, closure: Any = None) -> Any:
            nonlocal count
            count += 1
            return super().step(closure)

    return Enclosed


@pytest.mark.parametrize("kind", [SGD, Adam, Computing])
def test_code_that_only_computes_is_beyond_doubt(kind: Any):
    assert doubt_about_step(made(kind)) == ""
    assert why_untried(made(kind)) == ""


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (Printing, "print()"),
        (Recording, "SEEN, a list"),
        (Counting, "type()"),
        (Named, "Named, whose attributes"),
        (Sharing, "Sharing.history, which all instances share"),
        (Global, "the global variable COUNT"),
        (Importing, "the module os"),
        (Filing, "save"),
        (Complaining, "the module warnings"),
        (enclosing(), "the variable count around it"),
    ],
)
def test_what_a_caller_could_notice_is_named_and_not_run(kind: Any, what: str):
    doubt = doubt_about_step(made(kind))
    assert doubt.startswith(what)
    assert doubt in why_untried(made(kind))
    assert not SEEN
    assert COUNT == 0


def test_what_an_instance_keeps_counts_too():
    optimizer = made(Computing)
    optimizer.log = open(__file__, encoding="utf-8")  # noqa: SIM115 - it stays open on purpose
    with optimizer.log:
        assert doubt_about_step(optimizer).startswith("log, a TextIOWrapper")


def test_a_step_that_was_put_into_a_class_of_torch_is_read_as_well(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SGD, "step", Printing.step)
    assert doubt_about_step(made(SGD)) == "print()"


class Counted(torch.autograd.Function):
    calls = 0

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        Counted.calls += 1
        return gradients[0]


def test_a_backward_that_counts_is_not_asked():
    loss = Counted.apply(torch.ones(2, requires_grad=True)).sum()
    assert doubt_about(Counted.backward).startswith("Counted, whose attributes")
    for _ in range(3):
        assert read_loss(loss, step=1, deep=True).custom == {"Counted": None}
    assert Counted.calls == 0
