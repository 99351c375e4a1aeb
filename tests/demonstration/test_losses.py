"""Statements 5 and 8, and the violations that must turn them."""

from lossgauge.demonstration.losses import judge_decay, judge_focal
from lossgauge.frameworks.torch.demonstrations.decay import PLACES, Place, measure_decay
from lossgauge.frameworks.torch.demonstrations.factor import focal_loss, measure_focal


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
    assert 0 < statement.evidence["cosine"] < 1


def test_a_wrong_exponent_with_focal_loss_is_caught():
    assert "SGD" in judge_focal(measure_focal(rate_exponent=0)).measured.split("other bits under ")[1]
    assert judge_focal(measure_focal(eps_exponent=2)).holds is False


def test_focal_loss_is_its_formula():
    import torch

    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]], dtype=torch.float64)
    labels = torch.tensor([0, 2])
    p = torch.softmax(logits, 1)[[0, 1], [0, 2]]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    assert torch.allclose(focal_loss(logits, labels), expected, rtol=1e-12)
    entropy = torch.nn.functional.cross_entropy(logits, labels)
    assert torch.allclose(focal_loss(logits, labels, focus=0.0), entropy, rtol=1e-12)
