from dataclasses import replace
from fractions import Fraction

import pytest

from lossgauge.experiments.sweeping.driver import drive
from lossgauge.experiments.sweeping.lookup import LawLookup
from lossgauge.experiments.sweeping.reuse import share_runs
from lossgauge.experiments.sweeping.store import Audit, Batch, Store
from lossgauge.experiments.sweeping.summary import say_setting, summarise_plan, summarise_store
from lossgauge.records.sweep import Plan, Setting
from lossgauge.records.sweep_summary import Fallback, SweepSummary
from tests.experiments.sweeping import descent
from tests.experiments.sweeping.sweeps import WORKLOAD, Here, sgd_plan, table_law

LAWS = LawLookup(table_law)


def summarise(plan: Plan, audits: int = 0) -> tuple[SweepSummary, Store]:
    store = Store(None)
    shares, obstacles = share_runs(plan, LAWS, True, audits > 0)
    store.begin(plan, shares, {"rounding": "reuse"})
    drive(plan, store, Here(), audits)
    return summarise_store(plan, store, obstacles, LAWS, "here", 1.5), store


def test_what_was_run_and_what_was_not():
    plan = sgd_plan(seeds=2)
    summary, _ = summarise(plan, audits=3)
    assert (summary.settings, summary.distinct_runs, summary.reused) == (56, 20, 36)
    assert (summary.engine, summary.executor, summary.seconds, summary.audited) == ("descent", "here", 1.5, 3)
    (one,) = summary.optimizers
    assert (one.settings, one.runs, one.bits, one.rounding, one.finished) == (56, 20, 36, 0, 56)
    assert (one.verdict, one.groups, one.obstacle) == ("EXACT", ("lr·α",), "")
    assert summary.notes == ("a note",)
    assert summary.sound


def test_the_best_setting_is_best_over_all_seeds_and_lies_in_a_group():
    plan = sgd_plan(seeds=3)
    best = summarise(plan)[0].optimizers[0].best
    assert best is not None
    losses: dict[tuple[Fraction, object], float] = {}
    for setting in plan.settings:
        key = (setting.alpha, setting.hyperparameters["lr"])
        losses[key] = losses.get(key, 0.0) + descent.train(WORKLOAD, setting).final_loss / 3
    assert best.loss == pytest.approx(min(losses.values()))
    winners = [key for key, loss in losses.items() if loss == pytest.approx(best.loss)]
    assert (Fraction(best.alpha), best.hyperparameters["lr"]) in winners
    assert best.groups == {"lr·α": pytest.approx(float(winners[0][0]) * float(str(winners[0][1])))}
    assert best.others == len(winners) - 1
    assert Fraction(best.alpha) == min((alpha for alpha, _ in winners), key=lambda alpha: max(alpha, 1 / alpha))


def test_a_setting_that_diverges_with_one_seed_is_not_the_best():
    plan = sgd_plan(alphas=[0], rates=[3], workload=replace(WORKLOAD, steps=400))
    summary, _ = summarise(plan)
    assert summary.optimizers[0].best is None
    assert (summary.optimizers[0].diverged, summary.optimizers[0].finished) == (1, 0)
    assert summary.sound


def test_what_could_not_be_run_is_counted_with_what_it_stands_for():
    plan = sgd_plan(workload=replace(WORKLOAD, steps=13))
    store = Store(None)
    shares, obstacles = share_runs(plan, LAWS, True, False)
    store.begin(plan, shares, {"rounding": "reuse"})
    drive(plan, store, Here(descent.failing), 0)
    summary = summarise_store(plan, store, obstacles, LAWS, "here", 1.0)
    assert summary.failed == 28
    assert summary.failures == ("RuntimeError: this model cannot be trained",)
    assert not summary.sound


def test_why_runs_did_not_go_the_fastest_way_is_told_once():
    def slowly(workload, settings, **rest):
        outcomes = descent.run_settings(workload, settings, **rest)
        return [replace(o, message="no compiler" if s.seed else "") for o, s in zip(outcomes, settings, strict=True)]

    plan, store = sgd_plan(seeds=2), Store(None)
    shares, obstacles = share_runs(plan, LAWS, True, False)
    store.begin(plan, shares, {"rounding": "reuse"})
    drive(plan, store, Here(slowly), 0)
    summary = summarise_store(plan, store, obstacles, LAWS, "here", 1.0)
    assert summary.fallbacks == (Fallback("descent", "no compiler", summary.distinct_runs // 2, ("SGD",)),)
    assert summary.failures == ()
    assert SweepSummary.from_dict(summary.to_dict()).fallbacks == summary.fallbacks


def test_a_breach_names_both_settings():
    plan = sgd_plan()
    summary, store = summarise(plan)
    reused = next(one for one in store.shares() if one.kind)
    store.finish_audit(Batch("x", "4-audit", "auto", ()), [Audit(reused.number, reused.run, "bits", "other bits")])
    summary = summarise_store(plan, store, {}, LAWS, "here", 1.0)
    (breach,) = summary.breaches
    rows = store.rows()
    assert (breach.setting, breach.standing) == (say_setting(rows[reused.number]), say_setting(rows[reused.run]))
    assert breach.setting != breach.standing
    assert not summary.sound


def test_what_would_be_done():
    settings = [Setting("torch.optim:RAdam", {"lr": 0.1}, Fraction(2) ** power) for power in range(3)]
    plan = Plan(WORKLOAD, tuple(settings), ("RAdam",) * 3)
    shares, obstacles = share_runs(plan, LAWS, True, False)
    summary = summarise_plan(plan, shares, obstacles, LAWS, 12.0)
    assert (summary.planned, summary.distinct_runs, summary.reused, summary.seconds) == (True, 3, 0, 12.0)
    (one,) = summary.optimizers
    assert one.verdict == "BROKEN"
    assert "RAdam is BROKEN" in one.obstacle
    assert one.best is None


def test_a_setting_in_one_line():
    _, store = summarise(sgd_plan(alphas=[2], rates=[-3]))
    assert say_setting(store.rows()[0]) == "SGD at α = 4, lr = 0.125, weight_decay = 0, seed 0, float32"
