"""Losses and gradients of stacked replicas: the model is traced once, and the trace is run for all of them together."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.fx import GraphModule

from lossgauge.frameworks.torch.stacking.precisions import evaluation
from lossgauge.frameworks.torch.stacking.tracer import trace

Loss = Callable[[Any, Tensor], Tensor]
Traced = Callable[..., tuple[Tensor, list[Tensor]]]


def gradient_function(model: nn.Module, loss: Loss, precision: str, device: str = "cpu") -> Traced:
    """The loss of one replica and its gradient as a function of everything they depend on.

    Args:
        model: Its code is used, its weights are not.
        loss: (output, target) → scalar.
        precision: As in a setting.
        device: The kind of device the tensors will be on.

    Returns:
        (weights, buffers, α, input, target) → (loss per unit of loss, gradient of α·loss); weights and buffers by name,
        the gradient in the order of the weights.
    """
    scaled = _scaled(model, loss, precision, device)

    def gradient(
        weights: dict[str, Tensor], buffers: dict[str, Tensor], alpha: Tensor, x: Tensor, y: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        found, (_, value) = grad_and_value(scaled, has_aux=True)(weights, buffers, alpha, x, y)
        return value.detach(), [found[name] for name in weights]

    return gradient


def gradient_of_one(model: nn.Module, loss: Loss, precision: str) -> Traced:
    """What `gradient_function` returns, for one replica that is not one of many.

    It is autograd alone: `torch.func` loads all of torch's compiler with the first gradient, in two seconds.

    Args:
        model: Its code is used, its weights are not.
        loss: (output, target) → scalar.
        precision: As in a setting.

    Returns:
        As `gradient_function` does; it cannot be given to `vmap`.
    """
    scaled = _scaled(model, loss, precision, "cpu")

    def gradient(
        weights: dict[str, Tensor], buffers: dict[str, Tensor], alpha: Tensor, x: Tensor, y: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        with torch.enable_grad():
            leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
            objective, value = scaled(leaves, buffers, alpha, x, y)
            found = torch.autograd.grad(objective, list(leaves.values()), allow_unused=True)
        missing = zip(found, weights.values(), strict=True)
        return value.detach(), [torch.zeros_like(weight) if grad is None else grad for grad, weight in missing]

    return gradient


def _scaled(model: nn.Module, loss: Loss, precision: str, device: str) -> Callable[..., tuple[Tensor, Tensor]]:
    def scaled(
        weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], alpha: Tensor, x: Tensor, y: Tensor
    ) -> tuple[Tensor, Tensor]:
        with evaluation(precision, device):
            value = loss(functional_call(model, {**weights, **buffers}, (x,)), y)
        return value * alpha, value

    return scaled


def trace_stacked(
    function: Traced,
    weights: dict[str, Tensor],
    buffers: dict[str, Tensor],
    alpha: Tensor,
    batch: tuple[Tensor, Tensor],
) -> GraphModule:
    """The operations on stacked tensors that evaluate all replicas on one batch.

    Args:
        function: What `gradient_function` returned.
        weights: Stacked, by name.
        buffers: Stacked, by name.
        alpha: (replicas,).
        batch: What all replicas see.

    Returns:
        A graph with the arguments of `function`, changing buffers in place.
    """
    many = vmap(function, in_dims=(0, 0, 0, None, None))
    copies = {name: value.clone() for name, value in buffers.items()}
    return trace(many, (weights, copies, alpha, *batch), {})
