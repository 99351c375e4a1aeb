"""Rules that divide by norms: trust ratios with guards, normalised gradients, limits on norms."""

from math import sqrt

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate, global_norm, gradients, moving_average_, without_bias


class LarsGuarded(Optimizer):
    """q = tc·‖p‖/(‖g‖ + λ‖p‖ + ε) if both norms are positive else 1; b ← μb + lr·q·(g + λp); p ← p − b.

    Where the guard holds only lr·tc matters (L⁰). Where it fails lr stands alone (L^{−1}), which leaves tc L⁺¹.
    """

    def __init__(self, params, lr=0.1, momentum=0.9, weight_decay=0.0, trust_coefficient=1e-3, eps=1e-8):
        defaults = dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        super().__init__(params, dict(defaults, trust_coefficient=trust_coefficient, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            weight_norm = p.norm().item()
            gradient_norm = grad.norm().item()
            if weight_norm > 0 and gradient_norm > 0:
                below = gradient_norm + group["weight_decay"] * weight_norm + group["eps"]
                trust = group["trust_coefficient"] * weight_norm / below
            else:
                trust = 1.0
            if "buffer" not in state:
                state["buffer"] = torch.zeros_like(p)
            direction = grad.add(p, alpha=group["weight_decay"])
            state["buffer"].mul_(group["momentum"]).add_(direction, alpha=group["lr"] * trust)
            p.sub_(state["buffer"])
        return loss


class LarsWhere(Optimizer):
    """q = tc·‖p‖/(‖g‖ + λ‖p‖) where both norms are positive, else 1; p ← p − lr·q·(g + λp): both branches are built."""

    def __init__(self, params, lr=0.1, weight_decay=0.0, trust_coefficient=1e-3):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, trust_coefficient=trust_coefficient))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            one = torch.ones((), dtype=p.dtype, device=p.device)
            w, g = torch.linalg.vector_norm(p), torch.linalg.vector_norm(grad)
            ratio = group["trust_coefficient"] * w / (g + group["weight_decay"] * w)
            trust = torch.where(w > 0, torch.where(g > 0, ratio, one), one)
            p.sub_((grad + group["weight_decay"] * p) * trust * group["lr"])


class Lamb(Optimizer):
    """r = m̂/(√v̂ + ε) + λp; q = min(‖p‖, 10)/‖r‖ or 1; p ← p − lr·q·r: r has no unit of loss, so λ has none."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            if not state:
                state["step"] = 0
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
            state["step"] += 1
            beta1, beta2 = group["betas"]
            moving_average_(state["exp_avg"], grad, beta1)
            state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            root = without_bias(state["exp_avg_sq"], beta2, state["step"]).sqrt_().add_(group["eps"])
            move = without_bias(state["exp_avg"], beta1, state["step"]) / root
            if group["weight_decay"] != 0:
                move.add_(p, alpha=group["weight_decay"])
            weight_norm, move_norm = p.norm().clamp(0, 10), move.norm()
            trust = 1.0 if weight_norm == 0 or move_norm == 0 else float(weight_norm / move_norm)
            p.add_(move, alpha=-group["lr"] * trust)
        return loss


class LayerMoment(Optimizer):
    """v ← β₂v + (1−β₂)‖g‖² (one number per tensor); m ← β₁m + g/(√v + ε) + λp; p ← p − lr·m."""

    def __init__(self, params, lr=1e-2, betas=(0.95, 0.98), eps=1e-8, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            energy = (grad**2).sum()
            if "layer" not in state:
                state["layer"] = energy.clone()
                state["mean"] = torch.zeros_like(p)
            else:
                state["layer"] = group["betas"][1] * state["layer"] + (1 - group["betas"][1]) * energy
            unit = grad / (state["layer"].sqrt() + group["eps"]) + group["weight_decay"] * p
            state["mean"] *= group["betas"][0]
            state["mean"] += unit
            p -= group["lr"] * state["mean"]


class UnitGradient(Optimizer):
    """p ← p − lr·g/max(‖g‖, floor) with one norm over all tensors, as a Python float under Python's max."""

    def __init__(self, params, lr=1e-2, floor=1e-6):
        super().__init__(params, dict(lr=lr, floor=floor))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        norm = global_norm([g for group in self.param_groups for g in gradients(group)])
        for group, p, grad, _ in each_parameter(self):
            p.add_(grad, alpha=-group["lr"] / max(norm, group["floor"]))
        return loss


class MixedGradient(Optimizer):
    """p ← p − lr·(g/(‖g‖ + ε) + mix·g): a unit step plus a plain one, so mix carries L^{−1}."""

    def __init__(self, params, lr=1e-2, mix=0.1, eps=1e-8):
        super().__init__(params, dict(lr=lr, mix=mix, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p -= group["lr"] * (grad / (torch.norm(grad) + group["eps"]) + group["mix"] * grad)


class NormAccumulator(Optimizer):
    """b² ← b² + ‖g‖² from b₀²; p ← p − lr·g/b: the state is a Python float."""

    def __init__(self, params, lr=0.5, b0=0.1):
        super().__init__(params, dict(lr=lr, b0=b0))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            state["energy"] = state.get("energy", group["b0"] ** 2) + grad.pow(2).sum().item()
            p.add_(grad, alpha=-group["lr"] / sqrt(state["energy"]))


class NormLimit(Optimizer):
    """p ← p − lr·g, then p ← p·limit/‖p‖ if ‖p‖ > limit: a limit on weights, no unit of loss."""

    def __init__(self, params, lr=1e-2, max_weight_norm=1.0):
        super().__init__(params, dict(lr=lr, max_weight_norm=max_weight_norm))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.sub_(grad, alpha=group["lr"])
            size = float(p.norm())
            if size > group["max_weight_norm"]:
                p.mul_(group["max_weight_norm"] / size)


class ValueClip(Optimizer):
    """p ← p − lr·clip(g, ±max_grad)."""

    def __init__(self, params, lr=1e-2, max_grad=1.0):
        super().__init__(params, dict(lr=lr, max_grad=max_grad))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.add_(torch.clamp(grad, -group["max_grad"], group["max_grad"]), alpha=-group["lr"])


class NormClip(Optimizer):
    """p ← p − lr·g·min(1, max_norm/‖g‖) with Python's min: the 1 has no unit, and no constant is hidden."""

    def __init__(self, params, lr=1e-2, max_norm=1.0):
        super().__init__(params, dict(lr=lr, max_norm=max_norm))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            shrink = min(1.0, group["max_norm"] / global_norm(gradients(group)))
            for p in group["params"]:
                p.add_(p.grad, alpha=-group["lr"] * shrink)


class Standardised(Optimizer):
    """p ← p − lr·(g − mean g)/(std g + ε), tensor by tensor."""

    def __init__(self, params, lr=1e-2, eps=1e-8):
        super().__init__(params, dict(lr=lr, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            deviation, mean = torch.std_mean(grad)
            p.sub_((grad - mean).div_(deviation.add_(group["eps"])), alpha=group["lr"])


class Centralised(Optimizer):
    """g ← g − mean over the input dimensions, g ← g + λp, b ← μb + g; p ← p − lr·b."""

    def __init__(self, params, lr=1e-2, momentum=0.9, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            if grad.dim() > 1:
                grad = grad - grad.mean(dim=tuple(range(1, grad.dim())), keepdim=True)
            grad = grad + group["weight_decay"] * p
            if "buffer" in state:
                grad = state["buffer"] = group["momentum"] * state["buffer"] + grad
            else:
                state["buffer"] = grad
            p -= group["lr"] * grad
