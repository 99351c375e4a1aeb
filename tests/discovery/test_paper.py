"""Contradictions that never act, and the same ones when they do."""

from typing import Any

import torch

from lossgauge.discovery.discover import discover
from lossgauge.frameworks.torch.subjects import OptimizerSubject


class DecayInDeadSteps(torch.optim.Optimizer):
    """Decay is added to the raw gradient (L/W²) in the first steps and to the normalised one (1/W) later.

    With `early` = 0 the first steps move nothing, so the first of the two units never matters.
    """

    def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.1, early: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "early": early})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step."""
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                count = state["count"] = state.get("count", 0) + 1
                v = state.setdefault("v", torch.zeros_like(p)).mul_(0.9).addcmul_(p.grad, p.grad, value=0.1)
                raw = p.grad + group["weight_decay"] * p
                if count <= 3:
                    p.sub_(raw * group["lr"] * group["early"])
                else:
                    p.sub_((p.grad / v.sqrt() + group["weight_decay"] * p) * group["lr"])


def test_a_contradiction_no_run_shows_is_told_and_does_not_break_the_law() -> None:
    found = discover(OptimizerSubject("DecayInDeadSteps", DecayInDeadSteps), {"early": 0.0})
    assert found.verdict == "EXACT"
    assert found.law.exponents["weight_decay"] == 0
    assert any("on paper" in line for line in found.disagreements)


def test_the_same_contradiction_breaks_the_law_once_it_acts() -> None:
    found = discover(OptimizerSubject("DecayInDeadSteps", DecayInDeadSteps), {"early": 1.0})
    assert found.verdict == "BROKEN"
    assert not any("on paper" in line for line in found.disagreements)
