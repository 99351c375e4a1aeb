"""The record of the demonstration."""

import json

from lossgauge.records.sweep import Workload
from lossgauge.records.sweep_demo import Feeling, SweepDemo
from lossgauge.records.sweep_summary import Breach, SweepSummary

SUMMARY = SweepSummary(Workload("mlp-2-1", "mse", "regression", 5), settings=9, distinct_runs=4, reused=5)
DEMO = SweepDemo(SUMMARY, (Feeling("SGD", 0.0, 0.0, 0.0, -2.0, 2.0, 1.0, ("lr·α",)),), ("It moves",), ("a.svg",), 1.5)


def test_what_is_written_is_read_back():
    plain = json.loads(json.dumps(DEMO.to_dict()))
    assert SweepDemo.from_dict(plain) == DEMO
    assert plain["schema"] == "lossgauge.sweep-demo/1"
    assert plain["summary"]["distinct_runs"] == 4


def test_it_is_sound_as_its_sweep_is():
    assert DEMO.sound
    breach = Breach("one", "another", "bits", "the weights differ")
    assert not SweepDemo(SweepSummary(SUMMARY.workload, 9, 4, 5, breaches=(breach,))).sound
