"""Which device a sweep is trained on; what a GPU trains is tested in `frameworks/torch/stacking`."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping import devices
from lossgauge.experiments.sweeping.batches import LARGE, MOST, cut
from lossgauge.experiments.sweeping.devices import choose_tiers, find_device
from lossgauge.experiments.sweeping.driver import drive
from lossgauge.experiments.sweeping.executors.executor import ACCELERATOR, AUTO
from lossgauge.experiments.sweeping.store import Store
from lossgauge.frameworks.torch.stacking import engine
from lossgauge.records.sweep import Outcome, Plan, Setting, Workload
from tests.experiments.sweeping import descent
from tests.experiments.sweeping.sweeps import Here, sgd_plan, share


@pytest.mark.parametrize(("there", "asked", "executor", "before", "expected"), [
    (False, "auto", "local", {}, "cpu"), (True, "auto", "local", {}, "cuda"), (True, "cpu", "local", {}, "cpu"),
    (True, "cuda", "local", {}, "cuda"), (True, "auto", "ray", {}, "cpu"), (False, "cuda", "ray", {}, "cuda"),
    (True, "auto", "local", {"device": "cpu"}, "cpu"), (True, "auto", "local", {"device": "cuda"}, "cuda"),
    (False, "auto", "ray", {"device": "cuda"}, "cuda"), (True, "auto", "local", {"audit": 3}, "cpu"),
])  # fmt: skip
def test_a_device_is_what_is_asked_for_or_what_is_there(there, asked, executor, before, expected, monkeypatch):
    monkeypatch.setattr(devices, "_has_accelerator", lambda: there)
    assert find_device(asked, executor, before) == expected


def test_where_there_is_none_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "_has_accelerator", lambda: False)
    with pytest.raises(InputError, match="device is 'cuda', which torch does not find here; expected cpu or auto"):
        find_device("cuda", "local")
    with pytest.raises(InputError, match="the store was begun on 'cuda', which torch does not find here; go on where"):
        find_device("auto", "local", {"device": "cuda"})


def two_optimizers() -> Plan:
    plan = sgd_plan()
    others = [replace(setting, optimizer="torch.optim:LBFGS") for setting in plan.settings]
    return replace(plan, settings=(*plan.settings, *others), labels=(*plan.labels, *["LBFGS"] * len(others)))


def test_what_the_device_cannot_train_keeps_the_tier_of_the_processor(monkeypatch: pytest.MonkeyPatch):
    plan, asked = two_optimizers(), list[str]()

    def runs(workload: Workload, setting: Setting) -> bool:
        asked.append(setting.optimizer)
        return "LBFGS" not in setting.optimizer

    monkeypatch.setattr(engine, "runs_on_device", runs)
    count = len(plan.settings) // 2
    assert choose_tiers(plan, "cpu", "local") == {}
    assert choose_tiers(plan, ACCELERATOR, "local") == dict.fromkeys(range(count), ACCELERATOR)
    assert sorted(asked) == ["torch.optim:LBFGS", "torch.optim:SGD"]  # one of each kind was tried
    assert choose_tiers(plan, ACCELERATOR, "ray") == dict.fromkeys(range(2 * count), ACCELERATOR)


def test_a_device_gets_large_tasks():
    plan = sgd_plan(rates=range(-300, -200))
    numbers = range(len(plan.settings))
    small = cut(plan, "1-runs", numbers, 2)
    large = cut(plan, "1-runs", numbers, 2, dict.fromkeys(numbers, ACCELERATOR))
    assert {batch.tier for batch in small} == {AUTO}
    assert max(len(batch.numbers) for batch in small) <= MOST
    assert [(batch.tier, len(batch.numbers)) for batch in large] == [(ACCELERATOR, len(numbers))]
    assert len(numbers) <= LARGE


def test_runs_and_their_audits_use_the_device():
    def run(workload: Workload, settings: Sequence[Setting], **how: Any) -> list[Outcome]:
        found = descent.run_settings(workload, settings)
        return [replace(outcome, engine=ACCELERATOR if how["tier"] == ACCELERATOR else "plain") for outcome in found]

    plan = two_optimizers()
    plan = replace(plan, settings=tuple(replace(s, optimizer="torch.optim:SGD") for s in plan.settings[:28]))
    plan = replace(plan, labels=plan.labels[:28], settings=(*plan.settings[:-1], replace(plan.settings[-1], seed=5)))
    executor, store = Here(run), Store(None)
    store.begin(plan, share(plan), {"rounding": "reuse"})
    drive(plan, store, executor, 6, tiers=dict.fromkeys(range(27), ACCELERATOR))
    tiers = {
        task.key.split("-")[1]: {t.tier for t in executor.tasks if t.key[:3] == task.key[:3]} for task in executor.tasks
    }
    assert tiers == {"runs": {ACCELERATOR, AUTO}, "audit": {ACCELERATOR}}
    assert len(store.audits()) == 6
    assert not any(audit.difference for audit in store.audits())
    assert plan.settings[0].alpha == Fraction(1, 8)
