"""Plain rules in unusual coding styles: attributes on self, .data, out=, foreach, ints, bfloat16."""

from math import sqrt

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate


class ForeachAdam(Optimizer):
    """g ← g + λp; p ← p − lr·m̂/(√v̂ + ε), nothing but torch._foreach_*."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            beta1, beta2 = group["betas"]
            for p in params:
                if not self.state[p]:
                    self.state[p] = {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
                self.state[p]["step"] += 1
            grads = torch._foreach_add([p.grad for p in params], params, alpha=group["weight_decay"])
            means = [self.state[p]["exp_avg"] for p in params]
            squares = [self.state[p]["exp_avg_sq"] for p in params]
            torch._foreach_lerp_(means, grads, 1 - beta1)
            torch._foreach_mul_(squares, beta2)
            torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
            roots = torch._foreach_sqrt(squares)
            torch._foreach_div_(roots, [sqrt(1 - beta2 ** self.state[p]["step"]) for p in params])
            torch._foreach_add_(roots, group["eps"])
            sizes = [-group["lr"] / (1 - beta1 ** self.state[p]["step"]) for p in params]
            torch._foreach_addcdiv_(params, means, roots, sizes)
        return loss


class DataAttributes(Optimizer):
    """v ← ρv + (1−ρ)g²; p ← p − lr·g/(√v + ε), through p.data and p.grad.data, p.data bound anew each step."""

    def __init__(self, params, lr=1e-2, rho=0.9, eps=1e-8):
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps))

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.data
                state = self.state[p]
                if "square" not in state:
                    state["square"] = grad.new_zeros(grad.shape)
                state["square"] = state["square"] * group["rho"] + grad * grad * (1.0 - group["rho"])
                p.data = p.data - grad / (state["square"] ** 0.5 + group["eps"]) * group["lr"]
        return loss


class SettingsOnSelf(Optimizer):
    """v ← βv + (1−β)g²; p ← p − rate·g/(√v + floor): the settings and the state live on self, not in the groups."""

    def __init__(self, params, rate=1e-2, beta=0.9, floor=1e-8):
        super().__init__(params, {})
        self.rate, self.beta, self.floor = rate, beta, floor
        self.moments = None

    @torch.no_grad()
    def step(self, closure=None):
        params = [p for group in self.param_groups for p in group["params"]]
        if self.moments is None:
            self.moments = [torch.zeros_like(p) for p in params]
        for p, moment in zip(params, self.moments):
            moment += (p.grad**2 - moment) * (1 - self.beta)
            p -= self.rate * p.grad / (moment.sqrt() + self.floor)


class IntegerDefaults(Optimizer):
    """b ← μb + g + λp; p ← p − lr·b with defaults that are ints: lr = 1, μ = 0, λ = 0."""

    def __init__(self, params, lr=1, momentum=0, weight_decay=0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            if group["weight_decay"] != 0:
                grad = grad.add(p, alpha=group["weight_decay"])
            if group["momentum"] != 0:
                buffer = state.get("momentum_buffer")
                grad = grad.clone() if buffer is None else buffer * group["momentum"] + grad
                state["momentum_buffer"] = grad
            p.add_(grad, alpha=-group["lr"])


class RootOfEpsilon(Optimizer):
    """p ← p − lr·√(1−βᵗ)·g/(√v + √ε) with `from math import sqrt`: √ε stands beside √v, so ε carries L⁺²."""

    def __init__(self, params, lr=1e-2, beta=0.99, eps=1e-8):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            t = state["t"] = state.get("t", 0) + 1
            v = state.setdefault("v", torch.zeros_like(p))
            v.mul_(group["beta"]).addcmul_(grad, grad, value=1 - group["beta"])
            rate = group["lr"] * sqrt(1 - group["beta"] ** t)
            p.addcdiv_(grad, v.sqrt().add_(sqrt(group["eps"])), value=-rate)


class OutArguments(Optimizer):
    """v ← ρv + (1−ρ)g²; b ← μb + lr·g/√(v + ε); p ← p − b, every result written through out=."""

    def __init__(self, params, lr=1e-2, rho=0.9, momentum=0.5, eps=1e-8):
        super().__init__(params, dict(lr=lr, rho=rho, momentum=momentum, eps=eps))
        self.scratch = {}

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            work = self.scratch.setdefault(p, torch.empty_like(p))
            if not state:
                state["v"], state["b"] = torch.zeros_like(p), torch.zeros_like(p)
            torch.mul(grad, grad, out=work)
            torch.lerp(work, state["v"], group["rho"], out=state["v"])
            torch.add(state["v"], group["eps"], out=work)
            torch.sqrt(work, out=work)
            torch.div(grad, work, out=work)
            torch.mul(state["b"], group["momentum"], out=state["b"])
            torch.add(state["b"], work, alpha=group["lr"], out=state["b"])
            torch.sub(p.data, state["b"], out=p.data)


class RateInVelocity(Optimizer):
    """u ← μu − lr·g; p ← p + μu − lr·g: the learning rate is inside the velocity, which is then a weight."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            u = state.get("velocity", torch.zeros_like(p))
            u = state["velocity"] = group["momentum"] * u - group["lr"] * grad
            p += group["momentum"] * u - group["lr"] * grad


class ShortMomentum(Optimizer):
    """b ← μb + g kept in bfloat16; p ← p − lr·b: fewer digits, the same exponents."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            b = state.setdefault("b", torch.zeros_like(p, dtype=torch.bfloat16))
            b.copy_(b.float().mul_(group["momentum"]).add_(grad.float()))
            p.sub_(b.to(p.dtype), alpha=group["lr"])


class ControlTerms(Optimizer):
    """I ← μI + g, D = g − g₋; p ← p − lr·(g + ki·I + kd·D)."""

    def __init__(self, params, lr=1e-2, momentum=0.9, ki=0.1, kd=0.1):
        super().__init__(params, dict(lr=lr, momentum=momentum, ki=ki, kd=kd))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            total = state.get("integral")
            total = grad.clone() if total is None else total.mul(group["momentum"]).add(grad)
            change = torch.zeros_like(grad) if "last" not in state else grad.sub(state["last"])
            state.update(integral=total, last=grad.clone())
            drive = torch.stack((grad, group["ki"] * total, group["kd"] * change)).sum(dim=0)
            p.sub_(drive.mul_(group["lr"]))


class ScheduledEpsilon(Optimizer):
    """p ← p − (lr/√t)·g/(|m| + ε/√t) with tensors for every setting (torch.tensor(lr) and so on)."""

    def __init__(self, params, lr=1e-2, beta=0.9, eps=1e-3):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            state["t"] = state.get("t", torch.zeros((), dtype=p.dtype)) + 1
            lr, beta, eps = (torch.tensor(group[k], dtype=p.dtype) for k in ("lr", "beta", "eps"))
            m = state["m"] = torch.lerp(state.get("m", grad), grad, 1 - beta)
            p -= lr * state["t"].rsqrt() * grad / (m.abs() + eps * state["t"].rsqrt())
