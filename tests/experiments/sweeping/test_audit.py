from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest

from lossgauge.experiments.sweeping.audit import choose_audits, choose_probes, compare
from lossgauge.experiments.sweeping.reuse import Share
from lossgauge.records.sweep import Outcome, Plan
from tests.experiments.sweeping import descent
from tests.experiments.sweeping.sweeps import WORKLOAD, sgd_plan, share

MARKS = WORKLOAD.marks()
BITS, ROUNDING = Share(1, 0, "bits", ""), Share(1, 0, "rounding", "")


def outcomes(one: Outcome) -> dict[int, Outcome]:
    return {0: one}


FINE = Outcome("finished", 0.5, None, (1.0, 0.9, 0.8, 0.7, 0.6, 0.5), "ab", "stacked")


def difference(kind: Share, own: Outcome, standing: Outcome = FINE, precision: str = "float32") -> str:
    return compare(kind, precision, MARKS, outcomes(standing), own).difference


def test_equal_bits_are_a_promise_kept_and_others_are_not():
    assert difference(BITS, FINE) == ""
    assert "weights differ in their bits" in difference(BITS, replace(FINE, digest="ac"))
    assert "losses on the way differ" in difference(BITS, replace(FINE, curve=(*FINE.curve[:-1], 0.5 + 2**-30)))


def test_bits_of_different_tiers_cannot_be_compared():
    assert "engine" in difference(BITS, replace(FINE, engine="serial"))


def test_rounding_may_differ_a_little_in_the_first_steps_and_much_later():
    assert difference(ROUNDING, replace(FINE, digest="ac")) == ""
    near = replace(FINE, curve=(1.0, 0.9 + 1e-5, 0.8, 0.7, 0.6, 0.5))
    assert difference(ROUNDING, near) == ""
    assert "first steps" in difference(ROUNDING, near, precision="float64")
    assert "first steps" in difference(ROUNDING, replace(FINE, curve=(1.0, 0.8, 0.8, 0.7, 0.6, 0.5)))
    late = replace(FINE, curve=(*FINE.curve[:-1], 5.0))
    assert difference(ROUNDING, late) == ""  # step 12 is beyond the first ten


def test_the_end_of_a_training_is_compared():
    diverged = Outcome("diverged", float("inf"), 3, (1.0,), "", "stacked")
    assert "diverged" in difference(BITS, diverged)
    assert difference(BITS, replace(diverged, diverged_at=4), diverged) == ""
    failed = Outcome("failed", float("nan"), message="no memory")
    assert "no memory" in difference(BITS, failed)
    assert difference(BITS, failed, failed) == ""


@pytest.mark.parametrize("kind", [BITS, ROUNDING])
def test_a_learning_rate_of_the_wrong_exponent_is_seen(kind: Share):
    """The planted violation: what stands for α = 4 was run with lr·α^(+1) in the place of lr·α^(−1)."""
    plan = sgd_plan(alphas=[0, 2], rates=[-6, -4])
    standing, wrong = descent.train(WORKLOAD, plan.settings[0]), descent.train(WORKLOAD, plan.settings[3])
    right = descent.train(WORKLOAD, replace(plan.settings[2], hyperparameters={"lr": 2.0**-8}))
    assert difference(kind, wrong, standing)
    assert not difference(kind, right, standing)


def mixed() -> Plan:
    small, large = sgd_plan(rates=range(-4, -2)), sgd_plan(precisions=("float64",))
    return Plan(WORKLOAD, small.settings + large.settings, small.labels + large.labels)


def test_audits_are_spread_and_a_longer_choice_begins_with_the_shorter():
    plan = mixed()
    shares = share(plan)
    four, all_of_them = choose_audits(plan, shares, 4), choose_audits(plan, shares, 1000)
    assert all_of_them[:4] == four == choose_audits(plan, shares, 4)
    assert sorted(all_of_them) == [one.number for one in shares if one.kind]
    assert Counter(plan.settings[number].precision for number in four) == {"float32": 2, "float64": 2}
    assert choose_audits(plan, shares, 0) == []


def test_trials_are_the_farthest_on_either_side_of_each_run():
    plan = sgd_plan(alphas=range(-6, 7), rates=range(-6, 7), precisions=("bfloat16",))
    shares = share(plan, audited=True)
    probes = choose_probes(plan, shares)
    assert len(probes) == len({one.family for one in shares if one.family})
    assert all(shares[number].family for number in probes)
    same = [number for number in probes if shares[shares[number].run].key == shares[84].key]  # the orbit of α = lr = 1
    assert sorted(plan.settings[number].alpha for number in same) == [Fraction(1, 2**6), Fraction(2**6)]
    assert choose_probes(plan, share(plan)) == []
