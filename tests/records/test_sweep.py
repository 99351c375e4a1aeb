import json
import math
from fractions import Fraction

import pytest

from lossgauge.errors import InputError
from lossgauge.records.sweep import Outcome, Plan, Setting, Workload
from lossgauge.records.sweep_summary import Best, Breach, OptimizerSummary, SweepSummary

ADAM = Setting(
    "torch.optim:Adam",
    {"lr": 1e-3, "betas": (0.9, 0.99), "amsgrad": True, "foreach": None, "weight_decay": 0},
    Fraction(1, 4),
    seed=3,
    precision="float64",
)
WORKLOAD = Workload("mlp-16-4-1", "mse", "regression", 100, points=9)


def travelled(plain: object) -> dict[str, object]:
    return json.loads(json.dumps(plain, allow_nan=False))


def test_a_setting_travels_as_json_and_comes_back_equal():
    assert Setting.from_dict(travelled(ADAM.to_dict())) == ADAM


def test_a_setting_of_another_shape_is_refused():
    with pytest.raises(InputError, match="no setting of a sweep"):
        Setting.from_dict({"optimizer": "x"})


def test_an_outcome_travels_with_all_that_is_not_finite():
    outcome = Outcome("diverged", math.inf, 3, (1.0, math.inf), "ab", "stacked")
    assert Outcome.from_dict(travelled(outcome.to_dict())) == outcome
    assert math.isnan(Outcome.from_dict(travelled(Outcome("failed", math.nan).to_dict())).final_loss)


def test_a_workload_travels():
    assert Workload.from_dict(travelled(WORKLOAD.to_dict())) == WORKLOAD


def test_marks_are_dense_at_the_start_and_end_at_the_last_step():
    marks = WORKLOAD.marks()
    assert marks[0] == 1
    assert marks[-1] == 100
    assert list(marks) == sorted(set(marks))
    assert Workload("m", "l", "d", 1).marks() == (1,)


def plan(*settings: Setting, steps: int = 100) -> Plan:
    return Plan(Workload("m", "l", "d", steps), settings, ("Adam",) * len(settings))


def test_the_fingerprint_of_a_plan_is_that_of_its_settings_in_order():
    other = Setting("torch.optim:Adam", {"lr": 1e-3})
    assert plan(ADAM, other).fingerprint() == plan(ADAM, other).fingerprint()
    assert len({one.fingerprint() for one in [plan(ADAM, other), plan(other, ADAM), plan(ADAM)]}) == 3
    assert plan(ADAM, steps=9).fingerprint() != plan(ADAM).fingerprint()


def test_a_summary_travels_and_always_has_its_counts():
    best = Best(3, 0.5, "1/4", "float32", {"lr": 0.1}, {"lr·α": 0.025}, 4)
    optimizer = OptimizerSummary("SGD", "torch.optim:SGD", 9, 3, 6, 0, "EXACT", ("lr·α",), best=best)
    summary = SweepSummary(WORKLOAD, 9, 3, 6, optimizers=(optimizer,), breaches=(Breach("a", "b", "bits", "c"),))
    plain = travelled(summary.to_dict())
    assert {"schema", "settings", "distinct_runs", "reused", "engine", "seconds", "failed"} <= set(plain)
    assert plain["schema"] == "lossgauge.sweep/1"
    assert SweepSummary.from_dict(plain) == summary
    assert not summary.sound
    assert not SweepSummary(WORKLOAD, 1, 1, 0, failed=1).sound
    assert SweepSummary(WORKLOAD, 1, 1, 0).sound
