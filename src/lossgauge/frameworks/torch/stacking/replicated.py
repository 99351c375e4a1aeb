"""A hyperparameter with one value per replica, which optimizer code can calculate with as if it were one number.

It is a `float`, so that constructors accept it, but the number underneath is nan: code that reads it past the operators
below makes nan of everything, which is noticed, and never one replica's number of another's.
"""

import contextlib
import gc
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

_VOTERS: ContextVar[np.ndarray | None] = ContextVar("voters", default=None)
"""Who takes part in decisions; None for all."""


class Divided(Exception):
    """Optimizer code decided differently for some replicas than for others.

    Args:
        mask: True for the replicas on one side.
    """

    def __init__(self, mask: np.ndarray) -> None:
        super().__init__("replicas disagree on a condition")
        self.mask = mask


class Replicated(float):
    """One number per replica, in float64 as Python's own numbers.

    Args:
        values: The number of each replica, or a single one where it is the same for all.
    """

    values: np.ndarray

    def __new__(cls, values: Any) -> "Replicated":
        """Make the float that is nan underneath."""
        self = super().__new__(cls, math.nan)
        self.values = np.asarray(values, dtype=np.float64)
        return self

    def __copy__(self) -> "Replicated":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Replicated":
        return self

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return agreed(self.values != 0)

    def __neg__(self) -> "Replicated":
        return Replicated(-self.values)

    def __pos__(self) -> "Replicated":
        return self

    def __abs__(self) -> "Replicated":
        return Replicated(np.abs(self.values))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Numpy's functions on numbers act on each replica."""
        if method != "__call__" or options:
            return NotImplemented
        result = ufunc(*(np.asarray(plain(x)) for x in inputs))
        return agreed(result) if result.dtype == bool else Replicated(result)

    @classmethod
    def joined(cls, values: Sequence[float]) -> "Replicated":
        """The numbers of all replicas as one.

        Args:
            values: The number of each replica.

        Returns:
            The replicated number; a single one where all are the same bits.
        """
        array = np.asarray(values, dtype=np.float64)
        alike = array.tobytes() == array[:1].tobytes() * len(array)
        return cls(array[:1] if alike else array)


@contextlib.contextmanager
def voting(sound: np.ndarray) -> Iterator[None]:
    """Let only some replicas take part in decisions; the others, whose numbers mean nothing any more, follow.

    Args:
        sound: True for each replica that decides.

    Yields:
        Nothing; outside all decide.
    """
    token = _VOTERS.set(sound)
    try:
        yield
    finally:
        _VOTERS.reset(token)


def agreed(mask: np.ndarray) -> bool:
    """What all replicas say.

    Args:
        mask: The answer of each.

    Returns:
        The answer.

    Raises:
        Divided: Where they differ.
    """
    voters = _VOTERS.get()
    answers = mask[voters] if voters is not None and mask.shape == voters.shape and voters.any() else mask
    first = bool(answers.flat[0])
    if bool((answers != first).any()):
        raise Divided(mask.astype(bool))
    return first


def plain(value: Any) -> Any:
    """The values behind a number.

    Args:
        value: A `Replicated` or anything else.

    Returns:
        An array with one entry per replica, or the value itself.
    """
    return value.values if isinstance(value, Replicated) else value


def each(function: Callable[..., Any], *operands: Any) -> Replicated:
    """Apply a Python function to every replica: the same bits as without replicas, which numpy's powers do not promise.

    Args:
        function: Takes numbers and returns a number.
        operands: Numbers, some of them replicated.

    Returns:
        The results; equal operands are computed once.
    """
    count = max(len(x.values) for x in operands if isinstance(x, Replicated))
    if count == 1:
        return Replicated(
            [float(function(*(float(plain(x)[0]) if isinstance(x, Replicated) else x for x in operands)))]
        )
    columns = [np.broadcast_to(plain(x), count).tolist() for x in operands]
    known: dict[tuple[Any, ...], float] = {}
    results: list[float] = []
    for row in zip(*columns, strict=True):
        if row not in known:
            known[row] = float(function(*row))
        results.append(known[row])
    return Replicated(results)


@contextlib.contextmanager
def replicated_math() -> Iterator[None]:
    """Let the functions of `math` accept replicated numbers, for as long as optimizer code is recorded.

    Garbage is not collected meanwhile: thousands of small numbers would have all of torch searched again and again.

    Yields:
        Nothing; everything is put back on leaving.
    """
    collecting = gc.isenabled()
    gc.disable()
    saved = {name: value for name, value in vars(math).items() if callable(value) and not name.startswith("_")}
    for name, function in saved.items():
        setattr(math, name, _replicating(function))
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        if collecting:
            gc.enable()
        for name, function in saved.items():
            setattr(math, name, function)


def _replicating(function: Callable[..., Any]) -> Callable[..., Any]:
    def stand_in(*operands: Any, **options: Any) -> Any:
        if not any(isinstance(x, Replicated) for x in operands):
            return function(*operands, **options)
        result = each(function, *operands)
        tests = function in (math.isnan, math.isinf, math.isfinite)
        return agreed(result.values != 0) if tests else result

    return stand_in


def _arithmetic(function: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Replicated, Any], Any]:
    exact = function in (operator.add, operator.sub, operator.mul, operator.truediv)

    def method(self: Replicated, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        left, right = (other, self) if swapped else (self, other)
        if exact:  # IEEE operations: numpy's are Python's
            if function is operator.truediv and not np.all(plain(right)):
                raise ZeroDivisionError("float division by zero")
            return Replicated(function(plain(left), plain(right)))
        return each(function, left, right)

    return method


def _comparison(function: Callable[[Any, Any], Any]) -> Callable[[Replicated, Any], Any]:
    def method(self: Replicated, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        return agreed(function(self.values, plain(other)))

    return method


for _name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv"):
    _function = getattr(operator, _name)
    setattr(Replicated, f"__{_name}__", _arithmetic(_function, swapped=False))
    setattr(Replicated, f"__r{_name}__", _arithmetic(_function, swapped=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Replicated, f"__{_name}__", _comparison(getattr(operator, _name)))
