"""The numbers among what a function returned."""

from collections.abc import Mapping
from typing import Any, cast


def numbers_in(found: object) -> dict[str, float]:
    """Read what a training returned.

    Args:
        found: A number (of Python, numpy or a framework), a mapping of numbers, or anything else.

    Returns:
        The number under an empty name, the numbers of a mapping under their names; nothing for anything else.
    """
    if isinstance(found, Mapping):
        entries = cast("Mapping[Any, Any]", found).items()
        return {str(name): number for name, entry in entries if (number := _number(entry)) is not None}
    number = _number(found)
    return {} if number is None else {"": number}


def _number(value: Any) -> float | None:
    """A number; flags are none, and a tensor is one only where it has a single element."""
    if isinstance(value, bool) or value is None or isinstance(value, (str, bytes)):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    single = getattr(value, "shape", None) is not None and callable(getattr(value, "item", None))
    if not single or any(size != 1 for size in value.shape):
        return None
    read = value.item()
    return float(read) if isinstance(read, (int, float)) and not isinstance(read, bool) else None
