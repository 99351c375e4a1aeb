import json
from pathlib import Path
from typing import Any

import pytest

from lossgauge.errors import InputError, ScriptError
from lossgauge.laws.verdict import Verdict
from lossgauge.verbs.prove import prove
from tests.trainings import examples
from tests.trainings.laws import CLIPS, law_of
from tests.trainings.scripts import write_script


def test_a_script_is_proved_in_processes_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    proof = prove(write_script(tmp_path), "2**10", ["--steps", "3"], "handmade_laws:law_of")
    assert proof.verdict == Verdict.EXACT
    assert set(proof.violations_caught) == {"lr", "eps", "betas[0]", "betas[1]"}
    assert proof.inert == ("weight_decay",)
    assert proof.steps == 3
    assert capfd.readouterr().out == "trained __main__ ['--steps', '3']\n"
    plain = json.loads(json.dumps(proof.to_dict()))
    assert plain["optimizers"][0]["target"] == "__main__:Tweaked"


def test_a_function_is_found_by_its_name():
    proof = prove("tests.trainings.examples:sgd", law_of="tests.trainings.laws:law_of")
    assert proof.verdict == Verdict.EXACT


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (0, "expected a number above 0"),
        ("abc", "is not a number"),
        (float("nan"), "is not a number"),
        ("2**2000", "too large|beyond the floating-point numbers"),
    ],
)
def test_a_multiplier_that_cannot_be_used_is_refused(alpha: Any, message: str):
    with pytest.raises(InputError, match=message):
        prove(examples.adam, alpha, law_of=law_of)


def test_the_users_own_error_stays_visible():
    with pytest.raises(ScriptError) as caught:
        prove(examples.failing, law_of=law_of)
    assert caught.value.exit_code == 3
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_training_that_fails_only_with_the_loss_multiplied_is_broken():
    def train():
        def check(model: Any):
            if model[0].weight.grad.norm() > 100:
                raise ArithmeticError("the gradient exploded")

        return examples.trained(lambda p: examples.SGD(p, lr=0.1), check)

    proof = prove(train, 2**17, law_of=law_of, companion_laws=dict(CLIPS))
    assert proof.verdict == Verdict.BROKEN
    assert "ArithmeticError: the gradient exploded" in proof.reason


UNSEEDED = """
import torch
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
for step in range(3):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).pow(2).mean().backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("seed", "verdict"), [("", Verdict.UNDECIDED), ("import torch; torch.manual_seed(0)", Verdict.EXACT)]
)
def test_a_script_that_is_not_seeded_does_not_repeat_itself(tmp_path: Path, seed: str, verdict: Verdict):
    (tmp_path / "train.py").write_text(seed + UNSEEDED)
    proof = prove(tmp_path / "train.py", law_of=law_of)
    assert proof.verdict == verdict
    assert seed or "differs from itself" in proof.reason
