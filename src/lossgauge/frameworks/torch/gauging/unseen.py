"""Computing without the modes a user has switched on: counters of operations, loggers, fakes see only their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes


def unseen() -> Any:
    """Compute where no mode of the user's is told of it.

    Returns:
        The context in which torch's function and dispatch modes, and functions of tensor subclasses, are off; to enter
        it costs less than a microsecond where no dispatch mode is on.
    """
    return _without_modes() if torch._C._len_torch_dispatch_stack() else torch._C.DisableTorchFunction()


@contextmanager
def _without_modes() -> Iterator[None]:
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        yield
