"""The elementwise operations: what each does to stacked tensors.

Operands are tensors (replicas, weights), or (replicas, 1) where there is one number per replica, or numbers.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


def _lerp(start: Tensor, end: Any, weight: Any, out: Tensor | None = None) -> Tensor:
    return torch.lerp(start, end, _as_tensor(weight, start), out=out)


def _where(condition: Tensor, yes: Any, no: Any, out: Tensor | None = None) -> Tensor:
    return torch.where(condition, _as_tensor(yes, no), _as_tensor(no, yes), out=out)


def _addmul(base: Tensor, left: Any, right: Any, out: Tensor | None = None) -> Tensor:
    return torch.addcmul(base, _as_tensor(left, base), _as_tensor(right, base), out=out)


def _adddiv(base: Tensor, left: Any, right: Any, out: Tensor | None = None) -> Tensor:
    return torch.addcdiv(base, _as_tensor(left, base), _as_tensor(right, base), out=out)


def _as_tensor(value: Any, like: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(like, Tensor):
        return _constant(float(value).hex(), like.dtype, like.device)
    return torch.full((), value, dtype=torch.get_default_dtype())


@lru_cache(maxsize=64)
def _constant(text: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A number where the tensors are that it meets; nobody changes it. As text, 0 and -0 are two numbers."""
    return torch.full((), float.fromhex(text), dtype=dtype, device=device)


def _first_tensor(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Functions that take no plain numbers in the first place."""

    def apply(left: Any, right: Any, out: Tensor | None = None) -> Tensor:
        return function(_as_tensor(left, right), _as_tensor(right, left), out=out)

    return apply


TABLE: dict[str, Callable[..., Tensor]] = {
    "add": _first_tensor(torch.add), "sub": _first_tensor(torch.sub), "mul": _first_tensor(torch.mul),
    "div": _first_tensor(torch.div), "max": _first_tensor(torch.maximum), "min": _first_tensor(torch.minimum),
    "pow": _first_tensor(torch.pow),
    "addmul": _addmul, "adddiv": _adddiv, "lerp": _lerp, "where": _where,
    "sqrt": torch.sqrt, "abs": torch.abs, "neg": torch.neg, "sign": torch.sign, "exp": torch.exp, "log": torch.log,
    "tanh": torch.tanh, "log1p": torch.log1p, "round": torch.round, "sigmoid": torch.sigmoid,
    "lt": _first_tensor(torch.lt), "gt": _first_tensor(torch.gt), "le": _first_tensor(torch.le),
    "ge": _first_tensor(torch.ge), "eq": _first_tensor(torch.eq), "ne": _first_tensor(torch.ne),
    "and": _first_tensor(torch.logical_and), "or": _first_tensor(torch.logical_or), "not": torch.logical_not,
}  # fmt: skip
"""Name → function with `out`; `fill` is done by whoever runs a program."""

TRUTHS = frozenset(("lt", "gt", "le", "ge", "eq", "ne", "and", "or", "not"))
"""The operations whose results are truth values."""
