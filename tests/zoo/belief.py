"""Rules on differences of gradients, and soft functions of ratios."""

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate, moving_average_, without_bias


class BeliefTwoEpsilons(Optimizer):
    """s ← β₂s + (1−β₂)(g−m)² + ε₀; p ← p − lr·m̂/(√ŝ + ε₁): one epsilon per place, one unit per epsilon."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=(1e-16, 1e-8)):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            (beta1, beta2), (inside, outside) = group["betas"], group["eps"]
            if not state:
                state["count"] = 0
                state["mean"] = torch.zeros_like(p)
                state["spread"] = torch.zeros_like(p)
            state["count"] += 1
            state["mean"].mul_(beta1).add_(grad, alpha=1 - beta1)
            surprise = grad - state["mean"]
            state["spread"].mul_(beta2).addcmul_(surprise, surprise, value=1 - beta2).add_(inside)
            root = without_bias(state["spread"], beta2, state["count"]).sqrt() + outside
            p.addcdiv_(without_bias(state["mean"], beta1, state["count"]), root, value=-group["lr"])
        return loss


class Friction(Optimizer):
    """ξ = σ(|g₋ − g|/(√v + ε)); p ← p − lr·ξ·m/(√v + ε): the sigmoid sees a pure number."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            if not state:
                state["previous"] = torch.zeros_like(grad)
                state["m"] = torch.zeros_like(grad)
                state["v"] = torch.zeros_like(grad)
            moving_average_(state["m"], grad, group["betas"][0])
            moving_average_(state["v"], grad * grad, group["betas"][1])
            scale = state["v"].sqrt().add_(group["eps"])
            xi = ((state["previous"] - grad).abs() / scale).sigmoid_()
            state["previous"].copy_(grad)
            p.addcdiv_(xi * state["m"], scale, value=-group["lr"])


class SoftClip(Optimizer):
    """p ← p − lr·tanh(m/scale): scale carries L, lr does not."""

    def __init__(self, params, lr=0.01, momentum=0.9, scale=1.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, scale=scale))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            m = state.setdefault("m", torch.zeros_like(p))
            torch.add(group["momentum"] * m, grad, out=m)
            p -= group["lr"] * torch.tanh(m / group["scale"])


class LogarithmicStep(Optimizer):
    """p ← p − lr·sign(g)·log(1 + |g|/knee): the logarithm sees a pure number."""

    def __init__(self, params, lr=0.01, knee=1.0):
        super().__init__(params, dict(lr=lr, knee=knee))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.addcmul_(grad.sign(), (grad.abs() / group["knee"]).log1p(), value=-group["lr"])


class DistanceSteps(Optimizer):
    """η = lr·max(r₀, max‖x − x₀‖)/√(Σ‖g‖² + ε) over all steps; p ← p − η·g; distances are weights, not losses."""

    def __init__(self, params, lr=1.0, first_distance=1e-3, eps=1e-8):
        super().__init__(params, dict(lr=lr, first_distance=first_distance, eps=eps))
        for group in self.param_groups:
            group["start"] = [p.detach().clone() for p in group["params"]]
            group["energy"] = 0.0
            group["reach"] = 0.0

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group in self.param_groups:
            away = sum((p - s).pow(2).sum().item() for p, s in zip(group["params"], group["start"]))
            group["reach"] = max(group["reach"], group["first_distance"], away**0.5)
            group["energy"] += sum(p.grad.pow(2).sum().item() for p in group["params"])
            rate = group["lr"] * group["reach"] / (group["energy"] + group["eps"]) ** 0.5
            for p in group["params"]:
                p.sub_(p.grad, alpha=rate)
        return loss
