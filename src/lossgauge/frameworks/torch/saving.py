"""Saving as Python sees it: `torch.save` opens its file in C++, where no audit hook learns of it."""

import functools
import os
import sys
from typing import Any

import torch


def announce_saving() -> None:
    """Let `torch.save` raise Python's audit event `open` (PEP 578) as a file opened in Python does."""
    own = torch.save

    @functools.wraps(own)
    def save(obj: object, f: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(f, (str, os.PathLike)):
            sys.audit("open", os.fspath(f), "wb", 0)
        own(obj, f, *args, **kwargs)

    torch.save = torch.serialization.save = save
