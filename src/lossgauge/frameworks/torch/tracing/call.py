"""One call of a torch operation, as the rules of `operations` see it."""

from dataclasses import dataclass
from typing import Any

from lossgauge.frameworks.torch.tracing.tags import ANY, Tag
from lossgauge.frameworks.torch.tracing.tracer import Tracer


@dataclass(frozen=True)
class Call:
    """One call of a torch operation, after it ran.

    Args:
        tracer: The books.
        name: The canonical name.
        args: Positional arguments as given, quantities included.
        kwargs: Keyword arguments as given.
        result: What the operation returned.
    """

    tracer: Tracer
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any

    def given(self, place: int, name: str, default: Any = None) -> Any:
        """An argument by place or name.

        Args:
            place: Its position.
            name: Its keyword.
            default: What it is when not given.

        Returns:
            The argument.
        """
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def tag(self, place: int, name: str = "other", default: Any = 1) -> Tag:
        """The tag of an argument by place or name.

        Args:
            place: Its position.
            name: Its keyword.
            default: The value it has when not given.

        Returns:
            The tag; a list or tuple has the common tag of its entries.
        """
        return self.common(self.given(place, name, default))

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
