"""Rules with more than one sequence, phase or rate."""

from math import sqrt

import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate, moving_average_


class SlowWeights(Optimizer):
    """Inner b ← μb + g + λp, p ← p − lr·b; every k steps s ← s + pull·(p − s), p ← s."""

    def __init__(self, params, lr=1e-2, momentum=0.9, weight_decay=0.0, pull=0.5, k=5):
        defaults = dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        super().__init__(params, dict(defaults, pull=pull, k=k))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group in self.param_groups:
            group["inner"] = group.get("inner", 0) + 1
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["slow"], state["fast_momentum"] = p.detach().clone(), torch.zeros_like(p)
                fresh = p.grad.add(p, alpha=group["weight_decay"])
                p.sub_(state["fast_momentum"].mul_(group["momentum"]).add_(fresh), alpha=group["lr"])
                if group["inner"] % group["k"] == 0:
                    p.copy_(state["slow"].lerp_(p, group["pull"]))
        return loss


class AveragedIterates(Optimizer):
    """z ← z − lr·g; x ← (1−c)x + c·z with c = lr²/Σlr²; p = (1−β)z + βx: Σlr² carries L^{−2}, c nothing."""

    def __init__(self, params, lr=1e-1, beta=0.9, warmup=3):
        super().__init__(params, dict(lr=lr, beta=beta, warmup=warmup, t=0, total=0.0))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["t"] += 1
            rate = group["lr"] * min(1.0, group["t"] / group["warmup"])
            group["total"] += rate**2
            c = rate**2 / group["total"]
            for p in group["params"]:
                state = self.state[p]
                if "z" not in state:
                    state["z"], state["x"] = p.detach().clone(), p.detach().clone()
                state["z"].sub_(p.grad, alpha=rate)
                state["x"].mul_(1 - c).add_(state["z"], alpha=c)
                p.copy_(torch.lerp(state["z"], state["x"], group["beta"]))


class SecantStep(Optimizer):
    """t = |⟨s,s⟩/⟨s,y⟩| with s = x − x₋, y = g − g₋, at most max_step, and lr at first; x ← x − t·g, on one flat vector."""

    def __init__(self, params, lr=1e-2, max_step=1.0):
        super().__init__(params, dict(lr=lr, max_step=max_step))
        self.before = None

    @torch.no_grad()
    def step(self, closure=None):
        (group,) = self.param_groups
        x = parameters_to_vector(group["params"]).clone()
        g = torch.cat([p.grad.reshape(-1) for p in group["params"]])
        t = group["lr"]
        if self.before is not None:
            s, y = x - self.before[0], g - self.before[1]
            t = min(abs(float(s @ s) / float(s @ y)), group["max_step"])
        self.before = (x, g)
        vector_to_parameters(x - t * g, group["params"])


class ConjugateDirections(Optimizer):
    """β = max(0, ⟨g, g − g₋⟩/⟨g₋, g₋⟩); d ← −g + βd; p ← p + lr·d."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            if "g" in state:
                top = torch.sum(grad * (grad - state["g"])).item()
                beta = max(0, top / torch.sum(state["g"] * state["g"]).item())
                state["d"] = beta * state["d"] - grad
            else:
                state["d"] = -grad
            state["g"] = grad.clone()
            p.add_(state["d"], alpha=group["lr"])


class Langevin(Optimizer):
    """p ← p − lr·g + √(2·lr·T)·ξ with seeded ξ: the noise is a weight, so T carries the inverse of lr, L⁺¹."""

    def __init__(self, params, lr=1e-2, temperature=1e-3, seed=0):
        super().__init__(params, dict(lr=lr, temperature=temperature))
        self.generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            noise = torch.randn(p.shape, dtype=p.dtype, generator=self.generator)
            p.add_(grad, alpha=-group["lr"]).add_(noise, alpha=sqrt(2 * group["lr"] * group["temperature"]))


class NoisyGradient(Optimizer):
    """p ← p − lr·(g + σ·ξ) with seeded ξ: the noise stands beside g, so σ carries L⁺¹."""

    def __init__(self, params, lr=1e-2, sigma=1e-2, seed=0):
        super().__init__(params, dict(lr=lr, sigma=sigma))
        self.generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            noise = torch.empty_like(grad).normal_(generator=self.generator)
            p -= group["lr"] * (grad + group["sigma"] * noise)


class TwoRates(Optimizer):
    """The first `switch` steps p ← p − lr·m/(√v + ε), later p ← p − sgd_lr·m: a rate per phase keeps the law."""

    def __init__(self, params, lr=1e-2, sgd_lr=1e-1, betas=(0.9, 0.99), eps=1e-8, switch=10):
        super().__init__(params, dict(lr=lr, sgd_lr=sgd_lr, betas=betas, eps=eps, switch=switch))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            state["step"] = state.get("step", 0) + 1
            m = moving_average_(state.setdefault("m", torch.zeros_like(p)), grad, group["betas"][0])
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad * grad, group["betas"][1])
            if state["step"] <= group["switch"]:
                p.sub_(group["lr"] * m / (v.sqrt() + group["eps"]))
            else:
                p.sub_(group["sgd_lr"] * m)


class NormSwitch(Optimizer):
    """p ← p − sign_lr·sign(g) where ‖g‖ > switch_norm, else p ← p − lr·g: Python's `if` on a setting with unit L."""

    def __init__(self, params, lr=1e-1, sign_lr=1e-2, switch_norm=1.0):
        super().__init__(params, dict(lr=lr, sign_lr=sign_lr, switch_norm=switch_norm))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            if grad.norm() > group["switch_norm"]:
                p.sub_(grad.sign(), alpha=group["sign_lr"])
            else:
                p.sub_(grad, alpha=group["lr"])


class AngleRate(Optimizer):
    """p ← p − lr·(1 + cos∠(g, g₋))·g/‖g‖ with the cosine from two dot products: no unit but the weight's in lr."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            flat, last = grad.flatten(), state.get("last", grad.flatten())
            state["last"] = flat.clone()
            cosine = flat.dot(last) / (flat.dot(flat) * last.dot(last)).sqrt()
            p.addcdiv_(grad * (1 + cosine), flat.dot(flat).sqrt(), value=-group["lr"])
