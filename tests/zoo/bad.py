"""What nobody can give a law: input to be turned away with one clear line."""

import torch
from torch.optim import Optimizer

from tests.zoo.arithmetic import each_parameter


class Motionless(Optimizer):
    """p ← p: nothing moves."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for _, _, grad, state in each_parameter(self):
            state["seen"] = grad.norm()


class NeedsArgument(Optimizer):
    """p ← p − lr·g·horizon, where horizon has no default."""

    def __init__(self, params, horizon, lr=1e-2):
        super().__init__(params, dict(lr=lr, horizon=horizon))

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.sub_(grad, alpha=group["lr"] * group["horizon"])


class Unseeded(Optimizer):
    """p ← p − lr·ξ·g with ξ uniform from a fresh, unrepeatable seed at every step."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        generator = torch.Generator()
        generator.seed()
        for group, p, grad, _ in each_parameter(self):
            p.sub_(torch.rand(p.shape, dtype=p.dtype, generator=generator) * grad, alpha=group["lr"])


class GlobalNoise(Optimizer):
    """p ← p − lr·ξ·g with ξ uniform from the global generator, which the optimizer never seeds."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group, p, grad, _ in each_parameter(self):
            p.sub_(torch.rand_like(grad) * grad, alpha=group["lr"])


class RaisesInStep(Optimizer):
    """Raises at the third step."""

    def __init__(self, params, lr=1e-2):
        super().__init__(params, {"lr": lr})
        self.count = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.count += 1
        if self.count == 3:
            raise RuntimeError("the third step is not implemented")
        for group, p, grad, _ in each_parameter(self):
            p.sub_(grad, alpha=group["lr"])
