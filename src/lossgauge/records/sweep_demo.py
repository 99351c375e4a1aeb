"""What the demonstration of `sweep` found: who feels a loss multiplier, and through what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossgauge.records.plain import from_plain, to_plain
from lossgauge.records.sweep_summary import SweepSummary

SCHEMA = "lossgauge.sweep-demo/1"


@dataclass(frozen=True)
class Feeling:
    """What α alone does to one optimizer, nothing else touched.

    Args:
        name: The optimizer.
        weight_decay: Its weight decay, as it is written in its constructor; 0 for none.
        low: log2 of the smallest α up to which, from 1 on, the final loss is what it is at α = 1.
        high: log2 of the largest such α.
        first: log2 of the smallest α tried.
        last: log2 of the largest α tried.
        diverges: log2 of the smallest α from which on all trainings diverged; None where there is none.
        groups: The dimensionless groups through which α acts.
    """

    name: str
    weight_decay: float
    low: float
    high: float
    first: float
    last: float
    diverges: float | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class SweepDemo:
    """The demonstration.

    Args:
        summary: The sweep in numbers.
        feelings: Each optimizer, without weight decay and with it.
        findings: What the pictures show, a sentence each.
        pictures: The files written.
        seconds: Wall time of everything, pictures included.
        note: Why there are no pictures, if there are none.
    """

    summary: SweepSummary
    feelings: tuple[Feeling, ...] = ()
    findings: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    seconds: float = 0.0
    note: str = ""

    @property
    def sound(self) -> bool:
        """Whether everything could be run and every promise that was checked was kept."""
        return self.summary.sound

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON.

        Returns:
            A dictionary; the counts of the sweep are always there.
        """
        plain = to_plain(self) | {"pictures": list(self.pictures), "seconds": self.seconds}
        return {"schema": SCHEMA, **plain, "summary": self.summary.to_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "SweepDemo":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The record.
        """
        return from_plain(cls, plain)
