"""What a sweep showed, in a few numbers for each optimizer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgauge.records.plain import from_plain, to_plain
from lossgauge.records.sweep import Workload

SCHEMA = "lossgauge.sweep/1"


@dataclass(frozen=True)
class Best:
    """The setting with the smallest loss at the end.

    Args:
        number: Its number in the plan; with several seeds, that of the first.
        loss: The final loss per unit of loss, the mean over the seeds.
        alpha: α as text.
        precision: The number format.
        hyperparameters: What its constructor was given, in its own units.
        groups: The values of its dimensionless groups, by a text such as `lr·α`.
        others: How many other settings of the plan have the same groups, and so the same result.
    """

    number: int
    loss: float
    alpha: str
    precision: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    groups: Mapping[str, float] = field(default_factory=dict[str, float])
    others: int = 0


@dataclass(frozen=True)
class OptimizerSummary:
    """One optimizer of a sweep.

    Args:
        label: What the plan calls it.
        optimizer: `module:Class`.
        settings: How many settings it has.
        runs: How many of them were run, or are to be.
        bits: For how many another run stands that is the same bit for bit.
        rounding: For how many another run stands that differs by rounding.
        verdict: The verdict on its law.
        groups: Its dimensionless groups, such as `lr·α`.
        obstacle: Why no run stands for another; empty where runs do.
        finished: Settings with a loss at the end.
        diverged: Settings that left the finite numbers.
        failed: Settings that could not be run.
        best: The best one.
    """

    label: str
    optimizer: str
    settings: int
    runs: int
    bits: int
    rounding: int
    verdict: str
    groups: tuple[str, ...] = ()
    obstacle: str = ""
    finished: int = 0
    diverged: int = 0
    failed: int = 0
    best: Best | None = None


@dataclass(frozen=True)
class Breach:
    """A reused result that a run of its own did not confirm.

    Args:
        setting: The setting, in words.
        standing: The setting that stood for it, in words.
        kind: What was promised: `bits` or `rounding`.
        difference: How they differ.
    """

    setting: str
    standing: str
    kind: str
    difference: str


@dataclass(frozen=True)
class Fallback:
    """Runs that did not go the fastest way.

    Args:
        engine: The way they went.
        reason: Why, in one line.
        runs: How many.
        labels: Of which optimizers.
    """

    engine: str
    reason: str
    runs: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class SweepSummary:
    """A sweep.

    Args:
        workload: What is trained.
        settings: How many settings the plan has.
        distinct_runs: How many of them are run.
        reused: For how many another run stands.
        engine: What ran them: `compiled`, `stacked`, `serial`, several where they differ; empty before anything ran.
        executor: Where: `local` or `ray`.
        seconds: Wall time of this call; where nothing was run, an estimate.
        failed: How many settings could not be run.
        optimizers: Each optimizer.
        planned: Whether this is only what would be done.
        notes: What is worth knowing.
        audited: How many reused results were held against runs of their own.
        trials: How many settings whose symmetry was in doubt were run to settle it.
        breaches: Those that were not confirmed.
        failures: Why settings could not be run, each reason once.
        fallbacks: What did not go the fastest way, and why.
        store: The file that keeps everything.
    """

    workload: Workload
    settings: int
    distinct_runs: int
    reused: int
    engine: str = ""
    executor: str = ""
    seconds: float = 0.0
    failed: int = 0
    optimizers: tuple[OptimizerSummary, ...] = ()
    planned: bool = False
    notes: tuple[str, ...] = ()
    audited: int = 0
    trials: int = 0
    breaches: tuple[Breach, ...] = ()
    failures: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    store: str = ""

    @property
    def sound(self) -> bool:
        """Whether everything could be run and every promise that was checked was kept."""
        return not self.failed and not self.breaches

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON.

        Returns:
            A dictionary; the counts are always there.
        """
        counts = (
            "settings",
            "distinct_runs",
            "reused",
            "engine",
            "executor",
            "seconds",
            "failed",
            "audited",
            "planned",
        )
        return {"schema": SCHEMA, **{name: getattr(self, name) for name in counts}, **to_plain(self)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "SweepSummary":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The summary.
        """
        return from_plain(cls, plain)
