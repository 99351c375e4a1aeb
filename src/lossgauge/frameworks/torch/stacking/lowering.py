"""From torch calls to elementwise operations: what each call of an optimizer does to every element.

A call without a row here cannot be stacked; nothing is guessed from its name.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from lossgauge.frameworks.torch.stacking.program import Operand, Unstackable
from lossgauge.frameworks.torch.stacking.replicated import Replicated

Rule = Callable[["Lowered"], Operand]
OTHER = "other tensor2 exponent end"


class Writer(Protocol):
    """What writes operations down, as the rules below see it."""

    weights: Tensor

    def operand(self, value: Any) -> Operand:
        """What an operation is given."""
        ...

    def number(self, value: Any) -> float | Replicated:
        """A number as Python has it."""
        ...

    def add(self, name: str, *operands: Operand) -> Operand:
        """Write an operation down."""
        ...

    def store(self, tensor: Tensor, operand: Operand) -> None:
        """Say what a tensor holds from now on."""
        ...

    def empty(self, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor of the size of the weights, without contents."""
        ...


class Lowered:
    """One call, argument by argument.

    Args:
        recorder: What writes operations down.
        name: The canonical name of the torch function.
        args: Positional arguments.
        kwargs: Keyword arguments.
    """

    def __init__(self, recorder: Writer, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.recorder, self.name, self.args, self.kwargs = recorder, name, args, kwargs

    def given(self, place: int, names: str = "input self", default: Any = None) -> Any:
        """An argument by place or name.

        Args:
            place: Its position.
            names: Its keyword, or several spellings.
            default: What it is when not given.

        Returns:
            The argument.
        """
        if len(self.args) > place:
            return self.args[place]
        if self.kwargs:
            for name in names.split():
                if name in self.kwargs:
                    return self.kwargs[name]
        return default

    def operand(self, place: int, names: str = "input self", default: Any = None) -> Operand:
        """An argument as an operand.

        Args:
            place: Its position.
            names: Its keyword, or several spellings.
            default: What it is when not given.

        Returns:
            The operand.
        """
        return self.recorder.operand(self.given(place, names, default))

    def add(self, name: str, *operands: Operand) -> Operand:
        """Write an operation down, unless it changes nothing.

        Args:
            name: A row of `operations.TABLE`.
            operands: What it is given.

        Returns:
            Its result.
        """
        if name == "mul" and ("constant", 1.0) in operands:
            return operands[0] if operands[1] == ("constant", 1.0) else operands[1]
        return self.recorder.add(name, *operands)


def record(recorder: Writer, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Write down one call on tensors of the size of the weights.

    Args:
        recorder: What writes operations down.
        name: The canonical name of the function.
        func: The function.
        args: Its arguments.
        kwargs: Its keyword arguments.

    Returns:
        What the call returns: the tensor it changed, or a new one without contents.

    Raises:
        Unstackable: When there is no rule, or the result has another shape or format.
    """
    call = Lowered(recorder, name, args, kwargs)
    if name in VIEWS:
        return _view(recorder, call, func)
    if name == "setitem":
        target, mask, value = args
        recorder.store(
            target, call.add("where", recorder.operand(mask), recorder.operand(value), recorder.operand(target))
        )
        return None
    rule = RULES.get(name)
    if rule is None:
        raise Unstackable(f"{name} is not known to act on every element alone")
    result = rule(call)
    target = kwargs.get("out")
    if target is None and in_place(func):
        target = args[0]
    if target is None:
        mask = name in MASKS
        target = recorder.empty(torch.bool if mask else None)
    recorder.store(target, result)
    return target


def in_place(func: Callable[..., Any]) -> bool:
    """Whether a torch function changes its first argument.

    Args:
        func: The function, as torch hands it to a mode.

    Returns:
        True for `add_` and `__iadd__`.
    """
    raw = getattr(func, "__name__", "")
    if raw.startswith("__"):
        return raw.startswith("__i") and raw not in ("__invert__", "__index__", "__int__", "__iter__")
    return raw.endswith("_")


def _view(recorder: Writer, call: Lowered, func: Callable[..., Any]) -> Any:
    """Another look at the same tensor, as long as it shows all of it in the same order and format."""
    source = call.args[0]
    if source.dtype is torch.bool and call.name in ("to", "type", "float", "double"):
        result = recorder.empty()
        recorder.store(result, call.add("where", recorder.operand(source), ("constant", 1.0), ("constant", 0.0)))
        return result
    result = func(*call.args, **call.kwargs)
    if not isinstance(result, Tensor) or result.shape != source.shape or result.dtype != source.dtype:
        raise Unstackable(f"{call.name} to another shape or format")
    if result.untyped_storage()._cdata != source.untyped_storage()._cdata:
        recorder.store(result, recorder.operand(source))
    return result


def _addition(sign: float) -> Rule:
    def rule(call: Lowered) -> Operand:
        if len(call.args) == 3:  # the old order: add(input, alpha, other)
            factor, other = call.recorder.number(call.args[1]), call.given(2)
        else:
            factor, other = call.recorder.number(call.given(2, "alpha", 1)), call.given(1, OTHER)
        left = call.operand(0)
        factor = sign * factor
        if not (isinstance(other, Tensor) and other.is_meta):
            return call.add("add", left, call.recorder.operand(factor * call.recorder.number(other)))
        right = call.recorder.operand(other)
        scale = call.recorder.operand(factor)
        if scale == ("constant", 1.0):
            return call.add("add", left, right)
        return call.add("sub", left, right) if scale == ("constant", -1.0) else call.add("addmul", left, right, scale)

    return rule


def _product_added(name: str) -> Rule:
    def rule(call: Lowered) -> Operand:
        old = len(call.args) == 4
        value = call.operand(1) if old else call.operand(3, "value", 1)
        first = 2 if old else 1
        scaled = call.add("mul", call.operand(first, "tensor1"), value)
        return call.add(name, call.operand(0), scaled, call.operand(first + 1, "tensor2"))

    return rule


def _power(call: Lowered) -> Operand:
    base, exponent = call.operand(0), call.operand(1, "exponent")
    if exponent == ("constant", 2.0):
        return call.add("mul", base, base)
    return call.add("sqrt", base) if exponent == ("constant", 0.5) else call.add("pow", base, exponent)


def _clamp(call: Lowered) -> Operand:
    result = call.operand(0)
    low, high = call.given(1, "max" if call.name == "clamp_max" else "min"), call.given(2, "max")
    if call.name == "clamp_max":
        low, high = None, low
    if low is not None:
        result = call.add("max", result, call.recorder.operand(low))
    return result if high is None else call.add("min", result, call.recorder.operand(high))


def _where(call: Lowered) -> Operand:
    first = call.given(0, "condition input self")
    if isinstance(first, Tensor) and first.dtype is not torch.bool:  # tensor.where(condition, other)
        return call.add("where", call.operand(1, "condition"), call.recorder.operand(first), call.operand(2, "other"))
    return call.add("where", call.recorder.operand(first), call.operand(1, "input"), call.operand(2, "other"))


def _lerp(call: Lowered) -> Operand:
    return call.add("lerp", call.operand(0), call.operand(1, "end"), call.operand(2, "weight"))


def _divided(call: Lowered) -> Operand:
    """A number divided by a tensor is the number times the tensor's reciprocal, as torch has it."""
    return call.add("mul", call.add("div", ("constant", 1.0), call.operand(0)), call.operand(1, OTHER))


def _filled(value: float) -> Rule:
    return lambda call: call.recorder.operand(value)


def _plain(name: str, count: int = 2) -> Rule:
    places = ("input self", OTHER)
    return lambda call: call.add(name, *(call.operand(place, places[place]) for place in range(count)))


def _swapped(name: str) -> Rule:
    return lambda call: call.add(name, call.operand(1, OTHER), call.operand(0))


def _of_one(name: str, *before: float) -> Rule:
    return lambda call: call.add(name, *(call.recorder.operand(x) for x in before), call.operand(0))


def _all(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_VIEWS = """
    view view_as reshape reshape_as flatten ravel contiguous detach expand_as to type float double requires_grad alias
    clone positive conj t squeeze
"""
VIEWS = frozenset(_VIEWS.split())
"""Calls that return the same elements; where they return them in another shape, they cannot be stacked."""

_MASKS = """
    lt gt le ge eq ne less greater less_equal greater_equal logical_and logical_or logical_not logical_xor and or invert
    isnan isinf isfinite
"""
MASKS = frozenset(_MASKS.split())
"""Calls that return truth values."""

RULES: dict[str, Rule] = {
    **_all("add radd", _addition(1.0)),
    **_all("sub subtract", _addition(-1.0)),
    **_all("rsub", _swapped("sub")),
    **_all("mul rmul multiply", _plain("mul")),
    **_all("div divide truediv true_divide", _plain("div")),
    **_all("rdiv rtruediv", _divided),
    "addcmul": _product_added("addmul"), "addcdiv": _product_added("adddiv"),
    "lerp": _lerp, "pow": _power, "where": _where,
    "square": lambda call: call.add("mul", call.operand(0), call.operand(0)),
    "reciprocal": _of_one("div", 1.0),
    "rsqrt": lambda call: call.add("div", ("constant", 1.0), call.add("sqrt", call.operand(0))),
    **_all("clamp clip clamp_min clamp_max", _clamp),
    **_all("maximum max", _plain("max")), **_all("minimum min", _plain("min")),
    "relu": lambda call: call.add("max", call.operand(0), ("constant", 0.0)),
    **_all("round", _plain("round", 1)), **_all("log1p", _plain("log1p", 1)),
    **_all("sqrt", _plain("sqrt", 1)), **_all("abs absolute", _plain("abs", 1)),
    **_all("neg negative", _plain("neg", 1)), **_all("sign sgn", _plain("sign", 1)),
    **_all("exp", _plain("exp", 1)), **_all("log", _plain("log", 1)), **_all("tanh", _plain("tanh", 1)),
    **_all("sigmoid", _plain("sigmoid", 1)),
    **_all("lt less", _plain("lt")), **_all("gt greater", _plain("gt")), **_all("le less_equal", _plain("le")),
    **_all("ge greater_equal", _plain("ge")), "eq": _plain("eq"), "ne": _plain("ne"),
    **_all("logical_and and", _plain("and")), **_all("logical_or or", _plain("or")),
    **_all("logical_not invert", _plain("not", 1)),
    **_all("zeros_like empty_like zero", _filled(0.0)), "ones_like": _filled(1.0),
    **_all("full_like", lambda call: call.operand(1, "fill_value")), "fill": lambda call: call.operand(1, "value"),
    "copy": lambda call: call.operand(1, "src"),
    "masked_fill": lambda call: call.add("where", call.operand(1, "mask"), call.operand(2, "value"), call.operand(0)),
}  # fmt: skip
