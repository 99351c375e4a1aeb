"""Checkpoint files: nothing but tensors and plain containers is read, and a file is written whole or not at all."""

import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.rescaling.statedicts import is_optimizer_state, is_scaler_state, is_schedule_state

_FOREIGN = re.compile(r"GLOBAL (\S+) w")


def load_checkpoint(path: str | Path) -> Any:
    """Read a checkpoint with `weights_only=True`, onto the CPU.

    Args:
        path: The file, as `torch.save` wrote it.

    Returns:
        What it holds.

    Raises:
        InputError: When there is no such file, it is no checkpoint, or it would have to be unpickled.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is no file; expected a checkpoint written by torch.save")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises KeyError, RuntimeError and others for files that are none of its own
        foreign = _FOREIGN.search(str(error))
    if foreign is None:
        raise InputError(f"{path} is damaged, or is no checkpoint that torch.save wrote; give such a file")
    raise InputError(
        f"{path} would have to be unpickled ({foreign[1]} is in it), which lossgauge never does; "
        "save the state_dicts alone and give that file"
    )


def save_checkpoint(content: Any, path: str | Path) -> None:
    """Write a new checkpoint; a failure leaves no file behind.

    Args:
        content: What to save.
        path: The file to make.

    Raises:
        InputError: When the file exists or cannot be written.
    """
    path = Path(path)
    check_output(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            torch.save(content, file)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise InputError(f"{path} cannot be written: {reason}; choose another output") from None


def check_output(path: str | Path) -> None:
    """Refuse a file that cannot be made.

    Args:
        path: The file to make.

    Raises:
        InputError: When it exists, or its folder does not.
    """
    if Path(path).exists():
        raise InputError(f"{path} exists and is not overwritten; choose another output")
    if not Path(path).absolute().parent.is_dir():
        raise InputError(f"the folder of {path} does not exist; make it first, or choose another output")


def read_contents(content: Any, path: str | Path, key: str | None) -> tuple[Any, list[Any], Any, list[str]]:
    """The optimizer to rescale in a checkpoint, and what belongs to it.

    Args:
        content: The checkpoint.
        path: Its file, for messages.
        key: The optimizer's dotted path inside, such as `optimizer` or `states.0`; None where there is only one.

    Returns:
        The optimizer's `state_dict`, those of the schedulers, that of the GradScaler or None, and the dotted paths of
        schedulers and scalers that may belong to another optimizer in the file.

    Raises:
        InputError: When there is no optimizer, or several and no key, or several scalers.
    """
    optimizers = dict(find_states(content, is_optimizer_state))
    schedulers, scalers = dict(find_states(content, is_schedule_state)), dict(find_states(content, is_scaler_state))
    chosen = _choose(optimizers, path, key)
    if len(optimizers) > 1:
        return chosen, [], None, sorted([*schedulers, *scalers])
    if len(scalers) > 1:
        raise InputError(f"{path} holds {len(scalers)} scalers ({', '.join(sorted(scalers))}), expected one at most")
    return chosen, list(schedulers.values()), next(iter(scalers.values()), None), []


def _choose(optimizers: dict[str, Any], path: str | Path, key: str | None) -> Any:
    if not optimizers:
        raise InputError(
            f"{path} holds no optimizer; expected the state_dict of one in it, a dict with 'state' and 'param_groups'"
        )
    listed = ", ".join(sorted(name or "the whole file" for name in optimizers))
    if key is None and len(optimizers) > 1:
        raise InputError(f"{path} holds {len(optimizers)} optimizers ({listed}); choose one with key")
    if key is not None and key not in optimizers:
        raise InputError(f"{path} holds no optimizer under {key!r}; it has {listed}")
    return next(iter(optimizers.values())) if key is None else optimizers[key]


def find_states(content: Any, wanted: Callable[[Any], bool], at: str = "") -> Iterator[tuple[str, Any]]:
    """Everything of one kind in nested dicts and lists, not looking inside what was found.

    Args:
        content: Where to look.
        wanted: Whether something is of the kind.
        at: Its dotted path so far.

    Yields:
        Dotted path and what is there.
    """
    if wanted(content):
        yield at, content
        return
    if isinstance(content, (list, tuple)):
        content = dict(enumerate(content))
    for name, inner in content.items() if isinstance(content, dict) else ():
        if isinstance(inner, (dict, list, tuple)):
            yield from find_states(inner, wanted, f"{at}.{name}" if at else str(name))
