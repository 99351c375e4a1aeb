"""Rules without a law because one setting is asked for two units, at two places."""

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate, moving_average_, without_bias


class WarmupThenAdam(Optimizer):
    """t ≤ warmup: p ← p − lr·m (lr L^{−1}); later p ← p − lr·m/(√v + ε) (lr L⁰)."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.99), eps=1e-8, warmup=5):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, warmup=warmup))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            state["step"] = state.get("step", 0) + 1
            m = moving_average_(state.setdefault("m", torch.zeros_like(p)), grad, group["betas"][0])
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad * grad, group["betas"][1])
            if state["step"] <= group["warmup"]:
                p.add_(m, alpha=-group["lr"])
            else:
                p.addcdiv_(m, v.sqrt().add_(group["eps"]), value=-group["lr"])
        return loss


class SignThenDescent(Optimizer):
    """The first 12 steps p ← p − lr·sign(g) (lr L⁰), all later ones p ← p − lr·g (lr L^{−1})."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})
        self.steps_taken = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.steps_taken += 1
        rule = self.by_sign if self.steps_taken <= 12 else self.by_gradient
        for group, p, grad, _ in each_parameter(self):
            rule(p, grad, group["lr"])

    @staticmethod
    def by_sign(p, grad, lr):
        p -= lr * grad.sign()

    @staticmethod
    def by_gradient(p, grad, lr):
        p.sub_(lr * grad)


class Belief(Optimizer):
    """s ← β₂s + (1−β₂)(g−m)² + ε (ε L⁺²); p ← p − lr·m̂/(√ŝ + ε) (ε L⁺¹)."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-16):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            if not state:
                state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_var=torch.zeros_like(p))
            state["step"] += 1
            beta1, beta2 = group["betas"]
            moving_average_(state["exp_avg"], grad, beta1)
            residual = grad - state["exp_avg"]
            state["exp_avg_var"].mul_(beta2).addcmul_(residual, residual, value=1 - beta2)
            state["exp_avg_var"].add_(group["eps"])
            root = without_bias(state["exp_avg_var"], beta2, state["step"]).sqrt()
            root = root + group["eps"]
            p.addcdiv_(without_bias(state["exp_avg"], beta1, state["step"]), root, value=-group["lr"])


class EpsilonTwice(Optimizer):
    """p ← p − lr·g/(√(v + ε) + ε): inside the root ε L⁺², outside ε L⁺¹."""

    def __init__(self, params, lr=1e-2, beta=0.9, eps=1e-8):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad * grad, group["beta"])
            inner = (v + group["eps"]).sqrt()
            p -= group["lr"] * grad / (inner + group["eps"])


class SharedStart(Optimizer):
    """Yogi whose m (L⁺¹) and v (L⁺²) both start at one initial_accumulator."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-3, initial_accumulator=1e-6):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, initial_accumulator=initial_accumulator))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            if not state:
                state["m"] = torch.full_like(p, group["initial_accumulator"])
                state["v"] = torch.full_like(p, group["initial_accumulator"])
            square = grad.square()
            moving_average_(state["m"], grad, group["betas"][0])
            state["v"].sub_(torch.sign(state["v"] - square) * square, alpha=1 - group["betas"][1])
            p.addcdiv_(state["m"], state["v"].sqrt().add_(group["eps"]), value=-group["lr"])


class DecayBothWays(Optimizer):
    """p ← (1 − λ)p (λ L⁰), then p ← p − lr·(g + λp) (λ L⁺¹)."""

    def __init__(self, params, lr=1e-2, weight_decay=1e-2):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.mul_(1 - group["weight_decay"])
            p.sub_(grad + group["weight_decay"] * p, alpha=group["lr"])
