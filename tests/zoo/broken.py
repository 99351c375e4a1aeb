"""Rules without a law: a number with the unit of the loss that nobody can set, or one setting in two units."""

import torch
from torch.nn.functional import cosine_similarity, normalize
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate, global_norm, gradients, moving_average_, without_bias


class HiddenClamp(Optimizer):
    """p ← p − lr·g/√max(v, 10⁻¹²): the floor carries L⁺²."""

    def __init__(self, params, lr=1e-2, beta=0.9):
        super().__init__(params, dict(lr=lr, beta=beta))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad.square(), group["beta"])
            root = v.clamp(min=1e-12).sqrt()
            p.addcdiv_(grad, root, value=-group["lr"])


class HiddenMaximum(Optimizer):
    """p ← p − lr·g/max(‖g‖, 10⁻¹²) through torch.maximum."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            norm = grad.norm()
            norm = torch.maximum(norm, norm.new_tensor(1e-12))
            p -= group["lr"] * grad / norm


class HiddenPythonMax(Optimizer):
    """p ← p − lr·g/max(‖g‖, 10⁻¹²) through Python's max on a float."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            norm = global_norm(gradients(group))
            size = group["lr"] / max(norm, 1e-12)
            for p in group["params"]:
                p.add_(p.grad, alpha=-size)


class HiddenDenominator(Optimizer):
    """p ← p − lr·m/(‖m‖ + 10⁻⁶): the summand carries L⁺¹."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            m = state.setdefault("m", torch.zeros_like(p)).mul_(group["momentum"]).add_(grad)
            p.sub_(m / (m.norm() + 1e-6), alpha=group["lr"])


class HiddenStart(Optimizer):
    """a ← a + g² from 0.1, filled in the constructor; p ← p − lr·g/√a: the start carries L⁺²."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"] = torch.full_like(p, 0.1, requires_grad=False)

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            state["sum"].addcmul_(grad, grad)
            p.addcdiv_(grad, state["sum"].sqrt(), value=-group["lr"])


class HiddenLazyStart(Optimizer):
    """a ← a + g² from 0.1, filled at the first step; p ← p − lr·g/√a."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            if len(state) == 0:
                state["total"] = torch.full_like(p, 0.1)
            state["total"] += grad * grad
            p -= group["lr"] * grad / torch.sqrt(state["total"])
        return loss


class HiddenValueClip(Optimizer):
    """p ← p − lr·clip(g, ±1): the 1 carries L⁺¹."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.add_(grad.clamp(-1.0, 1.0), alpha=-group["lr"])


class HiddenMix(Optimizer):
    """p ← p − lr·(g/‖g‖ + 0.1·g): the 0.1 carries L^{−1}."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            unit = grad / grad.norm()
            p.sub_(unit.add(grad, alpha=0.1), alpha=group["lr"])


class HiddenStop(Optimizer):
    """p ← p − lr·g, and nothing where ‖g‖ < 10⁻⁵: a Python `if` against a number with unit L."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            if grad.norm().item() < 1e-5:
                continue
            p.add_(grad, alpha=-group["lr"])


class HiddenTrust(Optimizer):
    """q = ‖p‖/‖g‖ where both are positive, else 1; p ← p − lr·q·g: the 1 carries L^{−1}."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            w, g = p.norm(), grad.norm()
            trust = torch.where((w > 0) & (g > 0), w / g, torch.full_like(w, 1.0))
            p.sub_(grad * trust, alpha=group["lr"])


class BorrowedNormalize(Optimizer):
    """p ← p − lr·normalize(g): torch's normalize divides by max(‖g‖, 10⁻¹²), a default nobody sees."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.sub_(normalize(grad, dim=-1), alpha=group["lr"])


class BorrowedCosine(Optimizer):
    """p ← p − lr·(1 + cosine_similarity(g, g₋))·sign(g): torch's cosine has a default floor of 10⁻⁸ on the norms."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            last = state.get("last", grad)
            agreement = cosine_similarity(grad.flatten(), last.flatten(), dim=0)
            state["last"] = grad.clone()
            p.sub_((1 + agreement) * grad.sign(), alpha=group["lr"])


class BorrowedClip(Optimizer):
    """clip_grad_norm_(p, max_norm), then p ← p − lr·g: torch's clip adds 10⁻⁶ to the norm."""

    def __init__(self, params, lr=1e-2, max_norm=1.0):
        super().__init__(params, dict(lr=lr, max_norm=max_norm))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], group["max_norm"])
            for p in group["params"]:
                p.sub_(p.grad, alpha=group["lr"])


class Logarithm(Optimizer):
    """p ← p − lr·sign(g)·log(1 + |g|): the 1 carries L⁺¹."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.addcmul_(grad.sign(), torch.log1p(grad.abs()), value=-group["lr"])


class SigmoidFriction(Optimizer):
    """ξ = σ(|g₋ − g|); p ← p − lr·ξ·m̂/(√v̂ + ε): the sigmoid sees a quantity with unit L."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            t = state["t"] = state.get("t", 0) + 1
            m = moving_average_(state.setdefault("m", torch.zeros_like(p)), grad, group["betas"][0])
            v = moving_average_(state.setdefault("v", torch.zeros_like(p)), grad**2, group["betas"][1])
            change = (state.get("last", torch.zeros_like(p)) - grad).abs()
            xi = 1.0 / (1.0 + torch.exp(-change))
            state["last"] = grad.clone()
            root = without_bias(v, group["betas"][1], t).sqrt() + group["eps"]
            p -= group["lr"] * xi * without_bias(m, group["betas"][0], t) / root


class RoundedGradient(Optimizer):
    """p ← p − lr·round(g, 3 decimals): the last kept decimal carries L⁺¹."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.sub_(torch.round(grad, decimals=3), alpha=group["lr"])
