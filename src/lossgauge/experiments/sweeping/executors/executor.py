"""What the driver of a sweep sees of whatever carries out its tasks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from lossgauge.records.sweep import Outcome, Setting, Workload

ENGINE = "lossgauge.frameworks.torch.stacking.engine:run_settings"
"""What runs the settings of a task: `module:name` of (workload, settings, *, tier) → outcomes in the same order."""

AUTO, ACCELERATOR = "auto", "cuda"
"""Tiers of the engine: the fastest of the processor, and that of a device that trains many settings at once."""


@dataclass(frozen=True)
class Task:
    """A batch of settings that is run in one go.

    Args:
        key: Its name, unique in the sweep; the same batch has the same key in every run of the sweep.
        workload: What is trained.
        settings: With which settings.
        tier: The engine's tier, `auto` or what an earlier outcome names.
    """

    key: str
    workload: Workload
    settings: tuple[Setting, ...]
    tier: str = AUTO

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the form in which tasks travel.

        Returns:
            A JSON-ready dictionary.
        """
        settings = [setting.to_dict() for setting in self.settings]
        return {"key": self.key, "workload": self.workload.to_dict(), "settings": settings, "tier": self.tier}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The task.
        """
        settings = tuple(Setting.from_dict(setting) for setting in plain["settings"])
        return cls(plain["key"], Workload.from_dict(plain["workload"]), settings, plain.get("tier", AUTO))


class Executor(Protocol):
    """Carries out tasks; a context manager that ends whatever it started."""

    name: str
    """`local` or `ray`."""

    @property
    def jobs(self) -> int:
        """How many tasks are at work at once."""
        ...

    def __enter__(self) -> Self:
        """Start what it needs, or do that when the first task comes."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End at once whatever is still at work."""
        ...

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[str, list[Outcome]]]:
        """Carry out tasks in any order; may be called more than once.

        A worker that dies does not end the sweep: its task is tried again, then setting by setting, and what still
        cannot be run has an outcome that says so.

        Args:
            tasks: The tasks, their keys distinct.

        Yields:
            The key of each task once, with one outcome per setting, in the order in which they are done.
        """
        ...
