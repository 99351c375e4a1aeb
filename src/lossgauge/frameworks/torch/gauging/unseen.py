"""Computing without the modes a user has switched on: counters of operations, loggers, fakes see only their own."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes


def unseen() -> Any:
    """Compute where no mode of the user's is told of it.

    Returns:
        The context in which torch's function and dispatch modes, and functions of tensor subclasses, are off. Where
        none is on, it costs a microsecond.
    """
    dispatching = torch._C._len_torch_dispatch_stack() > 0
    asking = torch._C._len_torch_function_stack() > 0 or torch._C._is_torch_function_enabled()
    return _quietly() if dispatching else torch._C.DisableTorchFunction() if asking else nullcontext()


@contextmanager
def _quietly() -> Iterator[None]:
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        yield
