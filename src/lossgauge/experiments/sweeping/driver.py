"""The driver: what is left to run goes to the executor, what comes back goes to the store, until nothing is left.

A sweep has up to four parts: the runs that stand for all others; where an audit is asked for, trials at the far ends of
what is in doubt; runs of what the trials did not prove; and the audit of what was promised. What each part runs follows
from the store alone, so a sweep that was ended anywhere goes on as if nothing had happened.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lossgauge.experiments.sweeping.audit import choose_audits, choose_probes, compare
from lossgauge.experiments.sweeping.batches import cut, prescribe, task_of
from lossgauge.experiments.sweeping.executors.executor import Executor
from lossgauge.experiments.sweeping.reuse import Share
from lossgauge.experiments.sweeping.store import Batch, Store
from lossgauge.records.sweep import Outcome, Plan

RUNS, PROBES, REST, AUDIT = "1-runs", "2-trials", "3-rest", "4-audit"
PURPOSES = {RUNS: "training", PROBES: "trying far ends", REST: "training the rest", AUDIT: "auditing"}
"""What each part is for, in words."""


@dataclass(frozen=True)
class Course:
    """How far a sweep is.

    Args:
        purpose: What is being done.
        done: Settings of this part that are done.
        of: Settings of this part.
        steps: Steps of each training.
    """

    purpose: str
    done: int
    of: int
    steps: int


Notify = Callable[[Course], None]


def drive(
    plan: Plan,
    store: Store,
    executor: Executor,
    audits: int,
    notify: Notify = lambda course: None,
    tiers: Mapping[int, str] | None = None,
) -> None:
    """Run what the store lacks.

    Args:
        plan: The plan the store was begun with.
        store: The store.
        executor: Carries out the tasks.
        audits: How many reused results are held against runs of their own.
        notify: Told how far it is.
        tiers: The engine's tier for settings that are to have another one than `auto`.
    """
    journey = _Journey(plan, store, executor, notify, tiers or {})
    store.reopen_failed()
    with executor:
        journey.run(RUNS, [share.number for share in store.shares() if share.run == share.number])
        store.demote_diverged(store.options().get("rounding") == "reuse")
        _try_doubtful(journey)
        journey.audit(choose_audits(plan, store.shares(), audits))


@dataclass(frozen=True)
class _Journey:
    """One drive."""

    plan: Plan
    store: Store
    executor: Executor
    notify: Notify
    tiers: Mapping[int, str] = field(default_factory=dict[int, str])

    def run(self, phase: str, numbers: Iterable[int], prescribed: bool = False) -> None:
        """Run settings and keep what comes of them; what was noted for this part before is run as it was noted."""
        if not self.store.batches(phase):
            tiers = self._tiers(numbers) if prescribed else self.tiers
            self.store.add(cut(self.plan, phase, numbers, self.executor.jobs, tiers))
        for batch, outcomes in self._carry_out(phase, self.store.batches(phase, undone=True)):
            self.store.finish(batch, outcomes)

    def audit(self, numbers: Sequence[int]) -> None:
        """Run reused settings and keep how they compare; those audited before are not run again."""
        noted = {number for batch in self.store.batches(AUDIT) for number in batch.numbers}
        fresh = [number for number in numbers if number not in noted]
        phase = f"{AUDIT}-{len(noted):06d}"  # a later and longer audit must not take the keys of an earlier one
        batches = cut(self.plan, phase, fresh, self.executor.jobs, self._tiers(fresh))
        self.store.add([Batch(batch.key, AUDIT, batch.tier, batch.numbers) for batch in batches])
        shares, outcomes, marks = self._shares(), self.store.outcomes(), self.plan.workload.marks()
        for batch, own in self._carry_out(AUDIT, self.store.batches(AUDIT, undone=True)):
            pairs = zip(batch.numbers, own, strict=True)
            precisions = {number: self.plan.settings[number].precision for number in batch.numbers}
            found = [compare(shares[n], precisions[n], marks, outcomes, outcome) for n, outcome in pairs]
            self.store.finish_audit(batch, found)

    def _carry_out(self, phase: str, batches: Sequence[Batch]) -> Iterable[tuple[Batch, list[Outcome]]]:
        if not batches:
            return
        by_key = {batch.key: batch for batch in batches}
        everything = sum(len(batch.numbers) for batch in self.store.batches(phase))
        done = everything - sum(len(batch.numbers) for batch in batches)
        steps = self.plan.workload.steps
        self.notify(Course(PURPOSES[phase], done, everything, steps))
        for key, outcomes in self.executor.run([task_of(self.plan, batch) for batch in batches]):
            yield by_key[key], outcomes
            done += len(outcomes)
            self.notify(Course(PURPOSES[phase], done, everything, steps))

    def _shares(self) -> dict[int, Share]:
        return {share.number: share for share in self.store.shares()}

    def _tiers(self, numbers: Iterable[int]) -> dict[int, str]:
        runs = {number: share.run for number, share in self._shares().items()}
        return prescribe(numbers, runs, self.store.outcomes())


def _try_doubtful(journey: _Journey) -> None:
    """Where the symmetry is in doubt, run the farthest; only where its bits agree, one run stands for all."""
    store, plan = journey.store, journey.plan
    shares = {share.number: share for share in store.shares()}
    if any(share.family for share in shares.values()):
        journey.run(PROBES, choose_probes(plan, list(shares.values())), prescribed=True)
        outcomes, marks = store.outcomes(), plan.workload.marks()
        proven: dict[str, bool] = {}
        for batch in store.batches(PROBES):
            for share in (shares[number] for number in batch.numbers):
                precision = plan.settings[share.number].precision
                audit = compare(share, precision, marks, outcomes, outcomes[share.number])
                proven[share.family] = not audit.difference
        store.settle(proven)
    done = store.outcomes()
    rest = [share.number for share in store.shares() if share.run == share.number and share.number not in done]
    if rest or store.batches(REST):
        journey.run(REST, rest)
