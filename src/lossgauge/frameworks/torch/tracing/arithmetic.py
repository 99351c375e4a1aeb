"""Rules of arithmetic: what torch operations on numbers do to units.

A rule gets the call and returns the tag of the result (a list where the result has several parts with different
units), after asking the tracer for whatever equalities the operation needs.
"""

from collections.abc import Callable
from fractions import Fraction

import torch

from lossgauge.frameworks.torch.tracing.call import OTHER, Call, spread
from lossgauge.frameworks.torch.tracing.quantity import plain, power_tag
from lossgauge.frameworks.torch.tracing.tags import NUMBER, Tag

Rule = Callable[[Call], Tag | list[Tag] | None]
INPUT = "input x A"
"""What torch calls the first operand."""


def same(call: Call) -> Tag:
    """The unit of the first operand: a mean, an absolute value."""
    return call.tag(0, INPUT).same_unit()


def norm(call: Call) -> Tag:
    """The unit of the operand, except that the norm of order 0 counts."""
    order = call.given(1, "ord p", 2)
    if isinstance(order, (int, float)):
        call.unify(NUMBER, call.common(order))
        if plain(order) == 0:
            call.take_all()
            return NUMBER
    return call.tag(0, INPUT).same_unit()


def addition(call: Call) -> Tag:
    """Equal units: `add(a, b, alpha=c)` is a + c·b, and so is the old `add(a, c, b)`."""
    old = len(call.args) == 3
    factor = call.tag(1) if old else call.common(call.option("alpha", 1))
    left, right = call.given(0, "input"), call.given(2 if old else 1, OTHER, 1)
    first, second = call.common(left), call.common(right)
    if call.name == "rsub":
        return call.unify(first.times(factor), second, (left, right))
    return call.unify(first, second.times(factor), (left, right))


def alike(call: Call) -> Tag:
    """Equal units: the larger of two, a remainder, a distance."""
    other = call.given(1, OTHER + " imag x2")
    if other is None or (call.name in ("max", "min") and not isinstance(other, torch.Tensor)):
        return same(call)  # max over a dimension
    left = call.given(0, INPUT + " real x1")
    return call.unify(call.common(left), call.common(other), (left, other))


def product(call: Call) -> Tag:
    """The product of two units."""
    return call.tag(0, INPUT).times(call.tag(1))


def convolution(call: Call) -> Tag:
    """The product of two units, plus a bias."""
    total, bias = call.tag(0, INPUT).times(call.tag(1, "weight")), call.given(2, "bias")
    return total if bias is None else call.unify(total, call.common(bias))


def quotient(call: Call) -> Tag:
    """The quotient of two units, a number where it is rounded."""
    return ratio(call) if call.option("rounding_mode") else call.tag(0, INPUT).times(call.tag(1), -1)


def swapped_quotient(call: Call) -> Tag:
    """The quotient the other way round."""
    return call.tag(1).times(call.tag(0), -1)


def ratio(call: Call) -> Tag:
    """A number made of two values in equal units: an angle, a rounded quotient."""
    call.unify(call.tag(0, INPUT), call.tag(1), (call.given(0, INPUT), call.given(1, OTHER)))
    return NUMBER


def to_the(power: Fraction) -> Rule:
    """A fixed power.

    Args:
        power: The exponent.

    Returns:
        The rule.
    """
    return lambda call: call.tag(0, INPUT).to_the(power)


def power(call: Call) -> Tag:
    """The first operand to the second."""
    return power_tag(call.tracer, call.tag(0, INPUT), call.given(1, "exponent", 1), call.name)


def swapped_power(call: Call) -> Tag:
    """The second operand to the first."""
    return power_tag(call.tracer, call.tag(1), call.given(0, INPUT), call.name)


def matrix_power(call: Call) -> Tag:
    """A whole power of a matrix."""
    return call.tag(0, INPUT).to_the(Fraction(int(call.given(1, "n", 1))))


def lerp(call: Call) -> Tag:
    """Equal units, mixed by a weight that is a number."""
    call.unify(NUMBER, call.tag(2, "weight"))
    start, end = call.given(0, INPUT), call.given(1, "end")
    return call.unify(call.common(start), call.common(end), (start, end))


def product_added(sign: int) -> Rule:
    """A + value·b·c^sign, also in the old order of arguments `addcmul(a, value, b, c)`.

    Args:
        sign: 1 for a product, -1 for a quotient.

    Returns:
        The rule.
    """

    def rule(call: Call) -> Tag:
        old = len(call.args) == 4 and not isinstance(call.args[1], torch.Tensor)
        value = call.tag(1) if old else call.tag(3, "value")
        first = 2 if old else 1
        term = call.tag(first, "tensor1").times(call.tag(first + 1, "tensor2"), sign).times(value)
        return call.unify(call.tag(0, INPUT), term, (call.given(0, INPUT), None))

    return rule


def matrix_sum(call: Call) -> Tag:
    """The sum beta·a + alpha·b·c."""
    beta, alpha = call.option("beta", 1), call.option("alpha", 1)
    left = call.tag(0, INPUT).times(call.common(beta))
    term = call.tag(1, "mat1 mat vec1 batch1").times(call.tag(2, "mat2 vec vec2 batch2")).times(call.common(alpha))
    return term if beta == 0 else call.unify(left, term)


