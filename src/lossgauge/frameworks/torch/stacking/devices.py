"""Accelerators: whether there is one, and the state in which its arithmetic repeats itself."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils import deterministic

KIND = "cuda"
"""What torch calls it; ROCm's devices have the same name."""
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""cuBLAS promises repeatable products only with a workspace of its own for each stream."""
SWITCHES: tuple[tuple[Any, str], ...] = (
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.cudnn, "allow_tf32"),
    (torch.backends.cudnn, "benchmark"),
    (deterministic, "fill_uninitialized_memory"),
)
"""What is off meanwhile: TF32, which keeps ten bits of float32, kernels chosen by their speed, and a waste of time."""


def accelerator() -> torch.device | None:
    """The device that sweeps are trained on where there is one.

    Returns:
        The current CUDA device; None on a machine without.
    """
    return torch.device(KIND) if torch.cuda.is_available() else None


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """A context in which a device gives the same bits each time, in the number formats that were asked for.

    Operations of which torch knows no deterministic form raise.

    Yields:
        Nothing; all is put back on leaving.
    """
    os.environ.setdefault(WORKSPACE, ":4096:8")
    strict = torch.are_deterministic_algorithms_enabled()
    before = [getattr(where, name) for where, name in SWITCHES]
    try:
        for where, name in SWITCHES:
            setattr(where, name, False)
        torch.use_deterministic_algorithms(True)
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        for (where, name), value in zip(SWITCHES, before, strict=True):
            setattr(where, name, value)
