"""Rules on matrices: Kronecker factors, singular vectors, factored and covering moments."""

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter, evaluate, inverse_root, root_mean_square


class KroneckerRoot(Optimizer):
    """A ← A + GGᵀ, B ← B + GᵀG from ε·I; P ← P − lr·A^{−1/4} G B^{−1/4}: L^{−1/2}·L·L^{−1/2}; vectors: A^{−1/2}g."""

    def __init__(self, params, lr=0.1, eps=1e-4):
        super().__init__(params, dict(lr=lr, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        loss = evaluate(closure)
        for group, p, grad, state in each_parameter(self):
            matrix = grad if grad.dim() == 2 else grad.reshape(-1, 1)
            if not state:
                state["left"] = group["eps"] * torch.eye(matrix.shape[0], dtype=p.dtype, device=p.device)
                state["right"] = group["eps"] * torch.eye(matrix.shape[1], dtype=p.dtype, device=p.device)
            state["left"] += torch.einsum("ij,kj->ik", matrix, matrix)
            state["right"] += matrix.T @ matrix
            move = inverse_root(state["left"], 4) @ matrix @ inverse_root(state["right"], 4)
            p.sub_(move.reshape(p.shape), alpha=group["lr"])
        return loss


class OneSidedRoot(Optimizer):
    """A ← βA + (1−β)GGᵀ; P ← P − lr·(A + ε·I)^{−1/4} G: L^{−1/2}·L, so lr carries L^{−1/2} and ε L⁺²."""

    def __init__(self, params, lr=0.1, beta=0.9, eps=1e-4):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            matrix = grad.reshape(grad.shape[0], -1)
            left = state.setdefault("left", torch.zeros(len(matrix), len(matrix), dtype=p.dtype))
            left.mul_(group["beta"]).addmm_(matrix, matrix.mT, alpha=1 - group["beta"])
            damped = left.clone()
            damped.diagonal().add_(group["eps"])
            p.sub_(group["lr"] * (inverse_root(damped, 4) @ matrix).view_as(p))


class SpectralUnit(Optimizer):
    """G = UΣVᵀ: P ← P − lr·UVᵀ: no singular value survives, so lr carries L⁰; vectors: g/max|g|."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            b = state.setdefault("b", torch.zeros_like(p)).mul_(group["momentum"]).add_(grad)
            if b.dim() == 2:
                u, _, vh = torch.linalg.svd(b, full_matrices=False)
                p.addmm_(u, vh, alpha=-group["lr"])
            else:
                p.sub_(b / b.abs().amax(), alpha=group["lr"])


class SpectralDescent(Optimizer):
    """G = UΣVᵀ: P ← P − lr·tr(Σ)·UVᵀ (steepest in the spectral norm): lr carries L^{−1}; vectors: ‖g‖₁·sign(g)."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            if grad.dim() == 2:
                u, s, vh = torch.linalg.svd(grad, full_matrices=False)
                p.sub_(group["lr"] * s.sum() * (u @ vh))
            else:
                p.sub_(group["lr"] * torch.norm(grad, p=1) * grad.sign())


class FactoredMoment(Optimizer):
    """r, c ← row and column means of g² + ε; V = rcᵀ/mean(r); u = g/√V, u ← u/max(1, rms(u)/d);
    p ← p − lr·max(scale, rms(p))·u."""

    def __init__(self, params, lr=1e-2, beta=0.99, eps=1e-30, clip=1.0, min_scale=1e-3):
        super().__init__(params, dict(lr=lr, beta=beta, eps=eps, clip=clip, min_scale=min_scale))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            square = grad**2 + group["eps"]
            if grad.dim() == 2:
                row = state.setdefault("row", torch.zeros_like(square.mean(dim=1)))
                column = state.setdefault("column", torch.zeros_like(square.mean(dim=0)))
                row.lerp_(square.mean(dim=1), 1 - group["beta"])
                column.lerp_(square.mean(dim=0), 1 - group["beta"])
                second = torch.outer(row, column) / row.mean()
            else:
                second = state.setdefault("full", torch.zeros_like(square)).lerp_(square, 1 - group["beta"])
            move = grad / second.sqrt()
            move = move / max(1.0, root_mean_square(move) / group["clip"])
            p.sub_(move, alpha=group["lr"] * max(group["min_scale"], root_mean_square(p)))


class CoveringMoment(Optimizer):
    """v_ij = min(r_i, c_j) + g²; r_i = max_j v_ij, c_j = max_i v_ij; p ← p − lr·g/√v, and 0 where v = 0."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            g = grad if grad.dim() == 2 else grad.unsqueeze(0)
            if not state:
                state["r"] = torch.zeros(g.shape[0], 1, dtype=g.dtype)
                state["c"] = torch.zeros(1, g.shape[1], dtype=g.dtype)
            v = torch.minimum(state["r"], state["c"]).addcmul(g, g)
            state["r"], state["c"] = v.amax(1, keepdim=True), v.amax(0, keepdim=True)
            move = torch.where(v > 0, g * v.rsqrt(), torch.zeros_like(v))
            p.sub_(move.view_as(p), alpha=group["lr"])


class NewtonSchulz(Optimizer):
    """X = B/(‖B‖ + ε), five times X ← 1.5X − 0.5XXᵀX; P ← P − lr·X: numbers without unit; vectors: B/(‖B‖ + ε)."""

    def __init__(self, params, lr=1e-2, momentum=0.9, eps=1e-7):
        super().__init__(params, dict(lr=lr, momentum=momentum, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, state in each_parameter(self):
            buffer = state.setdefault("buffer", torch.zeros_like(p))
            buffer.lerp_(grad, 1 - group["momentum"])
            x = buffer / (buffer.norm() + group["eps"])
            for _ in range(5 if x.dim() == 2 else 0):
                x = torch.addmm(x, x @ x.mT, x, beta=1.5, alpha=-0.5)
            p.add_(x, alpha=-group["lr"])
