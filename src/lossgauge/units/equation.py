"""Equations between units, as the code of an optimizer imposes them line by line."""

from dataclasses import dataclass, field

from lossgauge.units.monomial import Monomial


@dataclass(frozen=True)
class Site:
    """A place in somebody's source code.

    Args:
        file: The path, shortened to what follows the import root.
        line: The line number, from 1.
        code: The stripped text of the line.
    """

    file: str
    line: int
    code: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Equation:
    """`left` and `right` met in an operation that needs equal units.

    Args:
        left: The unit on one side.
        right: The unit on the other side.
        site: Where in the code.
        operation: The name of the operation.
        step: The training step at which it was first seen, from 0; -1 in the constructor.
        literal: The bare number in the code that one side comes from, if any.
        literal_on_left: Which side that number, or the factor, belongs to.
        origin: Where that number was written, if elsewhere.
        factor: A bare number multiplied into one of the sides, to blame when no hyperparameter can explain the clash.
        size: The typical magnitude of the side that is not the literal, in its own units.
        comparison: Whether the two were only compared, not combined.
    """

    left: Monomial
    right: Monomial
    site: Site
    operation: str = field(default="", compare=False)
    step: int = field(default=0, compare=False)
    literal: float | None = field(default=None, compare=False)
    literal_on_left: bool = field(default=False, compare=False)
    origin: Site | None = field(default=None, compare=False)
    factor: tuple[float, Site | None] | None = field(default=None, compare=False)
    size: float | None = field(default=None, compare=False)
    comparison: bool = field(default=False, compare=False)

    @property
    def difference(self) -> Monomial:
        """left/right, which must be 1."""
        return self.left / self.right
