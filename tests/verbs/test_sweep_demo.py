"""The demonstration of `sweep`, with few optimizers and short trainings."""

from dataclasses import replace
from pathlib import Path

import pytest

from lossgauge.demonstration.question import CONTENDERS, WORKLOAD, plan_question
from lossgauge.records.sweep import Plan
from lossgauge.records.sweep_demo import SweepDemo
from lossgauge.verbs.sweep_demo import render_demo, sweep_demo

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def short_plan() -> Plan:
    few = [
        replace(one, rates=range(one.rate - 4, one.rate + 5, 4)) for one in CONTENDERS if one.label in ("SGD", "AdamW")
    ]
    return plan_question(replace(WORKLOAD, model="mlp-16-4-1", steps=12), few)


@pytest.fixture(scope="module")
def demo(short_plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> SweepDemo:
    pytest.importorskip("vl_convert")
    return sweep_demo(tmp_path_factory.mktemp("demo"), jobs=1, plan=short_plan, audit=6)


def test_symmetry_saves_runs_and_the_audit_confirms_it(demo: SweepDemo, short_plan: Plan):
    assert demo.sound, demo.summary.breaches
    assert demo.summary.settings == len(short_plan.settings)
    assert demo.summary.audited == 6
    assert demo.summary.distinct_runs < 0.7 * demo.summary.settings
    assert not demo.summary.failed


def test_sgd_feels_alpha_through_the_learning_rate_and_adamw_through_epsilon(demo: SweepDemo):
    groups = {(one.name, bool(one.weight_decay)): one.groups for one in demo.feelings}
    assert groups == {
        ("SGD", False): ("lr·α",),
        ("SGD", True): ("lr·α", "λ/α"),
        ("AdamW", False): ("ε/α",),
        ("AdamW", True): ("ε/α",),
    }
    sgd, adamw = (next(one for one in demo.feelings if one.name == name) for name in ("SGD", "AdamW"))
    assert adamw.high - adamw.low > sgd.high - sgd.low


def test_pictures_are_written(demo: SweepDemo):
    names = {Path(path).stem for path in demo.pictures}
    assert {"who-feels-alpha", "collapse-sgd-lr", "collapse-adamw-eps"} <= names
    assert all(Path(path).stat().st_size > 5000 for path in demo.pictures)
    assert demo.findings[0].startswith("SGD")


def test_it_is_a_document_and_a_report(demo: SweepDemo):
    assert SweepDemo.from_dict(demo.to_dict()) == demo
    assert render_demo(demo.to_dict()) is not None


def test_a_folder_that_cannot_be_made_costs_the_pictures_only(short_plan: Plan, tmp_path: Path):
    pytest.importorskip("vl_convert")
    tiny = Plan(short_plan.workload, short_plan.settings[:3], short_plan.labels[:3])
    (tmp_path / "file").touch()
    found = sweep_demo(tmp_path / "file", jobs=1, plan=tiny, audit=0)
    assert found.pictures == ()
    assert "cannot write pictures" in found.note
    assert found.summary.distinct_runs
