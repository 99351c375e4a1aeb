"""Random numbers and buffers: the same for both losses, and afterwards as they were before."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def restored_randomness() -> Iterator[None]:
    """Put every stream of random numbers back on the way out: torch's, numpy's and Python's own.

    Yields:
        Nothing.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    ours, theirs = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(ours)
            np.random.set_state(theirs)


def seed_all(seed: int) -> None:
    """Start every stream of random numbers anew.

    Args:
        seed: The seed, a count.
    """
    # Not torch.manual_seed, which loads the compiler (seconds) and formats a traceback at every call (milliseconds).
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    random.seed(seed)
    np.random.seed(seed)


@contextmanager
def restored_buffers(model: nn.Module) -> Iterator[None]:
    """Put the buffers of a model back on the way out, such as the running statistics of normalisation.

    Args:
        model: The model.

    Yields:
        Nothing.
    """
    kept = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in kept:
                buffer.copy_(value)
                module._buffers[name] = buffer
