"""`sweep`: the map over α, hyperparameters, optimizers, formats and seeds, without running what symmetry tells."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.devices import DEVICES, choose_tiers, find_device
from lossgauge.experiments.sweeping.driver import Course, drive
from lossgauge.experiments.sweeping.executors.executor import Executor
from lossgauge.experiments.sweeping.executors.local import LocalExecutor
from lossgauge.experiments.sweeping.export import export_rows
from lossgauge.experiments.sweeping.forecast import estimate_seconds
from lossgauge.experiments.sweeping.lookup import LawLookup
from lossgauge.experiments.sweeping.plans import nearest, read_plan, read_plan_file
from lossgauge.experiments.sweeping.reuse import Share, share_runs
from lossgauge.experiments.sweeping.store import Store
from lossgauge.experiments.sweeping.summary import summarise_plan, summarise_store
from lossgauge.frameworks.registry import installed_versions
from lossgauge.records.sweep import FAILED, Plan, SweepRow
from lossgauge.records.sweep_summary import SweepSummary
from lossgauge.verbs.laws import law_of_name

ENGINES = ("local", "ray")
ROUNDINGS = ("reuse", "run")

__all__ = ["DEVICES", "ENGINES", "ROUNDINGS", "Course", "SweepResult", "export_sweep", "sweep"]


@dataclass(frozen=True)
class SweepResult:
    """What came of a sweep.

    Args:
        summary: In a few numbers for each optimizer.
        rows: Every setting with its result, in the order of the plan.
    """

    summary: SweepSummary
    rows: tuple[SweepRow, ...]


@dataclass(frozen=True)
class Watcher:
    """Who is told how far a sweep is.

    Args:
        course: Told when a task is done.
        steps: Told how many steps of training were made since it was told last.
    """

    course: Callable[[Course], None] = lambda course: None
    steps: Callable[[int], None] = lambda steps: None


def sweep(
    plan: str | Path | Mapping[str, Any] | Plan,
    *,
    store: str | Path | None = None,
    resume: bool = False,
    jobs: int | None = None,
    engine: str = "local",
    address: str | None = None,
    device: str = "auto",
    audit: int = 0,
    rounding: str = "reuse",
    dry_run: bool = False,
    watcher: Watcher | None = None,
) -> SweepResult:
    """Train with every setting of a plan; settings with equal dimensionless groups are run once.

    Args:
        plan: A TOML file, its content as a dictionary, or a plan that was read before.
        store: The file that keeps everything; None keeps it in memory.
        resume: Whether to go on with what the store has; without it, a store with a sweep in it is refused.
        jobs: How many processes; by default one per core.
        engine: `local` or `ray`.
        address: Of a Ray cluster; None starts one on this machine.
        device: `cpu`, `cuda`, or `auto`: what the store was begun with, else an accelerator of this machine if there is
            one. What an accelerator cannot train, the processor does.
        audit: How many reused results are held against runs of their own. With an audit, settings whose symmetry is
            in doubt (autocast, α far from 1) are tried too: the farthest of each orbit, for those in between.
        rounding: `reuse` lets a run stand for settings that differ from it by rounding, `run` does not.
        dry_run: Whether only to say what would be done.
        watcher: Told how far it is.

    Returns:
        Summary and rows; of a dry run there are no rows.

    Example:
        >>> from lossgauge import sweep
        >>> sweep("plan.toml", store="runs.db").summary.distinct_runs  # doctest: +SKIP
        1953
    """
    _check(engine, device, rounding, audit, jobs)
    question = _ask(plan, rounding, audit, device)
    if dry_run:
        return question.forecast(LocalExecutor(jobs).jobs)
    executor = _executor(engine, jobs, address, watcher or Watcher())
    return question.answer(store, resume, executor, (watcher or Watcher()).course)


@dataclass(frozen=True)
class _Question:
    """A plan, and what has to be run of it."""

    plan: Plan
    laws: LawLookup
    shares: list[Share]
    obstacles: Mapping[str, str]
    rounding: str
    audit: int
    device: str

    def forecast(self, jobs: int) -> SweepResult:
        """What would be done."""
        runs = [share.number for share in self.shares if share.number == share.run]
        tiers = choose_tiers(self.plan, find_device(self.device, "local"), "local")
        seconds = estimate_seconds(self.plan, runs, jobs, tiers=tiers)
        return SweepResult(summarise_plan(self.plan, self.shares, self.obstacles, self.laws, seconds), ())

    def answer(
        self, place: str | Path | None, resume: bool, executor: Executor, notify: Callable[[Course], None]
    ) -> SweepResult:
        """Run what the store lacks, and say what it shows."""
        begin = time.perf_counter()
        store = Store(None if place is None else Path(place))
        try:
            device = find_device(self.device, executor.name, store.options() if store.begun() else {})
            audits, tiers = self._begin(store, resume, device), choose_tiers(self.plan, device, executor.name)
            drive(self.plan, store, executor, audits, notify, tiers)
            seconds = time.perf_counter() - begin
            summary = summarise_store(self.plan, store, self.obstacles, self.laws, executor.name, seconds)
            if self.audit and not summary.reused:
                summary = replace(summary, notes=(*summary.notes, "no result is reused, so there is nothing to audit"))
            return SweepResult(summary, tuple(store.rows()))
        finally:
            store.close()

    def _begin(self, store: Store, resume: bool, device: str) -> int:
        """Make the store ready, and say how many audits there will be."""
        fixed = {"rounding": self.rounding, "versions": installed_versions(), "device": device}
        if not store.begun():
            store.begin(self.plan, self.shares, {**fixed, "audit": self.audit})
            return self.audit
        store.check(self.plan, fixed)
        if not resume:
            raise InputError(
                f"the store {str(store.path)!r} already holds this sweep; go on with it by --resume, or name another"
            )
        return max(self.audit, store.options()["audit"])


def export_sweep(store: str | Path, output: str | Path) -> int:
    """Write every setting of a store with its result into a table.

    Args:
        store: The store.
        output: The file to write; `.csv`, or `.parquet` where pyarrow is installed.

    Returns:
        The number of rows.

    Raises:
        InputError: When there is no such store, or the file cannot be written.
    """
    place = Path(store)
    if not place.is_file():
        raise InputError(f"there is no store {str(place)!r}; expected a file that lossgauge sweep wrote")
    kept = Store(place)
    try:
        if not kept.begun():
            raise InputError(f"the store {str(place)!r} is empty; expected a file that lossgauge sweep wrote")
        return export_rows(kept.rows(), Path(output))
    finally:
        kept.close()


def _check(engine: str, device: str, rounding: str, audit: int, jobs: int | None) -> None:
    choices = (("engine", engine, ENGINES), ("device", device, DEVICES), ("rounding", rounding, ROUNDINGS))
    for name, value, known in choices:
        if value not in known:
            raise InputError(f"{name} is {value!r}, expected {' or '.join(known)}{nearest(value, known)}")
    if audit < 0:
        raise InputError(f"audit is {audit}, expected a whole number of at least 0")
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs is {jobs}, expected a whole number of at least 1")


def _ask(plan: str | Path | Mapping[str, Any] | Plan, rounding: str, audit: int, device: str) -> _Question:
    read = plan if isinstance(plan, Plan) else read_plan(plan if isinstance(plan, Mapping) else read_plan_file(plan))
    _try_out(read)
    laws = LawLookup(law_of_name)
    shares, obstacles = share_runs(read, laws, rounding == "reuse", audit > 0)
    return _Question(read, laws, shares, obstacles, rounding, audit, device)


def _try_out(plan: Plan) -> None:
    """Make sure that the workload can be trained, and with every optimizer in every format one step."""
    from lossgauge.frameworks.torch.stacking.engine import run_settings
    from lossgauge.frameworks.torch.stacking.workloads import check_workload

    check_workload(plan.workload)
    kinds = {(label, s.precision): s for label, s in reversed(list(zip(plan.labels, plan.settings, strict=True)))}
    outcomes = run_settings(replace(plan.workload, steps=1), list(kinds.values()), tier="serial")
    for (label, precision), outcome in zip(kinds, outcomes, strict=True):
        if outcome.status == FAILED:
            raise InputError(f"{label} cannot train {plan.workload.model!r} in {precision}: {outcome.message}")


def _executor(engine: str, jobs: int | None, address: str | None, watcher: Watcher) -> Executor:
    if engine == "local":
        return LocalExecutor(jobs, progress=watcher.steps)
    from lossgauge.experiments.sweeping.executors.ray import RayExecutor

    return RayExecutor(jobs, progress=watcher.steps, address=address)
