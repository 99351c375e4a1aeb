"""What `why` refuses, each in one line, and that asking for it costs nothing."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from lossgauge.errors import InputError, ScriptError
from tests.experiments.attributed import asked, training
from tests.trainings import examples
from tests.verbs.test_why import returning


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1}, "alpha is 1, and multiplying by 1 changes nothing; expected another number"),
        ({"alpha": 0}, "expected a number above 0"),
        ({"alpha": "abc"}, "is not a number"),
        ({"jobs": 0}, "jobs is 0, expected a whole number of at least 1"),
        ({"runs": -1}, "runs is -1"),
        ({"outcome": ""}, "the outcome is empty"),
        ({"outcome": "accuracy"}, "prints no number called 'accuracy': it prints norm"),
        ({"outcome": "returned:loss"}, "returned numbers under norm, twice; write returned:norm"),
        ({"outcome": "returned"}, "returned numbers under norm, twice"),
        ({"args": ["--fast"]}, "belong to a script"),
    ],
)
def test_bad_input_is_refused_in_one_line(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message) as caught:
        asked(returning, **{"alpha": 2, **options})
    assert "\n" not in str(caught.value)


def test_a_training_without_a_loss_is_refused_or_asked_for_its_weights():
    def train():
        model, x, _ = examples.seeded()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        out = model(x)
        out.backward(torch.ones_like(out))
        optimizer.step()
        return model

    with pytest.raises(InputError, match="no loss was seen"):
        asked(train, 2)
    assert asked(train, 2, outcome="weights").share("lr") == pytest.approx(1, abs=1e-9)


def test_a_training_that_moves_nothing_has_no_distance():
    with pytest.raises(InputError, match="moves no weight"):
        asked(training(lambda p: torch.optim.SGD(p, lr=1e-30)), 2, outcome="weights")


def test_the_users_own_error_stays_visible():
    with pytest.raises(ScriptError) as caught:
        asked(examples.failing, 2)
    assert isinstance(caught.value.__cause__, ValueError)


def test_asking_loads_no_framework():
    code = "import sys, lossgauge; lossgauge.why, lossgauge.elasticity; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
