from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from lossgauge.experiments.sweeping.driver import Course, drive
from lossgauge.experiments.sweeping.lookup import LawLookup
from lossgauge.experiments.sweeping.reuse import share_runs
from lossgauge.experiments.sweeping.store import Store
from lossgauge.laws.law import Law
from lossgauge.records.sweep import Outcome, Plan, Setting, SweepRow, Workload
from tests.experiments.sweeping import descent
from tests.experiments.sweeping.sweeps import WORKLOAD, Here, sgd_plan, share, table_law


def driven(plan: Plan, executor: Here | None = None, audits: int = 0, audited: bool = False, **how: Any) -> Store:
    store = Store(None)
    rounding = how.get("rounding", "reuse")
    store.begin(plan, how.get("shares") or share(plan, rounding == "reuse", audited), {"rounding": rounding})
    drive(plan, store, executor or Here(), audits, how.get("notify", lambda course: None))
    return store


def own(plan: Plan) -> list[Outcome]:
    return [descent.train(plan.workload, setting) for setting in plan.settings]


def results(store: Store) -> list[SweepRow]:
    return store.rows()


def test_every_setting_gets_the_result_of_a_run_of_its_own_bit_for_bit():
    plan = sgd_plan(decays=(0.0,), seeds=2)
    executor = Here()
    rows = results(driven(plan, executor))
    assert [row.outcome for row in rows] == own(plan)
    assert sum(len(task.settings) for task in executor.tasks) == sum(not row.reused for row in rows) < len(rows)


def test_an_audit_runs_what_was_reused_and_confirms_it():
    plan = sgd_plan(decays=(0.0,))
    executor = Here()
    store = driven(plan, executor, audits=7)
    assert len(store.audits()) == 7
    assert not any(audit.difference for audit in store.audits())
    audits = [task for task in executor.tasks if task.key.startswith("4-audit")]
    assert sum(len(task.settings) for task in audits) == 7
    assert {task.tier for task in audits} == {"descent"}  # the tier that ran what stands for them


@pytest.mark.parametrize("wrong", [Fraction(0), Fraction(1), Fraction(-1, 2)])
def test_an_audit_catches_a_planted_wrong_law(wrong: Fraction):
    def law_of(name: str, settings: Any) -> Law:
        law = table_law(name, settings)
        return replace(law, exponents={**law.exponents, "lr": wrong})

    plan = sgd_plan(alphas=range(-4, 5, 2), rates=range(-10, -2))
    shares, _ = share_runs(plan, LawLookup(law_of), True, False)
    store = driven(plan, audits=6, shares=shares)
    assert any(audit.difference for audit in store.audits())
    assert [row.outcome for row in results(store)] != own(plan)


def test_to_rounding_is_audited_too():
    tens = [Fraction(10) ** power for power in range(-2, 3)]
    settings = tuple(Setting("torch.optim:SGD", {"lr": 10.0**rate}, alpha) for alpha in tens for rate in range(-4, -1))
    plan = Plan(WORKLOAD, settings, ("SGD",) * len(settings))
    store = driven(plan, audits=100)
    kinds = Counter(row.reused for row in results(store))
    assert kinds["rounding"] == len(store.audits()) > 0
    assert not any(audit.difference for audit in store.audits())
    exact = driven(plan, rounding="run")
    assert Counter(row.reused for row in results(exact)) == {"": len(settings)}


def lossy(workload: Workload, settings: Sequence[Setting], **options: Any) -> list[Outcome]:
    """Where α is large, some of it is lost, as in a narrow format."""
    return descent.run_settings(
        workload, [replace(s, seed=s.seed + (s.alpha > 2 and s.precision == "float16")) for s in settings], **options
    )


