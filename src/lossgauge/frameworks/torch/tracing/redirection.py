"""The ways Python code turns a quantity into a plain number without asking, redirected while a trace runs.

`math.sqrt(q)` and `float(q)` read the C double behind a float and drop its unit. `math` is redirected everywhere; the
built-in `float` and functions imported from `math` only in the modules the optimizer's own code lives in.
"""

import contextlib
import math
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from lossgauge.frameworks.torch.tracing.quantity import Quantity, apply_scalar, plain
from lossgauge.frameworks.torch.tracing.tracer import Tracer

_TORCH_OWN = ("torch.optim.", "torch.nn.utils.clip_grad")


class _FloatType(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, float)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, float)


class UnitKeepingFloat(float, metaclass=_FloatType):
    """Stands in for the built-in `float` in the optimizer's own modules: converts without losing the unit."""

    def __new__(cls, value: Any = 0.0) -> Any:
        """Return a quantity as it is, a tensor through `.item()`, anything else as a float."""
        if isinstance(value, Quantity):
            return value
        if isinstance(value, torch.Tensor):
            number = value.item()
            return number if isinstance(number, float) else float(number)
        return float(value)


_MATH = {name: function for name, function in vars(math).items() if callable(function) and not name.startswith("_")}
_OF_LISTS = ("fsum", "prod")


@contextlib.contextmanager
def unit_keeping(tracer: Tracer, modules: list[types.ModuleType]) -> Iterator[None]:
    """Redirect `math` everywhere, and `float` and imported `math` functions in `modules`, for the time of a trace.

    Args:
        tracer: The books.
        modules: The modules the optimizer's code lives in.

    Yields:
        Nothing; everything is put back on leaving.
    """
    stand_ins = {id(function): _keeping(tracer, name, function) for name, function in _MATH.items()}
    saved: list[tuple[Any, str, Any]] = []

    def put(space: Any, name: str, value: Any) -> None:
        saved.append((space, name, space.get(name, saved)))
        space[name] = value

    for name, function in _MATH.items():
        put(vars(math), name, stand_ins[id(function)])
    for module in modules:
        space = vars(module)
        for name, value in list(space.items()):
            if id(value) in stand_ins:
                put(space, name, stand_ins[id(value)])
        if "float" not in space:
            put(space, "float", UnitKeepingFloat)
    try:
        yield
    finally:
        for space, name, value in reversed(saved):
            if value is saved:
                space.pop(name, None)
            else:
                space[name] = value


def neighbours(module_name: str, limit: int = 60) -> list[types.ModuleType]:
    """The modules an optimizer's code may run in: its own, and those of its own package or folder it reaches.

    Args:
        module_name: The module of the class.
        limit: The most modules followed.

    Returns:
        Loaded modules that are neither torch internals nor the standard library.
    """
    found: dict[str, types.ModuleType] = {}
    waiting = [module_name, *(name for name in sys.modules if name.startswith(_TORCH_OWN))]
    while waiting and len(found) < limit:
        name = waiting.pop()
        module = sys.modules.get(name)
        if module is None or name in found or not _own_code(name, module):
            continue
        found[name] = module
        for value in list(vars(module).values()):
            waiting.append(
                value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None) or ""
            )
    return list(found.values())


def _own_code(name: str, module: types.ModuleType) -> bool:
    if name.split(".")[0] in sys.stdlib_module_names or name.split(".")[0] in ("numpy", "lossgauge"):
        return False
    if name.split(".")[0] == "torch":
        return name.startswith(_TORCH_OWN)
    return hasattr(module, "__file__") or name == "__main__"


def _keeping(tracer: Tracer, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def stand_in(*operands: Any, **options: Any) -> Any:
        if name in _OF_LISTS:
            operands = (list(operands[0]), *operands[1:])  # an iterator can be read only once
        if not any(isinstance(x, (Quantity, torch.Tensor)) for x in _entries((operands, [*options.values()]))):
            return function(*operands, **options)
        operands, options = _without_tensors(operands), {n: _without_tensors(x) for n, x in options.items()}
        result = function(*plain(operands), **plain(options))
        return _with_unit(tracer, name, _entries((operands, [*options.values()])), result)

    stand_in.__name__ = name
    return stand_in


def _entries(value: Any) -> list[Any]:
    return [x for item in value for x in _entries(item)] if isinstance(value, (list, tuple)) else [value]


def _without_tensors(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_without_tensors(item) for item in value)
    return value.item() if isinstance(value, torch.Tensor) else value


def _with_unit(tracer: Tracer, name: str, operands: list[Any], result: Any) -> Any:
    if isinstance(result, bool):
        if name == "isclose":
            tracer.compare(operands[0], operands[1], name)
        return result
    if not isinstance(result, (int, float)):
        tracer.lose(name)
        return result
    tagged = apply_scalar(tracer, name, operands, float(result))
    return tagged if isinstance(result, float) else result
