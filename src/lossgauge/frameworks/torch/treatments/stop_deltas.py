"""The smallest improvement an early stop asks for, where the code that trains keeps it: a number called `min_delta`."""

import ast
import ctypes
import inspect
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import FrameType
from typing import Any, TypeGuard

NAME = "min_delta"
OTHERS = ("delta", "min_improvement", "tol", "tolerance", "threshold")
"""What a class that also takes a `patience` calls it."""
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
        elif not name.startswith("__"):
            attributes, own = _attributes(holder), _names_in(type(holder))
            attribute = next((own for own in own if _number(attributes.get(own))), None)
            if attribute is not None:
                set_it = type.__setattr__ if issubclass(type(holder), type) else _put_attribute
                put = partial(set_it, holder, attribute)
                yield StopDelta(f"{name}.{attribute}", where, attributes[attribute], holder, put)


def _names_in(kind: type) -> tuple[str, ...]:
    """The attributes of a class that hold it: `min_delta`, and what `__init__` keeps an argument of that name in."""
    # An early stop that also takes a patience may call the argument otherwise. The source is read, nothing is run.
    code = getattr(kind.__init__, "__code__", None)
    taken = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code is not None else ()
    asked = [NAME, *OTHERS] if "patience" in taken else [NAME]
    argument = next((name for name in asked if name in taken), None)
    if argument is None or str(kind.__module__).partition(".")[0] in FOREIGN:
        return (NAME,)
    return NAME, *_kept_from(kind.__init__, argument)


@lru_cache(maxsize=100)
def _kept_from(function: Callable[..., Any], argument: str) -> tuple[str, ...]:
    """The attributes a function keeps an argument in; the argument's own name where its source cannot be read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return (argument,)
    return tuple(name for name, value in _assigned(tree) if _mentions(value, argument))


def _assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The attributes that are assigned to, with what is assigned; tuples side by side."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            pairs.append((node.target, node.value))
        for target in node.targets if isinstance(node, ast.Assign) else ():
            value = node.value if isinstance(node, ast.Assign) else target
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs += zip(target.elts, value.elts, strict=False)
            else:
                pairs.append((target, value))
    yield from ((left.attr, right) for left, right in pairs if isinstance(left, ast.Attribute))


def _mentions(value: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(value))


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