def test_what_is_in_doubt_is_reused_only_where_its_far_end_agrees():
    plan = sgd_plan(alphas=range(-4, 5), rates=range(-14, -5), precisions=("bfloat16", "float16"))
    executor = Here(lossy)
    store = driven(plan, executor, audits=4, audited=True)
    rows = results(store)
    assert [row.outcome for row in rows] == lossy(plan.workload, plan.settings)
    reused = {
        (row.setting.precision, row.setting.alpha > 2 >= rows[row.run].setting.alpha) for row in rows if row.reused
    }
    assert reused == {("bfloat16", False), ("bfloat16", True), ("float16", False)}
    phases = Counter(task.key[:3] for task in executor.tasks for _ in task.settings)
    assert phases["2-t"] == len({one.family for one in share(plan, audited=True) if one.family})
    assert 0 < phases["3-r"] < sum(bool(one.family) for one in share(plan, audited=True)) / 2


def test_without_an_audit_what_is_in_doubt_is_run():
    plan = sgd_plan(precisions=("float16",))
    executor = Here(lossy)
    assert not any(row.reused for row in results(driven(plan, executor)))
    assert sum(len(task.settings) for task in executor.tasks) == len(plan.settings)


def test_diverged_runs_stand_for_others_to_rounding_or_not_at_all():
    plan = sgd_plan(alphas=range(-1, 2), rates=range(3, 6), workload=replace(WORKLOAD, steps=400))
    rows = results(driven(plan, audits=9))
    assert {row.outcome.status for row in rows if row.outcome} == {"diverged"}
    assert Counter(row.reused for row in rows) == {"": 5, "rounding": 4}
    exact = driven(plan, rounding="run")
    assert not any(row.reused for row in results(exact))
    assert [row.outcome for row in results(exact)] == own(plan)


def test_an_engine_that_fails_leaves_failed_settings_and_they_are_tried_again():
    plan = sgd_plan(workload=replace(WORKLOAD, steps=13))
    store = driven(plan, Here(descent.failing))
    assert {(o.status, o.message) for o in store.outcomes().values()} == {
        ("failed", "RuntimeError: this model cannot be trained")
    }
    drive(plan, store, Here(), 0)
    assert [row.outcome for row in results(store)] == own(plan)


class Leaving(Here):
    """Ends in the middle, as a driver does that is interrupted."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def run(self, tasks: Any) -> Any:
        for result in super().run(tasks):
            if not self.after:
                raise KeyboardInterrupt
            self.after -= 1
            yield result


@pytest.mark.parametrize("after", range(7))
def test_going_on_runs_only_what_is_missing(after: int):
    plan = sgd_plan(seeds=3, precisions=("float32", "bfloat16"))
    whole = driven(plan, Here(), audits=6, audited=True)
    store = Store(None)
    store.begin(plan, share(plan, audited=True), {"rounding": "reuse"})
    leaving, rest = Leaving(after), Here()
    with pytest.raises(KeyboardInterrupt):
        drive(plan, store, leaving, 6)
    drive(plan, store, rest, 6)
    assert results(store) == results(whole)
    assert store.audits() == whole.audits()
    keys = [task.key for task in leaving.tasks[:after]]
    assert not {task.key for task in rest.tasks} & set(keys)
    again = Here()
    drive(plan, store, again, 6)
    assert again.tasks == []


def test_a_longer_audit_later_adds_to_the_first():
    plan = sgd_plan()
    store = driven(plan, audits=3)
    executor = Here()
    drive(plan, store, executor, 8)
    assert len(store.audits()) == 8
    assert sum(len(task.settings) for task in executor.tasks) == 5


def test_it_is_told_how_far_it_is():
    told: list[Course] = []
    plan = sgd_plan(seeds=5)
    driven(plan, audits=4, notify=told.append)
    training = [course for course in told if course.purpose == "training"]
    assert training[0].done == 0
    assert training[-1].done == training[-1].of == 50
    assert [course.done for course in training] == sorted(course.done for course in training)
    assert told[-1] == Course("auditing", 4, 4, WORKLOAD.steps)
