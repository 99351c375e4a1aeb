"""A float that knows its unit.

`Quantity` is a subclass of float, so an optimizer's own checks and formulas accept it. Operators and numpy's ufuncs are
overloaded; what would lose the unit silently says so.
"""

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from lossgauge.frameworks.torch.tracing.tags import NUMBER, Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.rational import rational


class Quantity(float):
    """A number with a unit.

    Args:
        value: The number, in its own unit.
        tag: What is known of it.
        tracer: Where the equations it meets are recorded.
    """

    tag: Tag
    tracer: Tracer

    def __new__(cls, value: float, tag: Tag, tracer: Tracer) -> "Quantity":
        """Make the float and attach its tag."""
        self = super().__new__(cls, value)
        self.tag, self.tracer = tag, tracer
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Quantity":
        return self

    def __copy__(self) -> "Quantity":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return float, (plain(self),)

    def __float__(self) -> float:
        """Converting to a plain float outside the redirected modules loses the unit: say so, never guess."""
        self.tracer.lose("float()")
        return plain(self)

    def __int__(self) -> int:
        """A whole number made of a quantity has no unit to follow."""
        self.tracer.lose("int()")
        return int(plain(self))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        result = getattr(ufunc, method)(*plain(inputs), **options)
        if getattr(result, "ndim", 0):
            self.tracer.lose(f"numpy.{ufunc.__name__}")
            return result
        return apply_scalar(self.tracer, ufunc.__name__, inputs, float(result))

    def __array_function__(self, function: Any, types: Any, operands: Any, options: Any) -> Any:
        result = function(*plain(operands), **plain(options))
        if options or getattr(result, "ndim", 0):
            self.tracer.lose(f"numpy.{function.__name__}")
            return result
        return apply_scalar(self.tracer, function.__name__, operands, float(result))


def exact_exponent(value: float) -> Fraction:
    """The exponent a person meant: 0.333… is 1/3.

    Args:
        value: The float used as an exponent.

    Returns:
        The nearest fraction with a denominator of at most 1000.
    """
    return rational(float(value)).limit_denominator(1000)


def power_tag(tracer: Tracer, base: Tag, exponent: Any, operation: str) -> Tag:
    """The tag of base^exponent, where the exponent may itself be a hyperparameter.

    Args:
        tracer: The books.
        base: Tag of the base.
        exponent: The exponent: a number, a quantity or a tensor.
        operation: The name of the operation.

    Returns:
        The tag; a dimensional base needs an exponent with a known value.
    """
    tracer.unify(NUMBER, tracer.tag_of(exponent), operation)
    if isinstance(exponent, torch.Tensor):
        return tracer.unify(base, NUMBER, operation)
    return base.to_the(exact_exponent(plain(exponent)))


_ALIKE = {"add", "subtract", "maximum", "minimum", "fmax", "fmin", "hypot", "fmod", "remainder", "fsum", "clip"}
_RATIOS = {"floor_divide", "atan2", "arctan2"}
_SAME = {"negative", "positive", "absolute", "fabs", "abs", "neg", "pos", "copysign"}
_NUMERIC = {"exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "tanh", "sinh", "cosh", "erf",
            "asin", "acos", "atan", "gamma", "lgamma", "floor", "ceil", "trunc", "rint", "round"}  # fmt: skip
_POWERS = {"sqrt": Fraction(1, 2), "square": Fraction(2), "cbrt": Fraction(1, 3), "reciprocal": Fraction(-1)}
_TESTS = {"isfinite", "isnan", "isinf", "sign"}


def apply_scalar(tracer: Tracer, name: str, operands: Any, result: Any) -> Any:
    """Attach the unit to the result of a scalar function.

    Args:
        tracer: The books.
        name: The function's name, as numpy or `math` calls it.
        operands: Its arguments.
        result: What it returned.

    Returns:
        A `Quantity`, or `result` itself where it carries no unit.
    """
    tags = [tracer.tag_of(x) for x in operands]
    if name in _TESTS or isinstance(result, bool):
        return result
    if name in _ALIKE:
        tag = tags[0]
        for other in tags[1:]:
            tag = tracer.unify(tag, other, name)
    elif name in _RATIOS:
        tracer.unify(tags[0], tags[1], name)
        tag = NUMBER
    elif name in ("multiply", "prod"):
        tag = functools.reduce(Tag.times, tags)
    elif name in ("divide", "true_divide"):
        tag = tags[0].times(tags[1], -1)
    elif name in ("power", "pow", "float_power"):
        tag = power_tag(tracer, tags[0], operands[1], name)
    elif name in _POWERS:
        tag = tags[0].to_the(_POWERS[name])
    elif name in _SAME:
        tag = tags[0].same_unit()
    elif name in _NUMERIC:
        for tag in tags:
            tracer.unify(tag, NUMBER, name)
        tag = NUMBER
    else:
        tag = tracer.lose(name)
    return wrap(tracer, result, tag)


def wrap(tracer: Tracer, value: Any, tag: Tag) -> Any:
    """A float as a quantity; anything else, and plain numbers, as they are.

    Args:
        tracer: The books.
        value: The value.
        tag: Its tag.

    Returns:
        A `Quantity` where the unit is worth remembering.
    """
    if not isinstance(value, float) or (tag.bare and tag.unit.trivial):
        return value
    return Quantity(value, tag, tracer)


def plain(value: Any) -> Any:
    """The bare value behind a quantity, also inside lists, tuples and dictionaries.

    Args:
        value: Any argument.

    Returns:
        The same with every `Quantity` replaced by a float.
    """
    if isinstance(value, Quantity):
        return float.__mul__(value, 1.0)
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    if type(value) is dict:
        return {key: plain(item) for key, item in value.items()}
    return value


def _binary(method: str, name: str, swapped: bool) -> Callable[[Quantity, Any], Any]:
    base = getattr(float, method)

    def operator(self: Quantity, other: Any) -> Any:
        if isinstance(other, torch.Tensor):
            return NotImplemented
        result = base(self, plain(other))
        if result is NotImplemented:
            return result
        return apply_scalar(self.tracer, name, (other, self) if swapped else (self, other), result)

    return operator


def _comparison(method: str) -> Callable[[Quantity, Any], Any]:
    base = getattr(float, method)

    def operator(self: Quantity, other: Any) -> Any:
        result = base(self, plain(other))
        if result is not NotImplemented:
            self.tracer.compare(self, other, method.strip("_"))
        return result

    return operator


def _rounding(method: str) -> Callable[..., Any]:
    base = getattr(float, method)

    def operator(self: Quantity, *digits: Any) -> Any:
        result = base(plain(self), *digits)
        apply_scalar(self.tracer, "round", (self,), float(result))
        return result

    return operator


_OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "mod": "fmod",
              "floordiv": "floor_divide"}  # fmt: skip
for _name, _verb in _OPERATORS.items():
    setattr(Quantity, f"__{_name}__", _binary(f"__{_name}__", _verb, swapped=False))
    setattr(Quantity, f"__r{_name}__", _binary(f"__r{_name}__", _verb, swapped=True))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Quantity, f"__{_name}__", _comparison(f"__{_name}__"))
for _name in ("round", "trunc", "floor", "ceil"):
    setattr(Quantity, f"__{_name}__", _rounding(f"__{_name}__"))
for _name in ("neg", "pos", "abs"):
    _base = getattr(float, f"__{_name}__")
    setattr(Quantity, f"__{_name}__", lambda self, _b=_base, _n=_name: apply_scalar(self.tracer, _n, (self,), _b(self)))
