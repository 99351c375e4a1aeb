"""Whether somebody else's code may be called once more: it must compute, and do nothing that a caller could notice.

The code is read, never run. What is not known to be harmless counts as not harmless.
"""

import builtins
import dis
import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.optim import Optimizer

COMPUTING = ("torch", "math", "cmath", "numpy", "operator", "functools", "itertools", "collections", "typing", "copy",
             "numbers", "enum", "abc", "dataclasses")  # fmt: skip
"""Packages whose functions compute."""
TELLING = {"print", "open", "input", "exec", "eval", "compile", "__import__", "setattr", "delattr", "globals", "vars",
           "breakpoint", "exit", "quit"}  # fmt: skip
"""Functions of Python itself that do more."""
OUTSIDE = {"save", "savez", "savetxt", "load", "tofile", "memmap", "random", "seed", "manual_seed", "default_generator",
           "distributed", "multiprocessing"}  # fmt: skip
"""Parts of these packages that reach files, other processes or the state of generators."""
SIMPLE = (int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, torch.layout, range, slice)
OWN = ("param_groups", "state", "defaults")
"""What an optimizer's twin gets afresh."""
_DOUBTS: WeakKeyDictionary[Optimizer, str] = WeakKeyDictionary()
"""What was found, for the code of an optimizer stays what it is."""


def doubt_about_step(optimizer: Optimizer) -> str:
    """Why an optimizer's step should not be made once more on copies.

    Args:
        optimizer: The live optimizer; nothing of it is called.

    Returns:
        What its code uses that may do more than compute; empty where there is nothing of that kind.
    """
    if optimizer not in _DOUBTS:
        seen: set[int] = set()
        kept = {n: v for n, v in vars(optimizer).items() if n not in OWN and "hooks" not in n and n != "step"}
        doubts = chain(_in_class(type(optimizer), seen), _in_values(kept, seen))
        _DOUBTS[optimizer] = next(filter(None, doubts), "")
    return _DOUBTS[optimizer]


def doubt_about(function: Any) -> str:
    """Why a function should not be called once more.

    Args:
        function: A function or a method of a class.

    Returns:
        What it uses that may do more than compute; empty where there is nothing of that kind.
    """
    return next(filter(None, _in_value(getattr(function, "__name__", "?"), function, set())), "")


def _in_class(kind: type, seen: set[int]) -> Iterator[str]:
    """What the methods of a class use, those that somebody put into a class of torch's among them."""
    seen.add(id(kind))
    for base in kind.__mro__:
        own = not _computes(base.__module__) and base.__module__ != "builtins"
        for name, value in vars(base).items() if own or issubclass(base, Optimizer) else ():
            if isinstance(value, (FunctionType, staticmethod, classmethod, property)):
                inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                yield from _in_value(name, inspect.unwrap(inner) if callable(inner) else inner, seen)
            elif own and isinstance(value, (list, dict, set)) and not name.startswith("__"):
                yield f"{base.__name__}.{name}, which all instances share"


def _in_value(name: str, value: Any, seen: set[int]) -> Iterator[str]:
    """What there is to say against a value some code can reach."""
    if id(value) in seen or isinstance(value, SIMPLE):
        return
    seen.add(id(value))
    if isinstance(value, ModuleType):
        yield "" if _computes(value.__name__) else f"the module {value.__name__}"
    elif isinstance(value, type):
        yield from _in_class(value, seen)
    elif isinstance(value, MethodType):
        yield from _in_value(name, value.__func__, seen)
    elif isinstance(value, partial):
        yield from _in_values({"func": value.func, "args": value.args, "keywords": value.keywords}, seen)
    elif isinstance(value, FunctionType):
        if not _computes(value.__module__ or ""):
            yield from _in_function(value, seen)
    elif isinstance(value, Optimizer):
        yield doubt_about_step(value)
    elif isinstance(value, (tuple, frozenset)):
        yield from _in_values({f"{name}[{i}]": entry for i, entry in enumerate(value)}, seen)
    elif not (callable(value) and _computes(getattr(value, "__module__", None) or "")):
        yield f"{name}, {_say(value)}"


def _in_values(values: Mapping[str, Any], seen: set[int]) -> Iterator[str]:
    """What an object keeps for itself: its twin has copies of tensors and containers, so these may change."""
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            continue
        if isinstance(value, dict):
            yield from _in_values({f"{name}[{key!r:.20}]": entry for key, entry in value.items()}, seen)
        elif isinstance(value, (list, set)):
            yield from _in_values({f"{name}[{i}]": entry for i, entry in enumerate(value)}, seen)
        else:
            yield from _in_value(name, value, seen)


def _in_function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    outer: dict[str, Any] = {}
    for name, cell in cells:
        try:
            outer[name] = cell.cell_contents
        except ValueError:  # not assigned yet, as the class itself while its methods are being made
            continue
    for code in _codes(function.__code__):
        yield from _in_code(code, function.__globals__, outer, seen)


def _in_code(code: CodeType, spaces: Mapping[str, Any], outer: Mapping[str, Any], seen: set[int]) -> Iterator[str]:
    instructions = list(dis.get_instructions(code))
    sets_attributes = any(step.opname == "STORE_ATTR" for step in instructions)
    for step in instructions:
        name = step.argval
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield f"the global variable {name}, which it changes"
        elif step.opname == "STORE_DEREF" and name in outer:
            yield f"the variable {name} around it, which it changes"
        elif step.opname == "IMPORT_NAME":
            yield "" if _computes(name) else f"the module {name}"
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM") and name in OUTSIDE | {"__class__"}:
            if name != "__class__" or sets_attributes:
                yield f"{name}"
        elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name not in spaces:
            if name in TELLING or (name == "type" and sets_attributes) or not hasattr(builtins, name):
                yield f"{name}()"
        elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"):
            space = spaces if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") else outer
            value = space.get(name)
            if isinstance(value, type) and sets_attributes and name != "__class__" and not _computes(value.__module__):
                yield f"{name}, whose attributes it may change"
            yield from _in_value(name, value, seen)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _computes(module: str) -> bool:
    parts = module.split(".")
    return parts[0] in COMPUTING and not _any_in(parts[1:], OUTSIDE)


def _any_in(names: Iterable[str], of: set[str]) -> bool:
    return any(name in of for name in names)


def _say(value: Any) -> str:
    kind = "a function" if isinstance(value, BuiltinFunctionType) else f"a {type(value).__name__}"
    return f"{kind} that may do more than compute"
