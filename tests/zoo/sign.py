"""Rules that look at signs, thresholds and ranks."""

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate


class Lion(Optimizer):
    """p ← (1 − lr·λ)p − lr·sign(β₁m + (1−β₁)g); m ← β₂m + (1−β₂)g."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                state = self.state[p]
                if len(state) == 0:
                    state["exp_avg"] = torch.zeros_like(p)
                beta1, beta2 = group["betas"]
                update = state["exp_avg"].clone().mul_(beta1).add(p.grad, alpha=1 - beta1).sign_()
                p.add_(update, alpha=-group["lr"])
                state["exp_avg"].mul_(beta2).add_(p.grad, alpha=1 - beta2)
        return loss


class SignDescent(Optimizer):
    """p ← p − lr·sign(g)."""

    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.sub_(p.grad.data.sign(), alpha=group["lr"])


class Signum(Optimizer):
    """b ← μb + (1−μ)(g + λp); p ← p − lr·sign(b): λ enters beside g, so λ carries L⁺¹."""

    def __init__(self, params, lr=1e-3, momentum=0.9, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            fresh = grad + group["weight_decay"] * p
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.clone(fresh).detach()
            else:
                state["momentum_buffer"].mul_(group["momentum"]).add_(fresh, alpha=1 - group["momentum"])
            p.add_(torch.sign(state["momentum_buffer"]), alpha=-group["lr"])


class ScaledSign(Optimizer):
    """p ← p − lr·mean|g|·sign(g): the magnitude comes back through the mean."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.sub_(grad.sign().mul_(grad.abs().mean()).mul_(group["lr"]))


class DeadZone(Optimizer):
    """p ← p − lr·sign(g)·[|g| > threshold]."""

    def __init__(self, params, lr=1e-3, threshold=1e-2):
        super().__init__(params, dict(lr=lr, threshold=threshold))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.add_(torch.sign(grad).masked_fill_(grad.abs() <= group["threshold"], 0.0), alpha=-group["lr"])


class HuberGradient(Optimizer):
    """p ← p − lr·(g where |g| < δ, else δ·sign(g))."""

    def __init__(self, params, lr=1e-2, delta=1.0):
        super().__init__(params, dict(lr=lr, delta=delta))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            inside = grad.abs().lt(group["delta"])
            p -= group["lr"] * torch.where(inside, grad, group["delta"] * grad.sign())


class Quantised(Optimizer):
    """p ← p − lr·quantum·round(g/quantum)."""

    def __init__(self, params, lr=1e-2, quantum=1e-2):
        super().__init__(params, dict(lr=lr, quantum=quantum))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.sub_(torch.round(grad / group["quantum"]).mul_(group["quantum"]), alpha=group["lr"])


class LargestEntries(Optimizer):
    """e ← e + g; send the keep·n entries of e that are largest; p ← p − lr·sent; e ← e − sent."""

    def __init__(self, params, lr=1e-2, keep=0.25):
        super().__init__(params, dict(lr=lr, keep=keep))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            error = state.setdefault("error", torch.zeros_like(p)).add_(grad)
            flat = error.view(-1)
            chosen = flat.abs().topk(min(flat.numel(), max(1, int(group["keep"] * flat.numel())))).indices
            sent = torch.zeros_like(flat).scatter_(0, chosen, flat[chosen])
            p.view(-1).sub_(sent, alpha=group["lr"])
            flat.sub_(sent)


class MedianUnit(Optimizer):
    """p ← p − lr·g/(median|g| + ε) with the median as a Python float."""

    def __init__(self, params, lr=1e-2, eps=1e-8):
        super().__init__(params, dict(lr=lr, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            middle = grad.abs().median().item()
            p.add_(grad, alpha=-group["lr"] / (middle + group["eps"]))
