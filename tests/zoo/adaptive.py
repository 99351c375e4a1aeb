"""Adam-like rules: where epsilon sits, what is compared with what, what is bounded by what."""

import math

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate, moving_average_, without_bias


class InsideRoot(Optimizer):
    """p ← p − lr·m̂/√(v̂ + ε): epsilon inside the root stands beside g²."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-8):
        if not 0.0 <= lr:
            raise ValueError(f"lr must not be negative: {lr}")
        if eps < 0.0:
            raise ValueError(f"eps must not be negative: {eps}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p)
                    state["exp_avg_sq"] = torch.zeros_like(p)
                state["step"] += 1
                state["exp_avg"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                state["exp_avg_sq"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                mean = state["exp_avg"] / (1 - beta1 ** state["step"])
                square = state["exp_avg_sq"] / (1 - beta2 ** state["step"])
                p.addcdiv_(mean, square.add_(group["eps"]).sqrt_(), value=-group["lr"])
        return loss


class EpsilonAccumulated(Optimizer):
    """v ← β₂v + (1−β₂)(g² + ε); m ← β₁m + (1−β₁)g; p ← p − lr·m/√v."""

    def __init__(self, params, *, lr=0.01, beta1=0.9, beta2=0.99, eps=1e-10):
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps})

    def step(self, closure=None):
        loss = closure() if closure else None
        with torch.no_grad():
            for group, p, grad, state in each_parameter(self):
                first = state.setdefault("m", torch.zeros_like(p))
                second = state.setdefault("v", torch.zeros_like(p))
                second += (1 - group["beta2"]) * ((grad**2 + group["eps"]) - second)
                first += (1 - group["beta1"]) * (grad - first)
                p -= group["lr"] * first / second.sqrt()
        return loss


class ClampedFloor(Optimizer):
    """p ← p − lr·m/max(√v, ε), the floor through clamp(min=ε)."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            if not state:
                state.update(first=grad.clone(), second=grad * grad)
            else:
                moving_average_(state["first"], grad, group["betas"][0])
                moving_average_(state["second"], grad.square(), group["betas"][1])
            p.sub_(state["first"] / state["second"].sqrt().clamp(min=group["eps"]) * group["lr"])
        return loss


class VarianceFloor(Optimizer):
    """v ← max(β v + (1−β)g², floor); p ← p − lr·g/√v, the floor as a tensor through torch.maximum."""

    def __init__(self, params, lr=1e-2, decay=0.9, floor=1e-8):
        super().__init__(params, {"lr": lr, "decay": decay, "floor": floor})

    @torch.no_grad()
    def step(self):
        for group, p, grad, state in each_parameter(self):
            if "variance" not in state:
                state["variance"] = torch.zeros_like(p)
            variance = torch.lerp(grad.square(), state["variance"], group["decay"])
            state["variance"] = torch.maximum(variance, torch.full_like(variance, group["floor"]))
            p.addcdiv_(grad, state["variance"].sqrt(), value=-group["lr"])


class EpsilonHat(Optimizer):
    """p ← p − lr·(√(1−β₂ᵗ)/(1−β₁ᵗ))·m/(√v + ε̂): epsilon added to the biased root."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps_hat=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps_hat=eps_hat))
        self.count = 0

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        self.count += 1
        for group in self.param_groups:
            one, two = group["betas"]
            size = group["lr"] * math.sqrt(1.0 - two**self.count) / (1.0 - one**self.count)
            for p in filter(lambda q: q.grad is not None, group["params"]):
                state = self.state[p]
                m, v = state.get("m", 0), state.get("v", 0)
                state["m"] = m = one * m + (1 - one) * p.grad
                state["v"] = v = two * v + (1 - two) * p.grad * p.grad
                p.copy_(p - size * (m / (v**0.5 + group["eps_hat"])))
        return loss


class SquaredEpsilon(Optimizer):
    """p ← p − lr·g/√(v + ε²): epsilon inside the root but squared there, so it has the unit of g."""

    def __init__(self, params, lr=1e-2, rho=0.9, eps=1e-4):
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            v = state.setdefault("v", torch.zeros_like(p))
            moving_average_(v, grad.pow(2), group["rho"])
            p.add_(grad.div(torch.sqrt(v + group["eps"] ** 2)), alpha=-group["lr"])


class Yogi(Optimizer):
    """v ← v − (1−β₂)·sign(v − g²)·g² from v = v₀; p ← p − lr·m̂/(√v̂ + ε)."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-3, initial_accumulator=1e-6):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, initial_accumulator=initial_accumulator))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            if not state:
                state["step"] = torch.tensor(0.0)
                state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                state["exp_avg_sq"] = torch.full_like(p, group["initial_accumulator"])
            state["step"] += 1
            count, (beta1, beta2) = state["step"].item(), group["betas"]
            square = grad.mul(grad)
            state["exp_avg"].lerp_(grad, 1 - beta1)
            state["exp_avg_sq"].addcmul_(torch.sign(state["exp_avg_sq"] - square), square, value=-(1 - beta2))
            root = state["exp_avg_sq"].sqrt().div_((1 - beta2**count) ** 0.5).add_(group["eps"])
            p.addcdiv_(state["exp_avg"], root, value=-group["lr"] / (1 - beta1**count))
        return loss


