"""The interposition: optimizer code runs on tensors without contents, and what it does to them is written down.

The code itself runs in every step, with its own counters and its own Python numbers, so that conditions on the step,
bias corrections and schedules inside the optimizer are what they always are; only the work on weights, gradients and
states is put off and becomes a `Program`.
"""

import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lossgauge.frameworks.torch.stacking import lowering
from lossgauge.frameworks.torch.stacking.program import (
    CONSTANTS,
    GRADIENT,
    WEIGHTS,
    Operand,
    Operation,
    Program,
    Unstackable,
)
from lossgauge.frameworks.torch.stacking.replicated import Replicated, agreed
from lossgauge.frameworks.torch.tracing.mode import SILENT, canonical_name

_name_of = lru_cache(maxsize=4096)(canonical_name)


class Recorder(TorchFunctionMode):
    """Writes down one step after the other.

    Args:
        size: How many weights there are.
        dtype: Their number format.
    """

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self._shape = dtype, (size,)
        self.weights: Tensor = torch.nn.Parameter(torch.empty(size, device="meta", dtype=dtype))
        self.operations: list[Operation] = []
        self.scalars: list[np.ndarray | float] = []
        self.inputs = 2
        self._values: dict[int, int] = {}
        self._slots: list[int] = []
        self._alive: dict[int, list[Any]] = {}
        self._small: dict[int, Tensor] = {}
        self._kept: list[Any] = []
        self._bind(self.weights, WEIGHTS)

    def empty(self, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor of the size of the weights, without contents.

        Args:
            dtype: Its number format; by default that of the weights.

        Returns:
            The tensor.
        """
        return torch.empty(self._shape, device="meta", dtype=dtype or self.dtype)

    def begin(self) -> None:
        """Start a step: a new gradient is there. What the constructor did belongs to the first step."""
        keys = list(self._slots)
        if keys:
            self.operations, self.scalars = [], []
        self.weights.grad = self.empty()
        gradient = self.weights.grad
        self._slots = [keys[0] if keys else self._key(self.weights), self._key(gradient), *keys[2:]]
        self.inputs = len(self._slots)
        for number, key in enumerate(self._slots):
            self._values[key] = number
        self._bind(gradient, GRADIENT)

    def end(self) -> tuple[Program, list[np.ndarray | float]]:
        """End a step.

        Returns:
            What was done, and the scalars it was done with.
        """
        new = [key for key in self._values if key not in self._slots and self._living(key)]
        if self._slots[GRADIENT] in self._kept_gradients():
            new.append(self._slots[GRADIENT])
        outputs = tuple(self._values[key] for key in [*self._slots, *new])
        program = Program(len(outputs), self.inputs, tuple(self.operations), outputs)
        self._slots += new
        dead = [key for key in self._values if key not in self._slots]
        for key in dead:
            self._values.pop(key)
            self._alive.pop(key, None)
        self._kept.clear()
        return program, self.scalars

    def _kept_gradients(self) -> set[int]:
        """An optimizer that keeps the gradient itself holds the tensor this recorder made."""
        self.weights.grad = None
        key = self._slots[GRADIENT]
        return {key} if self._living(key) else set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Write a call down, or run it where it does not touch the weights.

        Args:
            func: The torch function.
            types: Unused.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            A tensor without contents, or what the function returned.

        Raises:
            Unstackable: When the call cannot be made for all elements of all replicas at once.
        """
        kwargs = kwargs or {}
        name, accessor = _name_of(func)
        if accessor == "__set__" and name != "grad":
            raise Unstackable(f"sets .{name} of a tensor")
        operands = [*args, *kwargs.values()]
        large = any(self._is_large(x) for x in operands)
        if accessor or (name in SILENT and name != "bool"):
            return func(*args, **kwargs)
        if kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "meta" and not large:
            return self._make(name, func, tuple(args), kwargs)
        if large:
            return lowering.record(self, name, func, tuple(args), kwargs)
        replicated = any(isinstance(x, Replicated) or self.stacked(x) is not None for x in operands)
        if not replicated:
            return func(*args, **kwargs)
        return self._run_small(name, func, tuple(args), kwargs)

    def operand(self, value: Any) -> Operand:
        """What an operation is given.

        Args:
            value: A tensor of the size of the weights, or a number of whatever kind.

        Returns:
            The operand.

        Raises:
            Unstackable: When it is none of these.
        """
        if self._is_large(value):
            key = self._key(value)
            if key not in self._values or value.numel() != self.weights.numel() or not value.is_contiguous():
                raise Unstackable("a part of the weights")
            return ("value", self._values[key])
        number = self.number(value)
        if not isinstance(number, Replicated) and number in CONSTANTS:
            return ("constant", number)
        self.scalars.append(number.values if isinstance(number, Replicated) else number)
        return ("scalar", len(self.scalars) - 1)

    def number(self, value: Any) -> float | Replicated:
        """A number as Python has it.

        Args:
            value: A number, or a tensor with one entry that does not depend on the weights.

        Returns:
            A float, or one for each replica.

        Raises:
            Unstackable: When it is something else.
        """
        if isinstance(value, Replicated):
            return value
        if isinstance(value, (bool, int, float)):
            return float(value)
        if isinstance(value, Tensor) and not self._is_large(value) and value.dim() == 0:
            stacked = self.stacked(value)
            return Replicated(stacked.double().numpy()) if stacked is not None else float(value)
        raise Unstackable(f"an operand of type {type(value).__name__}")

    def add(self, name: str, *operands: Operand) -> Operand:
        """Write an operation down.

        Args:
            name: A row of `operations.TABLE`.
            operands: What it is given.

        Returns:
            Its result as an operand.
        """
        self.operations.append(Operation(name, operands))
        return ("value", self.inputs + len(self.operations) - 1)

    def store(self, tensor: Tensor, operand: Operand) -> None:
        """Say what a tensor holds from now on.

        Args:
            tensor: A tensor without contents.
            operand: What it holds; a number fills it.

        Raises:
            Unstackable: When it is a part of another tensor.
        """
        if tensor.numel() != self.weights.numel():
            raise Unstackable("a tensor of another size than the weights")
        value = operand if operand[0] == "value" else self.add("fill", operand)
        self._bind(tensor, int(value[1]))

    def stacked(self, value: Any) -> Tensor | None:
        """The contents of a small tensor that differ between replicas.

        Args:
            value: Anything.

        Returns:
            One row for each replica, or None where there is no difference.
        """
        if not isinstance(value, Tensor) or value.is_meta or not self._small:
            return None
        return self._small.get(self._key(value))

    def _make(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A tensor made "where the weights are": of their size it has no contents either, else it is a small one."""
        options = {**kwargs, "device": "cpu"}
        if any(isinstance(x, Replicated) for x in args):
            return self._run_small(name, func, args, options)
        made = func(*args, **options)
        if made.shape != self.weights.shape or not bool((made == made[:1]).all()):
            return made
        large = self.empty(made.dtype)
        self.store(large, self.operand(float(made[0])))
        return large

    def _run_small(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Counters and products the optimizer keeps as tensors with one entry: computed at once, for all replicas."""
        if name in ("item", "float"):
            return self.number(args[0])
        if any(isinstance(x, Tensor) and x.dim() for x in args):
            raise Unstackable(f"{name} of a small tensor with several entries and a replicated number")
        like = next((x.dtype for x in args if isinstance(x, Tensor)), None)
        rows = tuple(self._row(x, like) for x in args)
        options = {key: self._row(x, like) for key, x in kwargs.items()}
        if name in ("tensor", "as_tensor", "scalar_tensor"):
            result = rows[0].to(kwargs.get("dtype") or torch.get_default_dtype())
        elif lowering.in_place(func):
            holder = self.stacked(args[0])
            count = max(x.numel() for x in [*rows, *options.values()] if isinstance(x, Tensor))
            target = args[0].detach() if holder is None else holder
            if target.numel() < count or holder is None:
                target = target.expand(count).clone()
            func(target, *rows[1:], **options)
            args[0].detach().fill_(torch.nan)
            self._keep_small(args[0], target)
            return args[0]
        else:
            result = func(*rows, **options)
        if name == "bool" or isinstance(result, bool):
            return agreed(np.asarray(rows[0].numpy()) != 0)
        placeholder = torch.full((), torch.nan if result.is_floating_point() else 0, dtype=result.dtype)
        self._keep_small(placeholder, result)
        return placeholder

    def _row(self, value: Any, dtype: torch.dtype | None) -> Any:
        if isinstance(value, Replicated):
            row = torch.from_numpy(value.values.copy())
            return row if dtype is None else row.to(dtype)
        stacked = self.stacked(value)
        return value if stacked is None else stacked

    def _keep_small(self, tensor: Tensor, rows: Tensor) -> None:
        key = self._key(tensor)
        if key not in self._small:
            weakref.finalize(tensor, self._small.pop, key, None)
        self._small[key] = rows

    def _bind(self, tensor: Tensor, value: int) -> None:
        key = self._key(tensor)
        self._values[key] = value
        self._alive.setdefault(key, []).append(weakref.ref(tensor))
        self._kept.append(tensor.untyped_storage())

    def _living(self, key: int) -> bool:
        return any(reference() is not None for reference in self._alive.get(key, ()))

    def _is_large(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.is_meta

    def _key(self, tensor: Tensor) -> int:
        return tensor.untyped_storage()._cdata
