"""From a store, or from a plan alone, to a summary."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from lossgauge.experiments.sweeping.lookup import LawLookup
from lossgauge.experiments.sweeping.reuse import BITS, ROUNDING, Share
from lossgauge.experiments.sweeping.store import Store
from lossgauge.laws.equivalence import dimensionless_groups
from lossgauge.laws.law import Law
from lossgauge.laws.spelling import spell_alpha, spell_value
from lossgauge.records.sweep import DIVERGED, FAILED, FINISHED, Outcome, Plan, Setting, SweepRow
from lossgauge.records.sweep_summary import Best, Breach, Fallback, OptimizerSummary, SweepSummary


def summarise_plan(
    plan: Plan, shares: Sequence[Share], obstacles: Mapping[str, str], laws: LawLookup, seconds: float
) -> SweepSummary:
    """What a sweep would do.

    Args:
        plan: The plan.
        shares: The share of each setting.
        obstacles: By label, why nothing stands for the settings of an optimizer.
        laws: Finds laws.
        seconds: How long it would take.

    Returns:
        The summary.
    """
    rows = [
        SweepRow(share.number, label, setting, None, share.kind, share.run, share.key)
        for share, label, setting in zip(shares, plan.labels, plan.settings, strict=True)
    ]
    runs = sum(not row.reused for row in rows)
    return SweepSummary(
        workload=plan.workload,
        settings=len(rows),
        distinct_runs=runs,
        reused=len(rows) - runs,
        seconds=seconds,
        optimizers=_summarise_optimizers(rows, obstacles, laws),
        planned=True,
        notes=plan.notes,
    )


def summarise_store(
    plan: Plan, store: Store, obstacles: Mapping[str, str], laws: LawLookup, executor: str, seconds: float
) -> SweepSummary:
    """What a sweep showed.

    Args:
        plan: The plan.
        store: The store, complete.
        obstacles: By label, why nothing stands for the settings of an optimizer.
        laws: Finds laws.
        executor: Where it was run.
        seconds: How long it took.

    Returns:
        The summary.
    """
    rows, audits, outcomes = store.rows(), store.audits(), store.outcomes()
    runs = sum(not row.reused for row in rows)
    breaches = [
        Breach(say_setting(rows[audit.number]), say_setting(rows[audit.run]), audit.kind, audit.difference)
        for audit in audits
        if audit.difference
    ]
    failures = [outcome.message for outcome in outcomes.values() if outcome.status == FAILED]
    return SweepSummary(
        workload=plan.workload,
        settings=len(rows),
        distinct_runs=runs,
        reused=len(rows) - runs,
        engine=", ".join(tier for tier, _ in Counter(o.engine for o in outcomes.values() if o.engine).most_common()),
        executor=executor,
        seconds=seconds,
        failed=sum(row.outcome is not None and row.outcome.status == FAILED for row in rows),
        optimizers=_summarise_optimizers(rows, obstacles, laws),
        notes=plan.notes,
        audited=len(audits),
        trials=sum(rows[number].reused != "" for number in outcomes),
        breaches=tuple(breaches),
        failures=tuple(dict.fromkeys(failures)),
        fallbacks=_find_fallbacks(rows, outcomes),
        store="" if store.path is None else str(store.path),
    )


def _find_fallbacks(rows: Sequence[SweepRow], outcomes: Mapping[int, Outcome]) -> tuple[Fallback, ...]:
    found: dict[tuple[str, str], list[str]] = {}
    for number, outcome in outcomes.items():
        if outcome.message and outcome.status != FAILED:
            found.setdefault((outcome.engine, outcome.message), []).append(rows[number].label)
    return tuple(
        Fallback(engine, reason, len(labels), tuple(dict.fromkeys(labels)))
        for (engine, reason), labels in sorted(found.items(), key=lambda item: -len(item[1]))
    )


def say_setting(row: SweepRow) -> str:
    """A setting in one line.

    Args:
        row: The setting.

    Returns:
        Text such as `SGD at α = 4, lr = 0.01, seed 0, float32`.
    """
    setting = row.setting
    values = ", ".join(f"{name} = {spell_value(value)}" for name, value in setting.hyperparameters.items())
    alpha = f"α = {spell_alpha(setting.alpha)}"
    parts = [part for part in (alpha, values, f"seed {setting.seed}", setting.precision) if part]
    return f"{row.label} at {', '.join(parts)}"


def _summarise_optimizers(
    rows: Sequence[SweepRow], obstacles: Mapping[str, str], laws: LawLookup
) -> tuple[OptimizerSummary, ...]:
    by_label: dict[str, list[SweepRow]] = {}
    for row in rows:
        by_label.setdefault(row.label, []).append(row)
    return tuple(_summarise(label, members, obstacles, laws) for label, members in by_label.items())


def _summarise(label: str, rows: Sequence[SweepRow], obstacles: Mapping[str, str], laws: LawLookup) -> OptimizerSummary:
    law = laws.find(rows[0].setting)
    statuses = Counter(row.outcome.status for row in rows if row.outcome is not None)
    kinds = Counter(row.reused for row in rows)
    settled = laws.settled(rows[0].setting)
    return OptimizerSummary(
        label=label,
        optimizer=law.target,
        settings=len(rows),
        runs=kinds[""],
        bits=kinds[BITS],
        rounding=kinds[ROUNDING],
        verdict=str(law.verdict),
        groups=tuple(_live_groups(law, settled, rows)) if label not in obstacles else (),
        obstacle=obstacles.get(label, ""),
        finished=statuses[FINISHED],
        diverged=statuses[DIVERGED],
        failed=statuses[FAILED],
        best=_find_best(rows, laws),
    )


def _live_groups(law: Law, settled: Mapping[str, Any], rows: Sequence[SweepRow]) -> list[str]:
    """The groups of what is not 0 everywhere: a weight decay of 0 decides nothing."""
    groups = dict(zip(law.carriers, dimensionless_groups(law), strict=True))
    return [
        text
        for name, text in groups.items()
        if settled.get(name) or any(row.setting.hyperparameters.get(name) for row in rows)
    ]


def _find_best(rows: Sequence[SweepRow], laws: LawLookup) -> Best | None:
    """The setting with the smallest mean loss over the seeds, of those that finished with every seed."""
    by_setting: dict[object, list[SweepRow]] = {}
    for row in rows:
        setting = row.setting
        key = (setting.alpha, setting.precision, *sorted(setting.hyperparameters.items(), key=repr))
        by_setting.setdefault(key, []).append(row)
    losses = {
        members[0].number: sum(row.outcome.final_loss for row in members if row.outcome) / len(members)
        for members in by_setting.values()
        if all(row.outcome is not None and row.outcome.status == FINISHED for row in members)
    }
    losses = {number: loss for number, loss in losses.items() if math.isfinite(loss)}
    if not losses:
        return None
    by_number = {row.number: row for row in rows}
    # Of equal ones, the one that was run: its α is the nearest to 1.
    number = min(losses, key=lambda candidate: (losses[candidate], by_number[candidate].reused != "", candidate))
    row = by_number[number]
    return Best(
        number=number,
        loss=losses[number],
        alpha=spell_alpha(row.setting.alpha),
        precision=row.setting.precision,
        hyperparameters=dict(row.setting.hyperparameters),
        groups=_evaluate_groups(laws.find(row.setting), laws.settled(row.setting), row.setting),
        others=sum(other.run == row.run for other in rows) - 1,
    )


def _evaluate_groups(law: Law, settled: Mapping[str, Any], setting: Setting) -> dict[str, float]:
    """The dimensionless groups of a setting that are not 0."""
    if not law.lawful:
        return {}
    values: dict[str, float] = {}
    for (name, exponent), text in zip(law.carriers.items(), dimensionless_groups(law), strict=True):
        value = settled.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value:
            values[text] = float(Fraction(value)) * float(setting.alpha) ** -float(exponent)
    return values
