"""Rules that need the loss itself: it has the unit L too."""

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import evaluate, global_norm, gradients


class PolyakStep(Optimizer):
    """p ← p − min(lr·(f − f*)/(‖g‖² + ε), max_step)·g: f* carries L⁺¹, ε L⁺², max_step L^{−1}, lr L⁰."""

    def __init__(self, params, lr=1.0, f_star=0.0, eps=1e-8, max_step=1.0):
        super().__init__(params, dict(lr=lr, f_star=f_star, eps=eps, max_step=max_step))

    @torch.no_grad()
    def step(self, closure):
        loss = evaluate(closure)
        for group in self.param_groups:
            energy = torch.stack([g.square().sum() for g in gradients(group)]).sum()
            size = group["lr"] * (loss - group["f_star"]) / (energy + group["eps"])
            size = float(torch.clamp(size, max=group["max_step"]))
            for p in group["params"]:
                p.add_(p.grad, alpha=-size)
        return loss


class Backtracking(Optimizer):
    """t = lr, lr·shrink, lr·shrink², … until f(p − t·g) ≤ f(p) − c·t·‖g‖² (at most 20 trials)."""

    def __init__(self, params, lr=1.0, c=1e-4, shrink=0.5):
        super().__init__(params, dict(lr=lr, c=c, shrink=shrink))

    @torch.no_grad()
    def step(self, closure):
        loss = evaluate(closure)
        (group,) = self.param_groups
        start = [p.clone() for p in group["params"]]
        slope = [p.grad.clone() for p in group["params"]]
        energy = global_norm(slope) ** 2
        size = group["lr"]
        for _ in range(20):
            for p, origin, direction in zip(group["params"], start, slope):
                p.copy_(origin - size * direction)
            if float(evaluate(closure)) <= float(loss) - group["c"] * size * energy:
                break
            size = size * group["shrink"]
        return loss


class SharpnessAware(Optimizer):
    """e = rho·g(p)/(‖g‖ + ε); p ← p − lr·g(p + e): rho is a distance between weights."""

    def __init__(self, params, lr=1e-2, rho=0.05, eps=1e-12):
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps))

    def step(self, closure):
        loss = evaluate(closure)
        with torch.no_grad():
            every = [p for group in self.param_groups for p in group["params"]]
            norm = torch.linalg.vector_norm(torch.stack([p.grad.norm(2) for p in every]), 2)
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["origin"] = p.data.clone()
                    p.add_(p.grad * (group["rho"] / (norm + group["eps"])))
        evaluate(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.data = self.state[p].pop("origin") - group["lr"] * p.grad
        return loss


class LossWeighted(Optimizer):
    """p ← p − lr·f·g: both factors carry L, so lr carries L^{−2}."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure):
        loss = evaluate(closure)
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * loss * p.grad
        return loss


class LogLoss(Optimizer):
    """p ← p − lr·g/(f + offset): descent on log(f + offset), so lr carries L⁰ and offset L⁺¹."""

    def __init__(self, params, lr=1e-2, offset=1e-6):
        super().__init__(params, dict(lr=lr, offset=offset))

    @torch.no_grad()
    def step(self, closure):
        loss = evaluate(closure)
        value = loss.item()
        for group in self.param_groups:
            torch._foreach_add_(group["params"], gradients(group), alpha=-group["lr"] / (value + group["offset"]))
        return loss
