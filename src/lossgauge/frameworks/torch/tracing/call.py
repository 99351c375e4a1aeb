"""One call of a torch operation, as the rules of `operations` see it."""

from dataclasses import dataclass, field
from typing import Any

import torch

from lossgauge.frameworks.torch.tracing.quantity import Quantity
from lossgauge.frameworks.torch.tracing.tags import ANY, Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer

OTHER = "other mat2 vec vec2 tensor"
"""What torch calls the second operand of a sum, a product or a comparison."""


@dataclass(frozen=True)
class Call:
    """One call of a torch operation, after it ran.

    Args:
        tracer: The books.
        name: The canonical name.
        args: Positional arguments as given, quantities included.
        kwargs: Keyword arguments as given.
        result: What the operation returned.
        taken: The places and keywords a rule has asked for.
    """

    tracer: Tracer
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    taken: set[int | str] = field(default_factory=set[int | str])

    def given(self, place: int, name: str, default: Any = None) -> Any:
        """An argument by place or name.

        Args:
            place: Its position.
            name: Its keyword; several spellings are separated by spaces.
            default: What it is when not given.

        Returns:
            The argument.
        """
        if len(self.args) > place:
            self.taken.add(place)
            return self.args[place]
        return self.option(name, default)

    def option(self, name: str, default: Any = None) -> Any:
        """An argument that is only given by name.

        Args:
            name: Its keyword; several spellings are separated by spaces.
            default: What it is when not given.

        Returns:
            The argument.
        """
        for spelling in name.split():
            if spelling in self.kwargs:
                self.taken.add(spelling)
                return self.kwargs[spelling]
        return default

    def tag(self, place: int, name: str = OTHER, default: Any = 1) -> Tag:
        """The tag of an argument by place or name.

        Args:
            place: Its position.
            name: Its keyword; several spellings are separated by spaces.
            default: The value it has when not given.

        Returns:
            The tag; a list or tuple has the common tag of its entries.
        """
        return self.common(self.given(place, name, default))

    def take_all(self) -> None:
        """Say that the units of all other arguments do not matter to the result."""
        self.taken.update(range(len(self.args)), self.kwargs)

    def overlooks(self) -> bool:
        """Whether an argument with a unit was not asked for by the rule, so that the result would be a guess.

        Returns:
            True where one was given in a place or under a keyword the rule does not know.
        """
        rest = [value for place, value in enumerate(self.args) if place not in self.taken]
        rest += [value for name, value in self.kwargs.items() if name not in self.taken and name != "out"]
        return any(self.tracer.has_unit(value) for value in spread(rest))

    def common(self, value: Any) -> Tag:
        """The tag of an argument that may be a sequence of values with one unit.

        Args:
            value: The argument.

        Returns:
            Its tag.
        """
        if not isinstance(value, (list, tuple)):
            return self.tracer.tag_of(value)
        total = ANY
        for item in value:
            total = self.unify(total, self.common(item))
        return total

    def unify(self, left: Tag, right: Tag, sizes: tuple[Any, Any] = (None, None)) -> Tag:
        """Ask for equal units on behalf of this operation.

        Args:
            left: One side.
            right: The other side.
            sizes: The values, for their magnitude.

        Returns:
            The common tag.
        """
        return self.tracer.unify(left, right, self.name, sizes)


def spread(values: Any) -> list[Any]:
    """The tensors and quantities among some values, also inside lists and tuples.

    Args:
        values: A list or tuple.

    Returns:
        The tensors and quantities, in order.
    """
    found: list[Any] = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += spread(value)
        elif isinstance(value, (torch.Tensor, Quantity)):
            found.append(value)
    return found
