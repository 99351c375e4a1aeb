"""A statement of the seed thread and what this machine has to say about it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgauge.errors import InputError


@dataclass(frozen=True)
class Statement:
    """One statement, its verdict and the evidence.

    Args:
        number: Its place in the thread, a count from 1.
        who: Who made it: `the question`, `the answer`, `a comment`.
        claim: What was claimed, in our own words.
        verdict: How it turned out, in words: `false for SGD`.
        holds: Whether the claim holds as it was made; None where it could not be tested.
        measured: The evidence in one line.
        evidence: The numbers behind that line, by name; plain data.
    """

    number: int
    who: str
    claim: str
    verdict: str
    holds: bool | None
    measured: str
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON.

        Returns:
            A JSON-ready dictionary; numbers that JSON has no text for (infinity, NaN) become None.
        """
        return {**vars(self), "evidence": _finite(self.evidence)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Statement":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The statement.

        Raises:
            InputError: When a field is missing or unknown.
        """
        try:
            return cls(**plain)
        except TypeError as error:
            raise InputError(f"not a statement of the thread ({error}); expected what `to_dict` wrote") from None


def find_statement(statements: list[Statement], number: int) -> Statement | None:
    """The statement of this number.

    Args:
        statements: Those at hand.
        number: Its place in the thread, a count from 1.

    Returns:
        The statement, or None where it is not among them.
    """
    return next((statement for statement in statements if statement.number == number), None)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(entry) for name, entry in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]  # pyright: ignore[reportUnknownVariableType]
    return None if isinstance(value, float) and not math.isfinite(value) else value
