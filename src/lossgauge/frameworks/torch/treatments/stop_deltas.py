"""The smallest improvement an early stop asks for, where the code that trains keeps it: a number called `min_delta`."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any, TypeGuard

NAME = "min_delta"
FOREIGN = ("torch", "lossgauge")
"""Packages whose frames are not the user's."""


@dataclass(frozen=True)
class StopDelta:
    """One such number.

    Args:
        place: What the user calls it: `min_delta`, `stopper.min_delta`, `config['min_delta']`.
        where: The file and line of the frame in which it was found.
        value: The number, in units of the loss.
        holder: What holds it: a frame, a dictionary, an object.
        put: Gives it another value.
    """

    place: str
    where: str
    value: float
    holder: Any
    put: Callable[[float], None]


def find_stop_deltas(frame: FrameType | None) -> list[tuple[str, float]]:
    """Every `min_delta` in the code that is running, without changing anything.

    Args:
        frame: Where to begin; its callers are looked at, too, and frames of torch or lossgauge are passed over.

    Returns:
        The places, such as `train.py:42 (stopper.min_delta)`, with the numbers, in units of the loss.
    """
    return [(f"{found.where} ({found.place})", found.value) for found in stop_deltas(frame)]


def stop_deltas(frame: FrameType | None) -> Iterator[StopDelta]:
    """Every `min_delta` in the code that is running: a variable, or one level down in what a variable holds.

    Args:
        frame: Where to begin.

    Yields:
        The numbers, each place once, the innermost frame first.
    """
    seen: set[int] = set()
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in FOREIGN:
            for found in _in_frame(frame):
                if id(found.holder) not in seen:
                    seen.add(id(found.holder))
                    yield found
        frame = frame.f_back


def _in_frame(frame: FrameType) -> Iterator[StopDelta]:
    where = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
    variables = frame.f_locals
    if _number(value := variables.get(NAME)):
        yield StopDelta(NAME, where, value, *_variable(frame))
    for name, holder in list(variables.items()):
        if issubclass(type(holder), dict):
            if _number(value := dict.get(holder, NAME)):
                put = partial(dict.__setitem__, holder, NAME)
                yield StopDelta(f"{name}[{NAME!r}]", where, value, holder, put)
        elif not name.startswith("__") and _number(value := _attributes(holder).get(NAME)):
            put = partial(type.__setattr__ if issubclass(type(holder), type) else _put_attribute, holder, NAME)
            yield StopDelta(f"{name}.{NAME}", where, value, holder, put)


def _variable(frame: FrameType) -> tuple[Any, Callable[[float], None]]:
    """What holds a variable: the module, for as long as it lives, or one call of a function."""
    if frame.f_locals is frame.f_globals:
        return frame.f_globals, partial(dict.__setitem__, frame.f_globals, NAME)
    return frame, partial(_put_variable, frame)


def _put_variable(frame: FrameType, value: float) -> None:
    """Set a variable of a running function, as a debugger does; before Python 3.13 it must be written through."""
    variables = frame.f_locals  # asked once: asking again would read the old value back
    variables[NAME] = value
    if sys.version_info < (3, 13):
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


def _attributes(holder: Any) -> Mapping[str, Any]:
    """What an object holds itself; it is asked for nothing, not even its class, since that may run code of its own."""
    if issubclass(type(holder), type):
        return vars(holder)
    try:
        return object.__getattribute__(holder, "__dict__")
    except AttributeError:
        return {}


def _put_attribute(holder: Any, name: str, value: float) -> None:
    object.__getattribute__(holder, "__dict__")[name] = value  # works for frozen dataclasses, too


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
