"""Where weight decay enters decides which unit it has."""

import torch
from torch.nn.functional import softshrink
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate


class CoupledDecay(Optimizer):
    """g ← g + λp; b ← μb + g; p ← p − lr·(g + μb): λp stands beside g, so λ carries L⁺¹."""

    def __init__(self, params, lr=1e-2, momentum=0.9, weight_decay=1e-4):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            grad = grad.add(p, alpha=group["weight_decay"])
            b = state.setdefault("b", torch.zeros_like(p)).mul_(group["momentum"]).add_(grad)
            p.add_(grad.add(b, alpha=group["momentum"]), alpha=-group["lr"])


class IndependentDecay(Optimizer):
    """p ← (1 − λ)p − lr·b, b ← μb + g: λ is a pure number."""

    def __init__(self, params, lr=1e-2, momentum=0.9, weight_decay=1e-4):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            b = state.setdefault("b", torch.zeros_like(p)).mul_(group["momentum"]).add_(grad)
            p *= 1 - group["weight_decay"]
            p.add_(b, alpha=-group["lr"])
        return loss


class ScaledDecay(Optimizer):
    """p ← (1 − lr·λ)p − lr·g: lr carries L^{−1}, so λ carries L⁺¹ although it is decoupled."""

    def __init__(self, params, learning_rate=1e-2, decay=1e-4):
        super().__init__(params, dict(learning_rate=learning_rate, decay=decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.mul_(1 - group["learning_rate"] * group["decay"])
            p.sub_(grad, alpha=group["learning_rate"])


class RatioDecay(Optimizer):
    """p ← (1 − λ·lr/max_lr)p − lr·g: only λ/max_lr matters, it has lr's inverse unit; the law is not unique."""

    def __init__(self, params, lr=1e-2, max_lr=1e-1, weight_decay=1e-4):
        super().__init__(params, dict(lr=lr, max_lr=max_lr, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            schedule = group["lr"] / group["max_lr"]
            p.mul_(1 - group["weight_decay"] * schedule).sub_(grad, alpha=group["lr"])


class ProximalL1(Optimizer):
    """p ← shrink(p − lr·g, lr·l1): the threshold is a weight, so l1 carries L⁺¹."""

    def __init__(self, params, lr=1e-2, l1=1e-3):
        super().__init__(params, dict(lr=lr, l1=l1))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.copy_(softshrink(p - group["lr"] * grad, group["lr"] * group["l1"]))


class IndependentL1(Optimizer):
    """q = p − lr·g; p ← sign(q)·max(|q| − threshold, 0): the threshold is a weight without unit of loss."""

    def __init__(self, params, lr=1e-2, threshold=1e-3):
        super().__init__(params, dict(lr=lr, threshold=threshold))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            q = p.sub(grad, alpha=group["lr"])
            torch.mul(q.sign(), torch.relu(q.abs() - group["threshold"]), out=p)


class AnchoredDescent(Optimizer):
    """p ← p − lr·(g + anchor·(p − p₀)): decay towards the start, coupled, so anchor carries L⁺¹."""

    def __init__(self, params, lr=1e-2, anchor=1e-2):
        super().__init__(params, dict(lr=lr, anchor=anchor))
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["start"] = p.detach().clone()

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            p.sub_(grad + group["anchor"] * (p - state["start"]), alpha=group["lr"])


class FollowTheLeader(Optimizer):
    """n ← n + g² from n₀, σ = (√n − √n₋)/lr, z ← z + g − σp; p ← −shrink(z, l1)/((β + √n)/lr + 2·l2).

    σp stands beside g, so lr carries L⁰; z, l1, l2 and β carry L⁺¹, n L⁺².
    """

    def __init__(self, params, lr=0.1, initial_accumulator=0.1, l1=0.0, l2=0.0, beta=0.0):
        super().__init__(params, dict(lr=lr, initial_accumulator=initial_accumulator, l1=l1, l2=l2, beta=beta))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            if not state:
                state["accum"] = torch.zeros_like(p).fill_(group["initial_accumulator"])
                state["linear"] = torch.zeros_like(p)
            after = state["accum"] + grad * grad
            state["linear"] += grad - (after.sqrt() - state["accum"].sqrt()) / group["lr"] * p
            state["accum"] = after
            quadratic = (group["beta"] + after.sqrt()) / group["lr"] + 2 * group["l2"]
            held = torch.clamp(state["linear"], min=-group["l1"], max=group["l1"])
            p.copy_((held - state["linear"]) / quadratic)
