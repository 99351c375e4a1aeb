"""Random set-ups of lawful optimizers: co-scaling everything changes no bit, and shares add up to 1."""

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch.nn.utils import clip_grad_value_

from lossgauge.experiments.measurements import digest_of
from lossgauge.experiments.twins import Laboratory
from lossgauge.records.attribution import UNCHANGED
from lossgauge.trainings.training import Function
from lossgauge.verbs.laws import law_of_optimizer
from lossgauge.verbs.why import why
from tests.experiments.attributed import training

SMALL = st.sampled_from([1e-4, 1e-3, 1e-2])
ZERO_OR_SMALL = st.sampled_from([0.0, 1e-3, 1e-2])
ADAPTIVE: dict[str, st.SearchStrategy[Any]] = {"lr": SMALL, "eps": SMALL, "weight_decay": ZERO_OR_SMALL}
SETTINGS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "SGD": {"lr": SMALL, "momentum": st.sampled_from([0.0, 0.9]), "weight_decay": ZERO_OR_SMALL},
    "Adam": {**ADAPTIVE, "amsgrad": st.booleans()},
    "NAdam": ADAPTIVE,
    "AdamW": ADAPTIVE,
    "Adamax": ADAPTIVE,
    "RMSprop": {**ADAPTIVE, "centered": st.booleans(), "momentum": st.sampled_from([0.0, 0.5])},
    "Adagrad": {**ADAPTIVE, "initial_accumulator_value": st.sampled_from([0.0, 0.1])},
    "Adadelta": {"lr": SMALL, "eps": SMALL, "weight_decay": ZERO_OR_SMALL},
    "ASGD": {"lr": SMALL, "lambd": SMALL, "weight_decay": ZERO_OR_SMALL},
    "Rprop": {"lr": SMALL},
}


@st.composite
def set_ups(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(SETTINGS)))
    return {
        "name": name,
        "settings": {setting: draw(values) for setting, values in SETTINGS[name].items()},
        "clip": draw(st.sampled_from([None, 1e-2, 1.0])),
        "unit": draw(st.sampled_from([1e-3, 1.0, 30.0])),
        "power": draw(st.sampled_from([-9, -3, 2, 7, 12])),
    }


def train_of(drawn: dict[str, Any]) -> Any:
    def clip(parameters: Any) -> None:
        if drawn["clip"] is not None:
            clip_grad_value_(parameters, drawn["clip"])

    optimizer = getattr(torch.optim, drawn["name"])
    return training(lambda p: optimizer(p, **drawn["settings"]), clip, drawn["unit"], steps=8)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(set_ups())
def test_co_scaling_everything_changes_no_bit_and_shares_add_up(drawn: dict[str, Any]):
    found = why(train_of(drawn), 2.0 ** drawn["power"], outcome="weights")
    assert found.co_scaled_identical, drawn
    if found.verdict != UNCHANGED:
        assert math.fsum(part.share for part in found.parts) == pytest.approx(1, abs=1e-9)
        assert not {part.name for part in found.parts} & {"unexplained", "hidden constant", "number format"}
    players = {part.name for part in (found.raw_parts or found.parts)} - {"rounding"}
    assert found.runs["made"] <= max(1, 2 ** len(players))


@pytest.mark.parametrize("planted", ["lr", "eps", "weight_decay"])
def test_an_exponent_that_is_off_by_one_changes_bits(planted: str):
    drawn = {
        "name": "Adam",
        "settings": {"lr": 1e-2, "eps": 1e-3, "weight_decay": 1e-2},
        "clip": None,
        "unit": 1.0,
    }
    laboratory = Laboratory(Function(train_of(drawn), "train"))
    laboratory.guard(law_of_optimizer)
    untouched = digest_of(laboratory.reference)
    right = laboratory.training.run(laboratory.injection(Fraction(4)))
    wrong = laboratory.training.run(laboratory.injection(Fraction(4), {f"Adam.{planted}": Fraction(1)}))
    assert digest_of(right) == untouched != digest_of(wrong)
