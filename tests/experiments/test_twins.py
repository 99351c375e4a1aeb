import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossgauge.experiments.quantities import quantities, shown
from lossgauge.experiments.twins import Laboratory, companion_laws_of_table, nearest_power_of_two
from lossgauge.laws.multiplier import power_of_two
from lossgauge.records.run import Participant, Run
from lossgauge.trainings.training import read_training
from tests.trainings import examples
from tests.trainings.laws import CLIPS, LAWS, law_of


@given(st.fractions(min_value=Fraction(1, 10**30), max_value=10**30).filter(bool))
def test_the_nearest_power_of_two_is_near(alpha: Fraction):
    nearest = nearest_power_of_two(alpha)
    assert power_of_two(nearest)
    assert nearest != 1
    assert max(nearest / alpha, alpha / nearest) ** 2 <= (4 if Fraction(1, 2) <= alpha <= 2 else 2)


def test_names_are_short_where_that_is_clear():
    run = Run(
        participants=[
            Participant("torch.optim:SGD", [{"lr": 0.1, "momentum": 0.0}], ()),
            Participant("torch.optim:Adam", [{"lr": 0.1, "eps": 1e-8, "betas[0]": 0.9}, {"lr": 1}], ()),
            Participant("torch.optim:Rprop", [{"lr": 3}], ()),
        ],
        thresholds={"max_norm": 1.0},
    )
    found = quantities(run, [LAWS["SGD"], LAWS["Adam"], LAWS["Rprop"]], {"max_norm": Fraction(1)})
    assert {q.key: q.values for q in found} == {
        "SGD.lr": (0.1,),
        "SGD.momentum": (0.0,),
        "Adam.lr": (0.1, 1),
        "Adam.eps": (1e-8,),
        "Adam.betas[0]": (0.9,),
        "Rprop.lr": (3,),
        "max_norm": (1.0,),
    }
    assert shown((q.key for q in found), found) == (
        "SGD.lr",
        "momentum",
        "Adam.lr",
        "eps",
        "betas[0]",
        "Rprop.lr",
        "max_norm",
    )


def test_every_run_is_announced_and_only_the_first_one_speaks(capsys: pytest.CaptureFixture[str]):
    purposes: list[str] = []

    def speaking():
        print("hello")
        return examples.sgd()

    laboratory = Laboratory(read_training(speaking), notify=purposes.append)
    assert laboratory.guard(law_of).divergence is None
    assert laboratory.twin(Fraction(4)).divergence is None
    gone = laboratory.twin(Fraction(4), {"SGD.lr": Fraction(1)}).divergence
    assert gone is not None
    assert laboratory.locate(gone).step == 1
    assert capsys.readouterr().out == "hello\n"
    assert purposes[:3] == ["the training as it is", "the training as it is, once more", "the twin at α = 4"]
    assert purposes[-1] == "the training as it is, up to step 1"


def test_exponents_of_what_stands_beside_come_from_their_laws_where_there_are_any():
    assert Laboratory(read_training(examples.sgd)).companions()["max_norm"] == 1
    assert Laboratory(read_training(examples.sgd), CLIPS).companions()["clip_value"] == 1
    assert set(companion_laws_of_table()) <= {"max_norm", "clip_value"}


def test_a_count_has_no_half_and_is_left_out():
    class Repeating(torch.optim.SGD):
        def __init__(self, params: Any, repeats: int, bound: int):
            super().__init__(params, lr=0.1)
            self.repeats, self.bound = repeats, bound

        def step(self, closure: Any = None) -> Any:
            for _ in range(self.repeats):
                super().step(closure)
            for tensor in self.param_groups[0]["params"]:
                tensor.data.clamp_(max=self.bound)

    law = replace(LAWS["SGD"], exponents={"lr": Fraction(-1), "repeats": Fraction(0), "bound": Fraction(0)})
    training = read_training(lambda: examples.trained(lambda p: Repeating(p, repeats=3, bound=50)))
    laboratory = Laboratory(training)
    assert laboratory.guard(lambda optimizer: law).divergence is None
    assert laboratory.plant(Fraction(4)) == (("lr",), ("bound",), ())


@pytest.mark.parametrize(("value", "laws"), [(1.0, 1), (math.inf, 0)])
def test_a_threshold_that_is_infinite_has_no_hidden_constant_to_blame(value: float, laws: int):
    laboratory = Laboratory(read_training(examples.adam), dict(CLIPS), reference=Run(thresholds={"max_norm": value}))
    assert len(laboratory.laws_in_use()) == laws
