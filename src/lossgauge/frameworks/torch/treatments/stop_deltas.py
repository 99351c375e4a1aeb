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
from itertools import islice
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType
from typing import Any, TypeGuard

NAME = "min_delta"
OTHERS = ("delta", "min_improvement", "tol", "tolerance", "threshold")
"""What a class that also takes a `patience` calls it."""
FOREIGN = ("torch", "lossgauge")
"""Packages whose frames and objects are not the user's."""
DEPTH = 3
"""`options["callbacks"][0].min_delta` is three levels below the variable."""
MOST = 64
"""Of what one thing holds, so many are followed."""
ENOUGH = 2000
"""Of what is held on one level, about so much is looked at, which takes some ten milliseconds."""
PLAIN = (str, bytes, int, float, FunctionType, BuiltinFunctionType, type(None))
"""Nothing of the kind is held by these, and most variables are one of them."""


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


def stop_deltas(frame: FrameType | None, depth: int = DEPTH) -> Iterator[StopDelta]:
    """Every `min_delta` in the code that is running: a variable, or in what a variable holds.

    Args:
        frame: Where to begin.
        depth: How many levels of what variables hold are looked at.

    Yields:
        The numbers, each place once; the nearer to a variable the earlier, and then the innermost frame first.
    """
    held: list[tuple[str, str, Any]] = []
    met: set[int] = set()
    for inner in _frames(frame):
        where, variables = f"{os.path.basename(inner.f_code.co_filename)}:{inner.f_lineno}", inner.f_locals
        holder, put = _variable(inner)
        if id(holder) in met:
            continue
        met.add(id(holder))
        if _number(value := variables.get(NAME)):
            yield StopDelta(NAME, where, value, holder, put)
        held += [(where, name, holder) for name, holder in list(variables.items()) if not name.startswith("__")]
    for _ in range(depth):
        below: list[tuple[str, str, Any]] = []
        for where, place, holder in held:
            if id(holder) in met or issubclass(type(holder), PLAIN):
                continue
            met.add(id(holder))
            for name, value, put in _within(holder):
                yield StopDelta(f"{place}{name}", where, value, holder, put)
            if len(below) < ENOUGH:
                below += ((where, f"{place}{name}", inner) for name, inner in _below(holder))
        held = below


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and its callers, without those of torch and of lossgauge."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in FOREIGN:
            yield frame
        frame = frame.f_back


def _within(holder: Any) -> Iterator[tuple[str, float, Callable[[float], None]]]:
    """What stands in a dictionary or an object itself: how it is reached, the number, and what sets it."""
    if issubclass(type(holder), dict):
        if _number(value := dict.get(holder, NAME)):
            yield f"[{NAME!r}]", value, partial(dict.__setitem__, holder, NAME)
        return
    attributes = _attributes(holder)
    attribute = next((own for own in _names_in(type(holder)) if _number(attributes.get(own))), None)
    if attribute is not None:
        set_it = type.__setattr__ if issubclass(type(holder), type) else _put_attribute
        yield f".{attribute}", attributes[attribute], partial(set_it, holder, attribute)


def _below(holder: Any) -> list[tuple[str, Any]]:
    """What a dictionary, a list or an object of the user's holds, the first few of it, and how it is reached."""
    kind = type(holder)  # its own methods are not called, and another thread may change it meanwhile
    if issubclass(kind, dict):
        return [(f"[{key!r}]", inner) for key, inner in list(islice(dict.items(holder), MOST)) if type(key) is str]
    if issubclass(kind, (list, tuple)):
        plain = list if issubclass(kind, list) else tuple
        return [(f"[{index}]", inner) for index, inner in enumerate(list(islice(plain.__iter__(holder), MOST)))]
    if issubclass(kind, (type, ModuleType)) or str(kind.__module__).partition(".")[0] in FOREIGN:
        return []
    return [(f".{name}", inner) for name, inner in list(islice(_attributes(holder).items(), MOST))]


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