def clamp(call: Call) -> Tag:
    """Equal units of the value and its bounds."""
    tensor = call.given(0, INPUT)
    total = call.common(tensor)
    for place, name in ((1, "max" if call.name == "clamp_max" else "min"), (2, "max")):
        bound = call.given(place, name)
        if bound is not None:
            total = call.unify(total, call.common(bound), (tensor, bound))
    return total


def threshold(call: Call) -> Tag:
    """Equal units of the value, the threshold and what stands in where it is not reached."""
    tensor = call.given(0, INPUT)
    total = call.common(tensor)
    for place, name in ((1, "threshold"), (2, "value")):
        bound = call.given(place, name)
        total = call.unify(total, call.common(bound), (tensor, bound))
    return total


def where(call: Call) -> Tag | None:
    """Equal units of both values, or the unit of the one that is always chosen."""
    if len(call.args) + len(call.kwargs) < 3:
        return None
    method = bool(call.args) and isinstance(call.args[0], torch.Tensor) and call.args[0].dtype is not torch.bool
    places = ((1, "condition"), (0, INPUT), (2, "other")) if method else ((0, "condition"), (1, INPUT), (2, "other"))
    chosen, yes, no = (call.given(place, name) for place, name in places)
    with torch._C.DisableTorchFunction():
        every, some = bool(chosen.all()), bool(chosen.any())
    if every or not some:
        return call.common(yes if every else no)
    return call.unify(call.common(yes), call.common(no), (yes, no))


def product_of_all(call: Call) -> Tag:
    """The product of the units of all tensors among the arguments."""
    call.take_all()
    first, *others = spread([*call.args, *call.kwargs.values()])
    total = call.tracer.tag_of(first)
    for operand in others:
        total = total.times(call.tracer.tag_of(operand))
    return total


def numeric(call: Call) -> Tag:
    """Functions such as exp, whose argument must be a pure number: they hold it against 1."""
    call.unify(call.tag(0, INPUT), Tag(bare=True, value=1.0), (call.given(0, INPUT), None))
    return NUMBER


def number(call: Call) -> Tag:
    """A number, whatever the units: a sign, a count, a place."""
    call.take_all()
    return NUMBER


def drawn_number(call: Call) -> Tag:
    """A number made of numbers."""
    return NUMBER


def compared(call: Call) -> Tag:
    """A truth value; the two sides must have equal units."""
    call.tracer.compare(call.given(0, INPUT), call.given(1, OTHER, 0), call.name)
    return NUMBER


def masked_fill(call: Call) -> Tag:
    """A fallback that fills nothing asks for nothing.

    Args:
        call: `masked_fill(input, mask, value)`.

    Returns:
        The tag of the result.
    """
    mask, value = call.given(1, "mask"), call.given(2, "value")
    with torch._C.DisableTorchFunction():
        filled, whole = bool(mask.any()), bool(mask.all())
    if whole or not filled:
        return call.common(value) if whole else call.tag(0, "input")
    return call.unify(call.tag(0, "input"), call.common(value), (call.given(0, "input"), value))


def normalised(call: Call) -> Tag:
    """A value over its norm, which is held against an epsilon."""
    epsilon, tensor = call.given(3, "eps", 1e-12), call.given(0, INPUT)
    return call.common(tensor).times(call.unify(call.common(tensor), call.common(epsilon), (tensor, epsilon)), -1)


def cosine(call: Call) -> Tag:
    """A number; both norms are held against an epsilon."""
    epsilon = call.given(3, "eps", 1e-8)
    for place, name in ((0, "x1"), (1, "x2")):
        tensor = call.given(place, name)
        call.unify(call.common(tensor), call.common(epsilon), (tensor, epsilon))
    return NUMBER


def decomposed(*powers: Fraction | int) -> Rule:
    """Several parts, each a fixed power of the operand.

    Args:
        powers: The exponent of each part.

    Returns:
        The rule.
    """

    def rule(call: Call) -> list[Tag]:
        tag = call.tag(0, INPUT)
        return [tag.to_the(Fraction(p)) if p else NUMBER for p in powers]

    return rule


def solved(call: Call) -> Tag:
    """X of A·x = B."""
    return call.tag(1, "B").times(call.tag(0, "A"), -1)


def solved_from_root(call: Call) -> Tag:
    """X of L·Lᵀ·x = B."""
    return call.tag(0, INPUT).times(call.tag(1, "input2 L").to_the(Fraction(2)), -1)


def derivative(call: Call) -> list[Tag]:
    """The derivative of outputs, weighted by a seed, with respect to inputs: outputs·seed/input.

    Args:
        call: `torch.autograd.grad(outputs, inputs, grad_outputs)`.

    Returns:
        A tag for each input.
    """
    seed, inputs = call.given(2, "grad_outputs"), call.given(1, "inputs")
    top = call.common(call.given(0, "outputs"))
    top = top if seed is None else top.times(call.common(seed))
    return [top.times(call.common(x), -1) for x in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
