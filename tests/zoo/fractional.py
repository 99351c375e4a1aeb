"""Rules whose learning rate carries an unusual power of the loss."""

import numpy as np
import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, eighth_root, evaluate, moving_average_


class QuarterRoot(Optimizer):
    """p ← (1 − lr·λ)p − lr·g/(v^{1/4} + ε): L/L^{1/2}, so lr carries L^{−1/2}, ε and λ carry L^{1/2}."""

    def __init__(self, params, lr=1e-2, beta=0.9, eps=1e-8, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            v = state.setdefault("v", torch.zeros_like(p))
            v.mul_(group["beta"]).addcmul_(grad, grad, value=1 - group["beta"])
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.addcdiv_(grad, v.sqrt().sqrt_().add_(group["eps"]), value=-group["lr"])
        return loss


class EighthRoot(Optimizer):
    """p ← p − lr·m/v^{1/8}: L/L^{1/4}, so lr carries L^{−3/4}; the root is in another module."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.99)):
        super().__init__(params, dict(lr=lr, betas=betas))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            m = moving_average_(state.setdefault("m", torch.zeros_like(p)), grad, group["betas"][0])
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad.square(), group["betas"][1])
            p.sub_(m.div(eighth_root(v)).mul_(group["lr"]))


class CubeRoot(Optimizer):
    """p ← p − lr·g/(v^{1/3} + ε): L/L^{2/3}, so lr carries L^{−1/3}, ε carries L^{2/3}."""

    def __init__(self, params, lr=1e-2, beta=0.9, eps=1e-8):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad * grad, group["beta"])
            p -= group["lr"] * grad / (v ** (1 / 3) + group["eps"])


class DualAveragedCubeRoot(Optimizer):
    """λ = lr·√t; s ← s + λg; ν ← ν + λg²; p ← (1−c)p + c·(x₀ − s/(ν^{1/3} + ε)) with c = 1 − momentum.

    Demand (k+1) − (k+2)/3 = 0: lr carries L^{−1/2}, s and ε L^{1/2}, ν L^{3/2}.
    """

    def __init__(self, params, lr=1e-2, momentum=0.9, eps=1e-6):
        super().__init__(params, dict(lr=lr, momentum=momentum, eps=eps))
        self.state["t"] = torch.tensor([0])

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        self.state["t"] += 1
        for group in self.param_groups:
            weight = group["lr"] * self.state["t"].item() ** 0.5
            for p in group["params"]:
                state = self.state[p]
                if "x0" not in state:
                    state["x0"] = p.detach().clone()
                    state["s"], state["nu"] = torch.zeros_like(p), torch.zeros_like(p)
                state["s"].add_(p.grad, alpha=weight)
                state["nu"].addcmul_(p.grad, p.grad, value=weight)
                goal = state["x0"].addcdiv(state["s"], state["nu"].pow(1 / 3).add_(group["eps"]), value=-1)
                p.mul_(group["momentum"]).add_(goal, alpha=1 - group["momentum"])
        return loss


class PartiallyAdaptive(Optimizer):
    """p ← p − lr·m̂/(√v̂ + ε)^{2·partial}: L^{1−2·partial}, so lr carries L^{2·partial − 1}."""

    def __init__(self, params, lr=1e-1, betas=(0.9, 0.999), eps=1e-8, partial=1 / 4):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, partial=partial))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            state["step"] = state.get("step", 0) + 1
            m = state.setdefault("exp_avg", torch.zeros_like(p))
            v = state.setdefault("exp_avg_sq", torch.zeros_like(p))
            beta1, beta2 = group["betas"]
            m.mul_(beta1).add_((1 - beta1) * grad)
            v.mul_(beta2).add_((1 - beta2) * grad * grad)
            size = group["lr"] * (1 - beta2 ** state["step"]) ** 0.5 / (1 - beta1 ** state["step"])
            p.addcdiv_(-size * m, (v.sqrt() + group["eps"]) ** (group["partial"] * 2))


class OverVariance(Optimizer):
    """p ← p − lr·m/(v + ε): L/L², so lr carries L⁺¹."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.99), eps=1e-3):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            m = moving_average_(state.setdefault("m", torch.zeros_like(p)), grad, group["betas"][0])
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad * grad, group["betas"][1])
            p.add_(m.divide(v + group["eps"]), alpha=-group["lr"])


class ThreeQuarterRoot(Optimizer):
    """p ← p − lr·g/(v^{3/4} + ε): L/L^{3/2}, so lr carries L^{+1/2}, ε carries L^{3/2}."""

    def __init__(self, params, lr=1e-2, beta=0.9, eps=1e-3):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad * grad, group["beta"])
            root = torch.sqrt(v)
            p.subtract_(grad.true_divide(root * root.sqrt() + group["eps"]), alpha=group["lr"])


class SignOverVariance(Optimizer):
    """p ← p − lr·sign(g)/(v + ε): 1/L², so lr carries L⁺²."""

    def __init__(self, params, lr=1e-2, beta=0.9, eps=1e-3):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad * grad, group["beta"])
            p.sub_(group["lr"] * grad.sgn() * (v + group["eps"]).reciprocal())


class PowerDescent(Optimizer):
    """p ← p − lr·sign(g)·|g|^power: lr carries L^{−power}."""

    def __init__(self, params, lr=1e-2, power=2.0):
        super().__init__(params, dict(lr=lr, power=power))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p -= torch.copysign(grad.abs() ** group["power"], grad) * group["lr"]


class LearnedRate(Optimizer):
    """lr ← lr + h·⟨g, g₋⟩; p ← p − lr·g: lr carries L^{−1}, so h carries L^{−1−2} = L^{−3}."""

    def __init__(self, params, lr=1e-2, hyper_lr=1e-5):
        super().__init__(params, dict(lr=lr, hyper_lr=hyper_lr))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            agreement = 0.0
            for p in group["params"]:
                if "previous" in self.state[p]:
                    agreement += torch.dot(p.grad.flatten(), self.state[p]["previous"].flatten()).item()
                self.state[p]["previous"] = p.grad.clone()
            group["lr"] += group["hyper_lr"] * agreement
            for p in group["params"]:
                p.add_(p.grad, alpha=-group["lr"])


class NumpyRootRate(Optimizer):
    """p ← p − √lr·m̂ with numpy scalars: √lr carries L^{−1}, so lr carries L^{−2}."""

    def __init__(self, params, lr=1e-2, beta=0.9):
        super().__init__(params, dict(lr=lr, beta=beta))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            state["n"] = state.get("n", 0) + 1
            m = moving_average_(state.setdefault("m", torch.zeros_like(p)), grad, np.float64(group["beta"]))
            size = np.sqrt(group["lr"]) / (1 - np.power(group["beta"], state["n"]))
            p.add_(m, alpha=-size)
