"""Ways to an optimizer that are not a subclass of torch.optim.Optimizer."""

import torch

from tests.zoo.adaptive import ClampedFloor


def build_two_speeds(params, lr=1e-2, ratio=0.1, momentum=0.9):
    """torch's SGD with matrices at lr and everything else at lr·ratio, in two groups."""
    params = list(params)
    matrices = [p for p in params if p.dim() > 1]
    others = [p for p in params if p.dim() <= 1]
    groups = [{"params": matrices, "lr": lr}, {"params": others, "lr": lr * ratio}]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum)


def build_renamed(params, *, learning_rate=1e-2, smallest_root=1e-6, memory=0.9):
    """ClampedFloor with other names for its settings and one memory for both moments."""
    return ClampedFloor(params, lr=learning_rate, betas=(memory, memory), eps=smallest_root)


class HandMade:
    """b ← μb + g; p ← p − lr·b, written by hand: step and zero_grad, no groups, no base class."""

    def __init__(self, params, lr=1e-2, momentum=0.9):
        self.params = list(params)
        self.lr = lr
        self.momentum = momentum
        self.buffers = [torch.zeros_like(p) for p in self.params]

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        """One step along every gradient there is."""
        for p, buffer in zip(self.params, self.buffers):
            if p.grad is not None:
                buffer.mul_(self.momentum).add_(p.grad)
                p -= self.lr * buffer
