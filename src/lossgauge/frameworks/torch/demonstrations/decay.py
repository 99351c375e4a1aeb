"""Measurements of what a loss multiplier does to the balance with weight decay, wherever the decay stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossgauge.frameworks.torch.demonstrations.training import BITS, SmallProblem, compare, regression_problem, train

DECAY = 0.05
"""λ, strong enough to bend the training; in loss/weight² where it is coupled."""
RATE = {"sgd": 0.05, "nadam": 2e-3}
EPS = 1e-3
"""An ε that matters at these gradients, in loss/weight; it is co-scaled in every comparison, so only λ is on trial."""


class DecoupledSGD(torch.optim.Optimizer):
    """SGD with lr-scaled decoupled decay: w ← w − lr·λ·w − lr·g.

    Args:
        params: The weights.
        lr: Learning rate, in weight²/loss.
        weight_decay: λ, in loss/weight²: with SGD's learning rate it needs the same unit as coupled decay.
    """

    def __init__(self, params: list[Tensor], lr: float, weight_decay: float):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step.

        Args:
            closure: Not used.
        """
        for group in self.param_groups:
            for weight in group["params"]:
                weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(weight.grad, alpha=-group["lr"])


@dataclass(frozen=True)
class Place:
    """An optimizer and the place its decay stands in.

    Args:
        family: `sgd` (the learning rate carries α) or `nadam` (ε carries it).
        decay: `coupled`, `decoupled` (lr-scaled) or `loss` (an L2 term inside the loss that α multiplies).
    """

    family: str
    decay: str

    def train(self, alpha: float, decay: float, undo: float = 1.0) -> Tensor:
        """Train with the loss multiplied by α.

        Args:
            alpha: α, dimensionless.
            decay: λ.
            undo: A multiplier already undone through the learning rate (SGD) or ε (NAdam), dimensionless.

        Returns:
            The path of the weights, as `demonstrations.train` returns it.
        """
        inside = self.decay == "loss"
        problem = _with_l2(decay) if inside else regression_problem()
        outside = 0.0 if inside else decay

        def make(weights: list[Tensor]) -> torch.optim.Optimizer:
            if self.family == "nadam":
                decoupled = self.decay == "decoupled"
                settings = {"weight_decay": outside, "decoupled_weight_decay": decoupled}
                return torch.optim.NAdam(weights, lr=RATE["nadam"], eps=EPS * undo, **settings)
            kind = DecoupledSGD if self.decay == "decoupled" else torch.optim.SGD
            return kind(weights, lr=RATE["sgd"] / undo, weight_decay=outside)

        return train(problem, make, alpha)


PLACES = {
    "SGD, coupled": Place("sgd", "coupled"),
    "NAdam, coupled": Place("nadam", "coupled"),
    "SGD, lr-scaled decoupled": Place("sgd", "decoupled"),
    "NAdam, lr-scaled decoupled": Place("nadam", "decoupled"),
    "SGD, inside the loss": Place("sgd", "loss"),
    "NAdam, inside the loss": Place("nadam", "loss"),
}


def measure_decay(places: dict[str, Place] | None = None) -> dict[str, Any]:
    """Is α·L with an untouched λ the same as L with λ/α, or the same as L with λ?

    The learning rate (SGD) or ε (NAdam) is co-scaled throughout, so that the decay is the only thing α can change.

    Args:
        places: Name → optimizer and place of its decay; six of them unless given.

    Returns:
        For each place: `divided` and `untouched`: the comparison of α·L with L at λ/α and at λ, with α = 2**17 from
        below (the plain loss is the one with α, so that λ stays in a range where it matters).
    """
    found: dict[str, Any] = {}
    for name, place in (PLACES if places is None else places).items():
        # α = 2**17 over a loss divided by it: α·L with λ against L with λ/α reads λ₀·α against λ₀ here.
        multiplied = place.train(1.0, DECAY)
        found[name] = {
            "divided": compare(multiplied, place.train(1 / BITS, DECAY / BITS, undo=1 / BITS)),
            "untouched": compare(multiplied, place.train(1 / BITS, DECAY, undo=1 / BITS)),
        }
    return {"places": found}


def _with_l2(decay: float) -> SmallProblem:
    plain = regression_problem()

    def loss(weights: Sequence[Tensor]) -> Tensor:
        squares = torch.stack([weight.square().sum() for weight in weights]).sum()
        return plain.loss(weights) + decay / 2 * squares

    return SmallProblem(plain.start, loss)
