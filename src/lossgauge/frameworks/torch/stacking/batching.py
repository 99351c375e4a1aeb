"""The interposition for optimizers that work tensor by tensor: their own code runs once, on all replicas' tensors.

`vmap` lets code written for one tensor act on a stack of them. What it lacks is added here: hyperparameters that differ
between replicas, numbers that code takes out of tensors and calculates with, and decisions, on which all must agree.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lossgauge.frameworks.torch.stacking import lowering
from lossgauge.frameworks.torch.stacking.program import Unstackable
from lossgauge.frameworks.torch.stacking.replicated import Replicated, agreed
from lossgauge.frameworks.torch.tracing.mode import canonical_name

batched: Any = vars(torch._C)["_functorch"]
"""What `torch.func.vmap` is made of: unlike there, tensors stay batched from one step to the next."""
_name_of = lru_cache(maxsize=4096)(canonical_name)
_REDUCING = {"max", "min", "full_like", "masked_fill", "zeros_like", "ones_like", "empty_like"}
POINTWISE = frozenset(lowering.RULES) - _REDUCING
"""Calls that act on every element alone: made on the stack itself, which has the bits of single calls."""
COARSE = (torch.bfloat16, torch.float16)
"""Number formats in which products of a stack of matrices are rounded differently than single ones."""


class Batching(TorchFunctionMode):
    """Makes each call for all replicas.

    Args:
        replicas: How many there are.
        level: Of the `vmap` that is open while code runs.
    """

    def __init__(self, replicas: int, level: int) -> None:
        super().__init__()
        self.replicas, self._level = replicas, level

    def wrap(self, stack: Tensor) -> Any:
        """One tensor that stands for those of all replicas.

        Args:
            stack: (replicas, *shape).

        Returns:
            A tensor of that shape, as optimizer code sees it.
        """
        return batched._add_batch_dim(stack, 0, self._level)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Make one call.

        Args:
            func: The torch function.
            types: Unused.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            What it returns, for all replicas.

        Raises:
            Unstackable: When it takes a number out of a tensor in a way that cannot be followed.
        """
        kwargs = kwargs or {}
        name, accessor = _name_of(func)
        if accessor:
            return args[0] if name == "data" and accessor == "__get__" else func(*args, **kwargs)
        if name in ("item", "bool", "float", "int", "tolist") and _is_batched(args[0]):
            return self._number(name, args[0])
        numbers = any(isinstance(x, Replicated) for x in (*args, *kwargs.values()))
        if not numbers and not any(_is_batched(x) for x in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        if name in ("tensor", "as_tensor", "scalar_tensor"):
            return self.wrap(self._stack(args[0], 0, kwargs.get("dtype") or torch.get_default_dtype()))
        if numbers and name in ("add", "sub", "addcmul", "addcdiv", "fill"):
            func, args, kwargs = self._rewritten(name, func, args, kwargs)
        if name in POINTWISE and self._is_uniform(name, func, (*args, *kwargs.values())):
            return self._on_stacks(name, func, args, kwargs)
        operands = (*args, *kwargs.values())
        if numbers or any(isinstance(x, Tensor) and x.dtype in COARSE and x.dim() == 2 for x in operands):
            return self._one_by_one(func, args, kwargs)
        return func(*args, **kwargs)

    def _number(self, name: str, tensor: Tensor) -> Any:
        """A number that differs between replicas leaves the tensors, or decides something."""
        values = _rows(tensor)
        if values.dim() > 1:
            values = values.reshape(self.replicas, -1).squeeze(1)
        if name == "bool":
            return agreed((values != 0).numpy())
        if name != "item" or values.dim() != 1:
            raise Unstackable(f"{name} of a tensor, which Python turns into a single number")
        return Replicated(values.double().numpy())

    def _rewritten(
        self, name: str, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]:
        """Calls whose factor must be a plain number, as calls with a tensor in its place that round alike."""
        like, here = args[0], lowering.in_place(func)
        if name == "fill":
            return Tensor.copy_, (like, self.wrap(self._stack(args[1], 0, like.dtype))), {}
        factor = kwargs.get("alpha", kwargs.get("value"))
        if not isinstance(factor, Replicated) or not isinstance(args[1], Tensor):
            return func, args, kwargs
        if name in ("add", "sub"):
            other = args[1].to(like.dtype) if like.is_floating_point() and like.dim() else args[1]
            return (Tensor.addcmul_ if here else torch.addcmul), (like, factor if name == "add" else -factor, other), {}
        return func, (like, self._on_stacks("mul", torch.mul, (args[1], factor), {}), args[2]), {}

    def _is_uniform(self, name: str, func: Callable[..., Any], operands: Sequence[Any]) -> bool:
        """Whether the stacks may be given to the function as they are: no promotion of formats, nothing enlarged."""
        tensors = [x for x in operands if isinstance(x, Tensor)]
        if len({x.dtype for x in tensors} - {torch.bool}) > 1 or (name == "where" and len(operands) != 3):
            return False
        if lowering.in_place(func):
            largest = max(x.dim() for x in tensors)
            return _is_batched(operands[0]) and operands[0].dim() == largest
        return True

    def _on_stacks(self, name: str, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        operands = (*args, *kwargs.values())
        tensors = [x for x in operands if isinstance(x, Tensor)]
        rank = max((x.dim() for x in tensors), default=0)
        dtype = next((x.dtype for x in tensors if x.is_floating_point()), torch.get_default_dtype())
        every = name.startswith("cl") and any(isinstance(x, (Replicated, Tensor)) for x in operands[1:])

        def given(x: Any) -> Any:
            number = isinstance(x, Replicated) or (every and isinstance(x, (int, float)))
            return self._stack(x, rank, dtype) if number or _is_batched(x) else x

        result = func(*(given(x) for x in args), **{key: given(x) for key, x in kwargs.items()})
        return args[0] if lowering.in_place(func) else self.wrap(result)

    def _stack(self, value: Any, rank: int, dtype: torch.dtype) -> Tensor:
        """The tensors or numbers of all replicas, shaped so that they meet others of a rank element by element."""
        if isinstance(value, Tensor):
            rows = _rows(value) if _is_batched(value) else value.expand(self.replicas, *value.shape)
        else:
            values = value.values if isinstance(value, Replicated) else [float(value)]
            rows = torch.as_tensor(values, dtype=torch.float64).to(dtype).expand(self.replicas)
        missing = rank - (rows.dim() - 1)
        return rows[(slice(None), *(None,) * missing)] if missing > 0 else rows

    def _one_by_one(self, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Calls that take plain numbers only are made for one replica after the other, as its own code would."""
        results: list[Any] = []
        for place in range(self.replicas):
            own = [_of_one(x, place) for x in args]
            results.append(func(*own, **{key: _of_one(x, place) for key, x in kwargs.items()}))
        if lowering.in_place(func):
            if not _is_batched(args[0]):
                raise Unstackable("replicas would share what they change")
            return args[0]
        if not all(isinstance(result, Tensor) for result in results):
            raise Unstackable("a call for single replicas that returns no tensor")
        return self.wrap(torch.stack(results))


def _is_batched(value: Any) -> bool:
    return isinstance(value, Tensor) and batched.is_batchedtensor(value)


def _rows(tensor: Tensor) -> Tensor:
    place = batched.maybe_get_bdim(tensor)
    stack = batched.get_unwrapped(tensor)
    return stack if place == 0 else stack.movedim(place, 0)


def _of_one(value: Any, place: int) -> Any:
    if isinstance(value, Replicated):
        return float(value.values[place if len(value.values) > 1 else 0])
    if isinstance(value, (list, tuple)):
        return type(value)(_of_one(x, place) for x in value)
    return _rows(value)[place] if _is_batched(value) else value
