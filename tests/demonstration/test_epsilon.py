"""Statements 4, 6 and 7, and the violations that must turn them."""

import copy
from dataclasses import replace
from fractions import Fraction

import pytest

from lossgauge.demonstration.epsilon import judge_adam, judge_nadam, judge_placement, measure_adam
from lossgauge.frameworks.torch.demonstrations.epsilon import measure_nadam
from lossgauge.frameworks.torch.demonstrations.placement import UPDATES, inside_root, measure_placement, outside_root
from lossgauge.laws.table import row_of


def test_nadam_ignores_a_factor_only_with_epsilon_co_scaled():
    statement = judge_nadam(measure_nadam())
    assert statement.holds is False
    assert statement.verdict == "true only with ε·α; false in the asker's regime"
    assert statement.evidence["decades_identical"] is True


def test_the_effect_of_epsilon_follows_its_limits():
    rows = {row["ratio"]: row["change"]["10"] for row in measure_nadam()["decades"]}
    assert rows[1e-6] == pytest.approx(9.0, rel=1e-3), "ε alone in the denominator: NAdam is SGD, ten times the way"
    assert rows[1e9] == pytest.approx(rows[1e8] / 10, rel=1e-2), "ε far below: the change is of the size of ε/|g|"
    assert all(left >= right for left, right in zip(list(rows.values()), list(rows.values())[1:], strict=False))


@pytest.mark.parametrize("exponent", [0, 2])
def test_a_wrong_exponent_of_epsilon_is_caught(exponent: int):
    evidence = measure_nadam(eps_exponent=exponent)
    assert not any(found["identical"] for found in evidence["bits"].values())
    assert not evidence["decades_identical"]
    assert judge_nadam(evidence).verdict == "false, even with ε co-scaled so"


def test_an_optimizer_that_feels_no_factor_would_prove_the_claim():
    evidence = copy.deepcopy(measure_nadam())
    for row in evidence["decades"]:
        row["change"] = dict.fromkeys(row["change"], 0.0)
    statement = judge_nadam(evidence)
    assert statement.holds is True
    assert statement.verdict == "true"


def test_a_regime_without_effect_is_not_called_false():
    evidence = copy.deepcopy(measure_nadam())
    for row in evidence["decades"]:
        if row["ratio"] < 1:
            row["change"]["100000"] = 1e-3
    assert judge_nadam(evidence).verdict == "true only with ε·α"


def test_epsilon_has_another_exponent_inside_the_root():
    statement = judge_placement(measure_placement())
    assert statement.evidence["exponents"] == {
        "inside": ["2"],
        "outside": ["1"],
        "hat": ["1"],
        "torch Adam": ["1"],
        "torch NAdam": ["1"],
    }
    assert statement.holds is False
    assert statement.verdict == "false for torch, where ε is outside"
    assert statement.evidence["first_step"]["inside"] == pytest.approx(0.01, rel=1e-3)
    assert statement.evidence["first_step"]["outside"] == pytest.approx(1 / 1.01, rel=1e-3)
    assert statement.evidence["first_step"]["hat"] == pytest.approx(0.76, rel=1e-2)


def test_an_exchange_of_the_formulas_is_caught():
    swapped = judge_placement(measure_placement({**UPDATES, "inside": outside_root, "outside": inside_root}))
    assert swapped.holds is True, "an 'inside' formula with torch's exponent must turn the verdict"


def test_a_hidden_constant_leaves_no_exponent():
    broken = {**UPDATES, "inside": lambda m, v, t, eps: m / (v.sqrt() + eps + 1e-9)}
    statement = judge_placement(measure_placement(broken))
    assert statement.evidence["exponents"]["inside"] == []
    assert statement.holds is None


def test_adam_changes_through_epsilon_and_then_through_rounding():
    statement = judge_adam(measure_adam())
    assert statement.holds is True
    assert statement.verdict == "true: through ε, else through rounding"
    small, middle, large = statement.evidence["regimes"]
    assert small["total"] > 1 > middle["total"] > large["total"] > 0
    assert (small["epsilon"], small["rounding"]) == (1.0, 0.0)
    assert middle["epsilon"] > 0.8
    assert (large["epsilon"], large["rounding"]) == (0.0, 1.0)
    assert large["total"] <= large["floor"] < middle["total"]
    assert all(regime["bits_identical"] for regime in statement.evidence["regimes"])


def test_a_wrong_exponent_leaves_a_rest_that_is_neither_epsilon_nor_rounding():
    known = row_of("adam").law
    wrong = replace(known, exponents={**known.exponents, "eps": Fraction(2)})
    evidence = measure_adam(ratios=(1e-2,), law_of=lambda optimizer: wrong)
    (regime,) = evidence["regimes"]
    assert regime["bits_identical"] is False
    assert abs(regime["rest"]) > 0.01
    assert regime["epsilon"] + regime["rounding"] + regime["rest"] == pytest.approx(1, abs=1e-9)
    assert "the rest" in judge_adam(evidence).measured


def test_a_power_of_two_far_above_epsilon_changes_nothing():
    statement = judge_adam(measure_adam(ratios=(1e12,), alpha=2.0**17))
    assert statement.holds is False
    assert statement.verdict == "false here"
