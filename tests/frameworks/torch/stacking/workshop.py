"""Models, losses, data and optimizers that tests name as a plan would."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from lossgauge.records.sweep import Workload

HERE = "tests.frameworks.torch.stacking.workshop"
SMALL = Workload("mlp-16-8-1", "mse", "regression", 24)
CALLS: list[int] = []


def workload(model: str = "mlp-16-8-1", loss: str = "mse", data: str = "regression", steps: int = 6) -> Workload:
    def named(name: str) -> str:
        return f"{HERE}:{name}" if name in globals() else name

    return Workload(named(model), named(loss), named(data), steps)


def changing_data() -> list[tuple[Tensor, Tensor]]:
    CALLS.append(1)
    return [(torch.full((4, 16), float(len(CALLS))), torch.ones(4, 1))]


def growing_data() -> list[tuple[Tensor, Tensor]]:
    CALLS.append(1)
    return [(torch.ones(4, 16), torch.ones(4, 1))] * len(CALLS)


def uneven_data() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(n, 16, generator=generator), torch.randn(n, 1, generator=generator)) for n in (8, 8, 3)]


def no_data() -> list[tuple[Tensor, Tensor]]:
    return []


def failing_data() -> list[tuple[Tensor, Tensor]]:
    raise OSError("no such file")


def loss_per_sample(output: Tensor, target: Tensor) -> Tensor:
    return (output - target) ** 2


def two_outputs() -> nn.Module:
    return nn.Linear(16, 2)


def frozen() -> nn.Module:
    return nn.Linear(16, 1).requires_grad_(False)


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 8), nn.Dropout(0.5), nn.Linear(8, 1))


def with_batch_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))


def with_branch() -> nn.Module:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(16, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.linear(x)
            return y if y.mean() > 0 else 2 * y

    return Branching()


def with_gelu() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 1))


def with_relu() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 11), nn.ReLU(), nn.Linear(11, 3), nn.Sigmoid(), nn.Linear(3, 1))


def partly_frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))
    model[0].weight.requires_grad_(False)
    return model


class Centred(torch.optim.Optimizer):
    """Takes the mean of each gradient away, which is not elementwise."""

    def __init__(self, params: list[Tensor], lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * (p.grad - p.grad.mean()))


class ByShape(torch.optim.Optimizer):
    """Elementwise in every call, but different for vectors and matrices: only a trial shows it."""

    def __init__(self, params: list[Tensor], lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad * group["lr"] if p.dim() > 1 else p.grad * group["lr"] * 2)


class Leaking(torch.optim.Optimizer):
    """Reads its rate through C code, past the operators of a replicated number."""

    def __init__(self, params: list[Tensor], lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad * float.__mul__(group["lr"], 1.0))


class KeepsGradient(torch.optim.Optimizer):
    """Remembers the last gradient tensor itself, and two states that change places."""

    def __init__(self, params: list[Tensor], lr: float = 0.01, blend: float = 0.5) -> None:
        super().__init__(params, {"lr": lr, "blend": blend})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["last"], state["a"], state["b"] = p.grad, p.clone(), torch.ones_like(p)
                p.sub_(group["lr"] * (p.grad + group["blend"] * state["last"]))
                state["a"], state["b"] = state["b"], state["a"]
                p.sub_(1e-3 * state["a"])
                state["last"] = p.grad


class Thresholded(torch.optim.Optimizer):
    """Decides by the size of a hyperparameter."""

    def __init__(self, params: list[Tensor], lr: float = 0.01, power: float = 1.0) -> None:
        super().__init__(params, {"lr": lr, "power": power})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                step = p.grad.sign() * p.grad.abs() ** group["power"] if group["power"] > 0.75 else p.grad
                p.sub_(group["lr"] * step)


def without_biases() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 8, bias=False), nn.Tanh(), nn.Linear(8, 1, bias=False))


class WithinLimit(torch.optim.Optimizer):
    """Decides by the norm of all gradients, which replicas may not agree on."""

    def __init__(self, params: list[Tensor], lr: float = 0.01, limit: float = 1.0) -> None:
        super().__init__(params, {"lr": lr, "limit": limit})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            norm = math.sqrt(sum(float(p.grad.square().sum()) for p in group["params"]))
            factor = group["limit"] / norm if norm > group["limit"] else 1.0
            for p in group["params"]:
                p.sub_(p.grad / (1 + p.grad.norm()), alpha=group["lr"] * factor)


class Noisy(torch.optim.Optimizer):
    """Draws random numbers."""

    def __init__(self, params: list[Tensor], lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad + torch.randn_like(p), alpha=group["lr"])
