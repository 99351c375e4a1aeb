"""Small trainings with every optimizer of torch, and what their records must say, computed slowly."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lossgauge.frameworks.torch.gauging.pieces import UNCOUNTED, Piece, choose, copy_pieces, give_gradient
from lossgauge.frameworks.torch.gauging.sighting import read_gradients
from lossgauge.frameworks.torch.gauging.statistics import Before, Watched, after, before
from lossgauge.laws.law import Law
from lossgauge.laws.table import read_table
from lossgauge.records.session import TensorSample


@dataclass(frozen=True)
class Case:
    """An optimizer of torch with settings."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{name}={value}" for name, value in self.settings.items())])

    def law(self, optimizer: torch.optim.Optimizer) -> Law:
        return read_table()[f"torch.optim:{self.name}"].law_for(optimizer.param_groups[0])


CASES = (
    Case("SGD", dict(lr=0.1)),
    Case("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2)),
    Case("SGD", dict(lr=0.1, momentum=0.9, dampening=0.5, maximize=True)),
    Case("Adam", dict(lr=1e-2)),
    Case("Adam", dict(lr=1e-2, eps=1e-2, foreach=True)),
    Case("Adam", dict(lr=1e-2, eps=1e-3, fused=True)),
    Case("Adam", dict(lr=1e-2, amsgrad=True, weight_decay=1e-2, eps=1e-3)),
    Case("AdamW", dict(lr=1e-2, eps=1e-3)),
    Case("NAdam", dict(lr=1e-2, eps=1e-3)),
    Case("RAdam", dict(lr=1e-2, eps=1e-3)),
    Case("Adamax", dict(lr=1e-2, eps=1e-2)),
    Case("RMSprop", dict(lr=1e-2, eps=1e-2)),
    Case("RMSprop", dict(lr=1e-3, eps=1e-3, centered=True, momentum=0.9)),
    Case("Adagrad", dict(lr=1e-2, eps=1e-2, initial_accumulator_value=0.1)),
    Case("Adadelta", dict(eps=1e-4)),
    Case("ASGD"),
    Case("Rprop"),
    Case("LBFGS", dict(lr=0.1)),
    Case("Muon"),
    Case("Adafactor"),
    Case("SparseAdam", dict(lr=1e-2, eps=1e-3)),
)


class Training:
    """A model, its optimizer and a new batch at every step."""

    def __init__(self, case: Case, dtype: torch.dtype = torch.float32, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.case, self.dtype = case, dtype
        self.sparse = case.name == "SparseAdam"
        if self.sparse:
            self.model: nn.Module = nn.Embedding(50, 6, sparse=True)
        elif case.name == "Muon":
            self.model = nn.Linear(6, 8, bias=False)
        else:
            self.model = nn.Sequential(nn.Linear(6, 160), nn.Tanh(), nn.Linear(160, 120), nn.Tanh(), nn.Linear(120, 2))
        self.model.to(dtype)
        self.optimizer = getattr(torch.optim, case.name)(self.model.parameters(), **case.settings)
        self.law = case.law(self.optimizer)

    @property
    def watched(self) -> list[Watched]:
        groups = self.optimizer.param_groups
        return list(enumerate_all([(tensor, group) for group in groups for tensor in group["params"]]))

    def backward(self) -> torch.Tensor:
        self.optimizer.zero_grad()
        batch = torch.randint(0, 50, (12,)) if self.sparse else torch.randn(12, 6, dtype=self.dtype)
        loss = (self.model(batch) - 1).square().mean()
        loss.backward()
        return loss

    @property
    def closure(self) -> Callable[[], torch.Tensor] | None:
        return self.backward if self.case.name == "LBFGS" else None

    def step(self, look: Callable[[], None] = lambda: None) -> None:
        if self.closure is None:
            self.backward()
        look()
        self.optimizer.step(*([] if self.closure is None else [self.closure]))


def enumerate_all(pairs: list[tuple[torch.Tensor, dict[str, Any]]]) -> list[Watched]:
    return [(number, tensor, group) for number, (tensor, group) in enumerate(pairs)]


def sampled(training: Training, steps: int, deep: bool = True) -> tuple[Before, tuple[TensorSample, ...]]:
    """The last of some steps, looked at."""
    for _ in range(steps - 1):
        training.step()
    starts: list[Before] = []

    def look() -> None:
        closure = training.closure is not None
        starts.append(
            before(training.optimizer, training.watched, training.law, deep, closure=closure, steps=steps - 1)
        )

    training.step(look)
    return starts[0], after(starts[0])


def pieces_of(optimizer: torch.optim.Optimizer, watched: list[Watched], steps: float = UNCOUNTED) -> dict[int, Piece]:
    """What a trial of the step at hand needs of each weight, by its place."""
    ones = before(optimizer, watched, None, False).sightings
    places = choose(optimizer, [one.tensor for one in ones])
    wanted = [(ones[place].tensor, ones[place].group, ones[place].where) for place in places]
    found = dict(zip(places, copy_pieces(optimizer, wanted, steps), strict=True))
    for place, piece in found.items():
        (elements,) = read_gradients([ones[place]], 1.0, late=False)
        assert elements is not None
        give_gradient(piece, elements)
    return found


def sampled_pieces(training: Training, steps: int) -> list[Piece]:
    """The same of the last of some steps."""
    for _ in range(steps - 1):
        training.step()
    found: list[Piece] = []
    training.step(lambda: found.extend(pieces_of(training.optimizer, training.watched, steps - 1).values()))
    return found
