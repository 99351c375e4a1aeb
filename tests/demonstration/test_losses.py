"""Statements 5 and 8, and the violations that must turn them."""

from lossgauge.demonstration.losses import judge_decay, judge_focal
from lossgauge.frameworks.torch.demonstrations.decay import PLACES, Place, measure_decay
from lossgauge.frameworks.torch.demonstrations.factor import measure_focal


def test_weight_decay_and_where_it_stands():
    statement = judge_decay(measure_decay())
    same = {
        name: [which for which in ("divided", "untouched") if found[which]["identical"]]
        for name, found in statement.evidence["places"].items()
    }
    assert same == {
        "SGD, coupled": ["divided"],
        "NAdam, coupled": ["divided"],
        "SGD, lr-scaled decoupled": ["divided"],
        "NAdam, lr-scaled decoupled": ["untouched"],
        "SGD, inside the loss": ["untouched"],
        "NAdam, inside the loss": ["untouched"],
    }
    assert statement.holds is True


def test_decoupled_decay_under_the_name_of_coupled_is_caught():
    places = {"SGD, coupled": PLACES["SGD, coupled"], "NAdam, coupled": Place("nadam", "decoupled")}
    statement = judge_decay(measure_decay(places))
    assert statement.holds is False
    assert statement.verdict == "false here"


def test_a_decay_without_influence_proves_nothing():
    evidence = measure_decay({"SGD, coupled": PLACES["SGD, coupled"], "NAdam, coupled": PLACES["NAdam, coupled"]})
    for found in evidence["places"].values():
        found["untouched"] = found["divided"]
    statement = judge_decay(evidence)
    assert statement.holds is False
    assert "neither: SGD, coupled; NAdam, coupled" in statement.measured


def test_focal_loss_obeys_the_same_law():
    statement = judge_focal(measure_focal())
    assert statement.holds is True
    course = statement.evidence["course"]
    assert [point["step"] for point in course] == [0, 1, 2, 5, 10, 20, 50, 100, 200]
    assert course[0]["cos2"] > 0.9
    assert min(point["cos2"] for point in course) < 0.5
    assert "It is no mere factor" in statement.measured
    gammas = statement.evidence["gammas"]
    assert [entry["gamma"] for entry in gammas] == [0, 0.5, 1, 2, 5]
    for when in ("start", "trained"):
        shares = [entry[when]["cos2"] for entry in gammas]
        assert shares[0] > 1 - 1e-6
        assert shares == sorted(shares, reverse=True)


def test_a_wrong_exponent_with_focal_loss_is_caught():
    assert "SGD" in judge_focal(measure_focal(rate_exponent=0)).measured.split("other bits under ")[1]
    assert judge_focal(measure_focal(eps_exponent=2)).holds is False


def test_a_mere_factor_is_called_one():
    assert "It is cross-entropy times 1 all along the training" in judge_focal(measure_focal(gamma=0.0)).measured
