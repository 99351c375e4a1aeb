"""Rules of making: what torch operations that make, fill, cut and join tensors do to units."""

from fractions import Fraction

import torch

from lossgauge.frameworks.torch.tracing.arithmetic import INPUT, Rule, numeric
from lossgauge.frameworks.torch.tracing.call import Call, spread
from lossgauge.frameworks.torch.tracing.tags import ANY, NUMBER, Tag


def identity(call: Call) -> Tag:
    """The same numbers, rearranged; the other arguments are shapes, places, formats."""
    call.take_all()
    return call.tag(0, INPUT)


def converted(call: Call) -> Tag:
    """The same numbers in another format; whole numbers hold them against 1."""
    call.take_all()
    whole = isinstance(call.result, torch.Tensor) and call.result.dtype is not torch.bool
    return numeric(call) if whole and not _continuous(call.result) else call.tag(0, INPUT)


def joined(call: Call) -> Tag:
    """Equal units of all entries of a list."""
    return call.tag(0, "tensors")


def joined_arguments(call: Call) -> Tag:
    """Equal units of all arguments."""
    call.take_all()
    return call.common(call.args)


def each_its_own(call: Call) -> list[Tag]:
    """Each result has the unit of its argument."""
    call.take_all()
    return [call.tracer.tag_of(operand) for operand in spread(call.args)]


def filled(call: Call) -> Tag:
    """A value everywhere."""
    place = 2 if call.name == "new_full" else 1
    call.take_all()
    return with_origin(call, call.tag(place, "value fill_value"))


def ones(call: Call) -> Tag:
    """The number 1 everywhere."""
    call.take_all()
    return with_origin(call, Tag(bare=True, value=1.0))


def made_from(call: Call) -> Tag:
    """A tensor made of numbers."""
    return with_origin(call, call.tag(0, "data obj s"))


def made_like(call: Call) -> Tag:
    """A tensor of another one's format, made of numbers."""
    call.take_all()
    return with_origin(call, call.tag(1, "data"))


def new(call: Call) -> Tag:
    """The old constructor `tensor.new(other)`."""
    call.take_all()
    tensors = [x for x in call.args[1:] if isinstance(x, torch.Tensor) and x.dtype.is_floating_point]
    return call.tracer.tag_of(tensors[-1]) if tensors else ANY


def sparse(call: Call) -> Tag:
    """A sparse tensor has the unit of its values."""
    return call.tag(1, "values")


def copied(call: Call) -> Tag:
    """The unit of the source; what was there before is gone."""
    call.take_all()
    return call.tag(1, "src")


def zero(call: Call) -> Tag:
    """Zeros fit every unit."""
    call.take_all()
    return ANY


def drawn_around(call: Call) -> Tag:
    """Normal noise: equal units of mean and standard deviation; in place, what was there before is gone."""
    call.take_all()
    first = int(_in_place(call))
    return call.unify(call.tag(first, "mean", 0), call.tag(first + 1, "std"))


def drawn_between(call: Call) -> Tag:
    """Uniform noise, or evenly spaced numbers: equal units of both ends."""
    first = int(_in_place(call))
    call.taken.add(0)
    return call.unify(call.tag(first, "from start", 0), call.tag(first + 1, "to end"))


def drawn_waiting(call: Call) -> Tag:
    """Exponential noise, in one over the unit of its rate."""
    call.taken.add(0)
    return call.tag(1, "lambd").to_the(Fraction(-1))


def drawn_coin(call: Call) -> Tag:
    """Zeros and ones; their probability is a number."""
    call.take_all()
    call.unify(NUMBER, call.tag(int(_in_place(call)), "p input", 0.5))
    return NUMBER


def item_set(call: Call) -> Tag:
    """Equal units of what is put in and what is there."""
    call.take_all()
    return call.unify(call.tag(0), call.tag(2), (call.args[0], call.args[2]))


def into(place: int, name: str) -> Rule:
    """Equal units of what is put in and what is there.

    Args:
        place: The position of what is put in.
        name: Its keyword.

    Returns:
        The rule.
    """

    def rule(call: Call) -> Tag:
        factor = call.common(call.option("alpha", 1))
        return call.unify(call.tag(0, INPUT), call.tag(place, name).times(factor))

    return rule


def with_origin(call: Call, tag: Tag) -> Tag:
    """Remember where a constant was written.

    Args:
        call: The factory call.
        tag: The tag of the value.

    Returns:
        The tag, with the current line as origin where the value is a bare number.
    """
    return Tag(tag.unit, tag.kind, tag.bare, tag.value, call.tracer.site()) if tag.bare else tag


def _continuous(tensor: torch.Tensor) -> bool:
    return tensor.dtype.is_floating_point or tensor.dtype.is_complex


def _in_place(call: Call) -> bool:
    return bool(call.args) and call.result is call.args[0]
