"""The last weights of a training to the bit, without a word of the training changed."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

Weights = list[bytes]


def bits(tensor: torch.Tensor) -> bytes:
    """The bytes of the tensor, of which two NaN have the same where `==` says they differ."""
    return tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()


def trained_weights(train: Callable[[], Any]) -> Weights:
    """Run the training and return the bits of every tensor that one of its optimizers held at its last step."""
    seen: dict[int, torch.optim.Optimizer] = {}  # holds the optimizers, so that no id is given twice

    def remember(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        seen[id(optimizer)] = optimizer

    hook = register_optimizer_step_post_hook(remember)
    try:
        train()
    finally:
        hook.remove()
    return [bits(p) for optimizer in seen.values() for group in optimizer.param_groups for p in group["params"]]
