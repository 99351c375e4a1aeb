"""Trainings that can be stopped, rescaled and continued, and the laws of torch's optimizers as DESIGN states them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch

from lossgauge.laws.law import Clash, Law
from lossgauge.laws.verdict import Verdict

torch.set_num_threads(1)

Build = Callable[[list[torch.nn.Parameter]], Any]


def law(name: str, states: dict[str, int], **exponents: int) -> Law:
    """A law with whole exponents; those left out are 0."""
    return Law(
        f"torch.optim:{name}",
        Verdict.EXACT,
        {h: Fraction(k) for h, k in exponents.items()},
        {slot: Fraction(k) for slot, k in states.items()},
    )


def broken(name: str, states: dict[str, int], **exponents: int) -> Law:
    """A law that does not hold, though it knows some exponents."""
    clash = Clash("radam.py:300", "addcdiv", "L/W", "1")
    return replace(law(name, states, **exponents), verdict=Verdict.BROKEN, clashes=(clash,))


ADAM = law(
    "Adam",
    {"step": 0, "exp_avg": 1, "exp_avg_sq": 2, "max_exp_avg_sq": 2, "mu_product": 0},
    lr=0,
    eps=1,
    weight_decay=1,
)
ADAMW = replace(ADAM, exponents={**ADAM.exponents, "weight_decay": Fraction(0)})
SGD = law("SGD", {"momentum_buffer": 1}, lr=-1, weight_decay=1)
RMSPROP = law("RMSprop", {"square_avg": 2, "grad_avg": 1, "momentum_buffer": 0}, lr=0, eps=1, weight_decay=1)
ADAGRAD = law("Adagrad", {"step": 0, "sum": 2}, lr=0, eps=1, weight_decay=1, initial_accumulator_value=2)


@dataclass(frozen=True)
class Case:
    """One optimizer with settings at which every exponent matters, but for those named in `inert`."""

    name: str
    build: Build
    law: Law
    inert: frozenset[str] = frozenset()
    shapes: tuple[tuple[int, ...], ...] = ((4, 3), (5,))
    sparse: bool = False


def case(name: str, known: Law, inert: str = "", **settings: Any) -> Case:
    kind, _, label = name.partition(" ")
    options = dict.fromkeys(label.split(), True)
    shapes = ((4, 3), (3, 5)) if kind == "Muon" else ((6, 3),) if kind == "SparseAdam" else ((4, 3), (5,))
    return Case(
        name,
        lambda weights: getattr(torch.optim, kind)(weights, **{**settings, **options}),
        known,
        frozenset(inert.split()),
        shapes,
        kind == "SparseAdam",
    )


USUAL: dict[str, Any] = dict(lr=0.03, eps=0.05, weight_decay=0.02)
CASES = [
    case("SGD", SGD, lr=0.1, weight_decay=0.02, momentum=0.9, dampening=0.1),
    case("SGD nesterov", SGD, lr=0.1, weight_decay=0.02, momentum=0.9),
    case("SGD foreach", SGD, lr=0.1, weight_decay=0.02, momentum=0.9),
    case("SGD fused", SGD, lr=0.1, weight_decay=0.02, momentum=0.9),
    case("Adam", ADAM, **USUAL),
    case("Adam amsgrad", ADAM, **USUAL),
    case("Adam foreach", ADAM, **USUAL),
    case("Adam fused", ADAM, **USUAL),
    case("Adam decoupled_weight_decay", ADAMW, **USUAL),
    case("AdamW", ADAMW, **USUAL),
    case("AdamW fused", ADAMW, **USUAL),
    case("NAdam", ADAM, **USUAL),
    case("NAdam decoupled_weight_decay", ADAMW, **USUAL),
    case("Adamax", law("Adamax", {"step": 0, "exp_avg": 1, "exp_inf": 1}, lr=0, eps=1, weight_decay=1), **USUAL),
    case("RMSprop", RMSPROP, **USUAL),
    case("RMSprop centered", RMSPROP, **USUAL, momentum=0.8),
    case("Adagrad", ADAGRAD, "initial_accumulator_value", **USUAL, initial_accumulator_value=0.1),
    case("Adagrad fused", ADAGRAD, "initial_accumulator_value", **USUAL, initial_accumulator_value=0.1),
    case(
        "Adadelta",
        law("Adadelta", {"step": 0, "square_avg": 2, "acc_delta": 2}, lr=-1, eps=2, weight_decay=1),
        lr=1.0,
        eps=0.01,
        weight_decay=0.02,
    ),
    case(
        "ASGD",  # `mu` and `ax` only make the averaged weights
        law("ASGD", {"step": 0, "eta": -1, "mu": 0, "ax": 0}, lr=-1, lambd=1, weight_decay=1),
        "mu ax",
        lr=0.1,
        lambd=0.05,
        weight_decay=0.02,
        t0=10,
    ),
    case("Rprop", law("Rprop", {"step": 0, "prev": 1, "step_size": 0}, lr=0), "prev lr", lr=0.01),
    case("Muon", law("Muon", {"momentum_buffer": 1}, lr=0, eps=1, weight_decay=0), lr=0.03, eps=3.0, weight_decay=0.02),
    case("SparseAdam", replace(ADAM, target="torch.optim:SparseAdam"), "weight_decay", lr=0.03, eps=0.05),
]


class Training:
    """A noisy quadratic, Σ ½ c·(w − z_t)², whose loss is multiplied by α before its backward pass."""

    def __init__(self, build: Build, shapes: Any = ((4, 3), (5,)), dtype: Any = torch.float32, sparse: bool = False):
        draw = torch.Generator().manual_seed(7)
        draws: dict[str, Any] = dict(generator=draw, dtype=torch.float64)
        self.weights = [torch.nn.Parameter(torch.randn(*s, **draws).to(dtype)) for s in shapes]
        self.curvature = [(0.1 + torch.rand(*s, **draws)).to(dtype) for s in shapes]
        self.noise = [torch.randn(100, *s, **draws).to(dtype) for s in shapes]
        self.optimizer = build(self.weights)
        self.sparse, self.t, self.alpha = sparse, 0, 1.0
        self.scheduler: Any = None
        self.scaler: Any = None
        self.clip: Callable[[list[torch.nn.Parameter]], object] = lambda weights: None
        self.scaled_gradients: list[torch.Tensor] = []

    @classmethod
    def of(cls, one: Case, dtype: Any = torch.float32) -> "Training":
        return cls(one.build, one.shapes, dtype, one.sparse)

    def loss(self) -> torch.Tensor:
        total = torch.zeros((), dtype=self.weights[0].dtype)
        for weight, c, noise in zip(self.weights, self.curvature, self.noise, strict=True):
            target = noise[self.t % 100]
            rows = torch.tensor([self.t % 6, (self.t + 2) % 6])
            if self.sparse:
                weight = torch.nn.functional.embedding(rows, weight, sparse=True)
                c, target = c[rows], target[rows]
            total = total + (0.5 * c * (weight - target) ** 2).sum()
        return total * self.alpha

    def step(self) -> None:
        self.optimizer.zero_grad()
        loss = self.loss()
        (self.scaler.scale(loss) if self.scaler else loss).backward()
        if self.scaler:
            self.scaled_gradients = [w.grad.clone() for w in self.weights if w.grad is not None]
            self.scaler.unscale_(self.optimizer)
        self.clip(self.weights)
        if self.scaler:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(loss.item())
        elif self.scheduler:
            self.scheduler.step()
        self.t += 1

    def run(self, steps: int) -> list[list[torch.Tensor]]:
        """The weights after every step."""
        passed = []
        for _ in range(steps):
            self.step()
            passed.append([w.detach().clone() for w in self.weights])
        return passed


def same(one: list[list[torch.Tensor]], other: list[list[torch.Tensor]]) -> bool:
    """Whether two runs have the same weights, bit for bit, after every step."""
    assert len(one) == len(other) > 0
    pairs = [(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)]
    return all(a.isfinite().all() and torch.equal(a, b) for a, b in pairs)
