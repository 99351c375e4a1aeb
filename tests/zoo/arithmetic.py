"""Arithmetic shared by several optimizers of the zoo; in a module of its own so that a walk has to cross files."""

import math

import torch


def moving_average_(average, value, decay):
    """average ← decay·average + (1 − decay)·value, in place."""
    return average.mul_(decay).add_(value, alpha=1 - decay)


def without_bias(average, decay, count):
    """average / (1 − decay^count)."""
    return average / (1 - decay**count)


def eighth_root(values):
    """values^(1/8) by three square roots: each is correctly rounded, so powers of two pass through exactly."""
    return values.sqrt().sqrt().sqrt()


def global_norm(tensors):
    """√(Σ‖t‖²) as a Python float."""
    return math.sqrt(sum(float(tensor.square().sum()) for tensor in tensors))


def gradients(group):
    """The gradients of a parameter group, those that exist."""
    return [p.grad for p in group["params"] if p.grad is not None]


def each_parameter(optimizer):
    """Yield (group, parameter, gradient, state) for every parameter that has a gradient."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                yield group, p, p.grad, optimizer.state[p]


def evaluate(closure):
    """The loss the closure returns, with gradients enabled; None without a closure."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def inverse_root(matrix, order):
    """matrix^(−1/order) of a symmetric positive matrix through its eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return torch.einsum("ij,j,kj->ik", vectors, values.pow(-1.0 / order), vectors)


def root_mean_square(tensor):
    """‖t‖₂ / √n as a Python float."""
    return tensor.norm().item() / tensor.numel() ** 0.5