class BoundedRate(Optimizer):
    """η = clip(lr/(√v̂ + ε), f·(1 − 1/(γt+1)), f·(1 + 1/(γt))) with f = final_lr; p ← p − η·m̂."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), final_lr=0.1, gamma=1e-3, eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, final_lr=final_lr, gamma=gamma, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            t = state["t"] = state.get("t", 0) + 1
            if t == 1:
                state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
            moving_average_(state["m"], grad, group["betas"][0])
            moving_average_(state["v"], grad * grad, group["betas"][1])
            lower = group["final_lr"] * (1 - 1 / (group["gamma"] * t + 1))
            upper = group["final_lr"] * (1 + 1 / (group["gamma"] * t))
            denominator = without_bias(state["v"], group["betas"][1], t).sqrt_().add_(group["eps"])
            rate = torch.full_like(denominator, group["lr"]).div_(denominator).clamp_(lower, upper)
            p.sub_(rate.mul_(without_bias(state["m"], group["betas"][0], t)))


class RateMemory(Optimizer):
    """η = lr/(√v̂ + ε); s ← β₃s + (1−β₃)η; p ← p − min(η, s)·m̂: the memory s is a rate with unit 1/L."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999, 0.99), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            b1, b2, b3 = group["betas"]
            if "count" not in state:
                state["count"] = 0
                state["mean"], state["square"], state["rate"] = (torch.zeros_like(p) for _ in range(3))
            state["count"] += 1
            moving_average_(state["mean"], grad, b1)
            moving_average_(state["square"], torch.pow(grad, 2), b2)
            rate = group["lr"] / (without_bias(state["square"], b2, state["count"]).sqrt() + group["eps"])
            moving_average_(state["rate"], rate, b3)
            p -= torch.min(rate, state["rate"]) * without_bias(state["mean"], b1, state["count"])
        return loss


class CurvatureClip(Optimizer):
    """h ← β₂h + (1−β₂)g²; p ← (1 − lr·λ)p − lr·clip(m/max(ρ·h, ε), ±1): ρ turns g² into the unit of g."""

    def __init__(self, params, lr=1e-3, betas=(0.96, 0.99), rho=0.04, eps=1e-12, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, rho=rho, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            if not state:
                state["m"], state["h"] = torch.zeros_like(p), torch.zeros_like(p)
            moving_average_(state["m"], grad, group["betas"][0])
            state["h"].mul_(group["betas"][1]).addcmul_(grad, grad, value=1 - group["betas"][1])
            ratio = state["m"] / (group["rho"] * state["h"]).clamp_min(group["eps"])
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(ratio.clip(-1, 1), alpha=-group["lr"])


class Cautious(Optimizer):
    """u = m̂/(√v̂ + ε), mask = [u·g > 0], p ← p − lr·u·mask/max(mean(mask), 10⁻³): a floor without unit."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            t = state["t"] = state.get("t", 0) + 1
            m = moving_average_(state.setdefault("m", torch.zeros_like(p)), grad, group["betas"][0])
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad**2, group["betas"][1])
            u = without_bias(m, group["betas"][0], t)
            u = u / (without_bias(v, group["betas"][1], t).sqrt() + group["eps"])
            mask = (u * grad > 0).to(grad.dtype)
            mask /= mask.mean().clamp_(min=1e-3)
            p.add_(u * mask, alpha=-group["lr"])


class RelativeFloor(Optimizer):
    """p ← p − lr·g/√max(v, 10⁻³·max v): the constant multiplies a quantity of the same unit, so it has none."""

    def __init__(self, params, lr=1e-2, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad.square(), group["beta"])
            p.sub_(grad * torch.maximum(v, v.max() * 1e-3).rsqrt(), alpha=group["lr"])
