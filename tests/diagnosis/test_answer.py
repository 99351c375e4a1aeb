"""What a diagnosis says first, and of a healthy training also what a factor would do."""

import pytest

from lossgauge.diagnosis.answer import answer
from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.gauges import measure_gauges
from tests.diagnosis.sessions import FELL, seen, train


def said(elasticity, carriers, optimizer="adam"):
    root = None if optimizer == "sgd" else 1e-2
    look = (seen(1e-2, root, elasticity=elasticity, carriers=carriers),)
    case = Case(train(FELL, look, optimizer=optimizer))
    return answer([], case, measure_gauges(case))


@pytest.mark.parametrize(("elasticity", "carriers", "optimizer", "ending"), [
    (0.0, {"eps": 0.0}, "adam", "A factor on it would hardly reach the weights."),
    (1.0, {"lr": 1.0, "weight_decay": 0.0}, "sgd", "A factor on it would act as the same factor on the learning rate."),
    (-0.89, {"eps": 0.01, "weight_decay": -0.9}, "adam",
     "A factor on it would reach the weights, mostly through weight_decay (elasticity -0.89)."),
    (0.0, {"eps": 0.5, "weight_decay": -0.5}, "adam",
     "A factor on it would reach the weights, mostly through eps (elasticity 0.00)."),
    (0.7, {"lr": 1.0, "weight_decay": -0.3}, "sgd",
     "A factor on it would reach the weights, mostly through lr (elasticity 0.70)."),
    (None, {}, "adam", "no finding does harm."),
])  # fmt: skip
def test_a_healthy_training_is_told_what_a_factor_would_do(elasticity, carriers, optimizer, ending):
    text = said(elasticity, carriers, optimizer)
    assert text.startswith("The scale of your loss is not a problem: ")
    assert text.endswith(ending)
