"""Putting a function of our own in the place of one of torch's, and taking it back."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import CellType
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value for a while.

    Args:
        owner: A module or class that has the attribute itself.
        name: The attribute.
        value: Its value inside the block.

    Yields:
        Nothing.
    """
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def enclosed(function: Any, variable: str = "func") -> CellType | None:
    """The cell that holds the function a decorated function calls.

    Whoever imported the decorated function, however early, calls what this cell holds.

    Args:
        function: A decorated function; further decorators on top of it are looked through.
        variable: The name of the variable in the decorator.

    Returns:
        The cell, or None where no decorator has such a variable.
    """
    while function is not None:
        code = getattr(function, "__code__", None)
        if code is not None and variable in code.co_freevars:
            cell: CellType = function.__closure__[code.co_freevars.index(variable)]
            if callable(cell.cell_contents):
                return cell
        function = getattr(function, "__wrapped__", None)
    return None
