import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lossgauge.errors import InputError, ScriptError
from lossgauge.records.injection import Injection
from lossgauge.trainings.failure import traceback_of
from lossgauge.trainings.recorder import Watch
from lossgauge.trainings.script import Script
from lossgauge.trainings.training import Function, read_training
from tests.trainings import examples


def test_a_function_is_recorded_step_by_step():
    run = read_training(examples.two_optimizers).run(Injection())
    assert [step.optimizer for step in run.steps] == [0, 1] * examples.STEPS
    assert all(step.finite for step in run.steps)
    assert [participant.target for participant in run.participants] == ["torch.optim:SGD", "torch.optim:Adam"]
    assert run.participants[0].names == ("0.weight", "0.bias", "2.weight", "2.bias")
    assert run.participants[1].names[3] == "optimizer1.group0.param3"
    assert run.participants[0].settings[0]["lr"] == 0.1
    assert run.backwards == examples.STEPS


def test_names_given_to_the_optimizer_come_first():
    def train():
        model = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer.param_groups[0]["param_names"] = ["slope", "offset"]
        optimizer.step()
        return model

    assert read_training(train).run(Injection()).participants[0].names == ("slope", "offset")


def test_a_run_stops_at_the_first_difference_whatever_the_user_catches():
    reached: list[str] = []

    def train(factor: float = 1.0):
        tensor = torch.ones(2, requires_grad=True)
        optimizer = torch.optim.SGD([tensor], lr=0.1)
        try:
            for step in range(5):
                optimizer.zero_grad()
                ((factor if step == 2 else 1.0) * tensor.sum()).backward()
                optimizer.step()
                reached.append(f"step {step}")
        except Exception:
            reached.append("caught")
        finally:
            reached.append("cleaned up")

    reference = Function(train, "train").run(Injection())
    reached.clear()
    other = Function(lambda: train(2.0), "train").run(Injection(), Watch(reference))
    assert other.divergence is not None
    assert (other.divergence.step, other.divergence.optimizer, other.divergence.tensor) == (3, 0, 0)
    assert reached == ["step 0", "step 1", "cleaned up"]
    captured = Function(train, "train").run(Injection(), Watch(capture=(3, 0))).captured
    assert captured is not None
    assert other.divergence.bits is not None
    assert captured.format == "float32"
    assert captured.content != other.divergence.bits.content


def test_a_stop_that_is_swallowed_is_repeated():
    def train():
        optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
        for _ in range(5):
            try:
                optimizer.step()
            except BaseException:
                continue

    run = Function(train, "train").run(Injection(), Watch(capture=(2, 0)))
    assert len(run.steps) == 2


def test_a_failing_function_keeps_its_traceback():
    with pytest.raises(ScriptError, match="failing failed: ValueError: the user's own mistake") as caught:
        read_training(examples.failing).run(Injection())
    assert isinstance(caught.value.__cause__, ValueError)
    text = traceback_of(caught.value)
    assert "lossgauge/" not in text
    assert text.splitlines()[1].endswith("in failing")


def test_a_function_may_leave_early():
    def leave(code: int | None):
        raise SystemExit(code)

    assert not Function(lambda: leave(0), "leave").run(Injection()).steps
    with pytest.raises(ScriptError, match="it left with exit code 3"):
        Function(lambda: leave(3), "leave").run(Injection())


def test_output_goes_where_it_is_wanted(capsys: pytest.CaptureFixture[str]):
    training = Function(lambda: print("hello"), "greet")
    for output, expected in (("stdout", ("hello\n", "")), ("stderr", ("", "hello\n")), ("nowhere", ("", ""))):
        training.run(Injection(), output=output)
        assert tuple(capsys.readouterr()) == expected


def test_a_function_can_be_named(tmp_path: Path):
    named = read_training("tests.trainings.examples:sgd")
    assert isinstance(named, Function)
    assert named.function is examples.sgd
    (tmp_path / "mine.py").write_text("def train():\n    pass\n")
    assert isinstance(read_training(f"{tmp_path}/mine.py:train"), Function)
    assert isinstance(read_training(tmp_path / "mine.py", ["--fast"]), Script)


@pytest.mark.parametrize(
    ("train", "args", "message"),
    [
        (lambda model, data: None, (), "requires model, data"),
        (3, (), "the training is int 3"),
        ("nowhere.py", (), "there is no script 'nowhere.py'"),
        ("tests.trainings.examples", (), "is written tests.trainings.examples:train"),
        ("tests.trainings.examples:sdg", (), "did you mean 'sgd'"),
        ("no.such.module:train", (), "cannot be imported"),
        (examples.sgd, ("--fast",), "belong to a script, but sgd is a function"),
    ],
)
def test_what_is_no_training_is_refused_in_one_line(train: Any, args: Any, message: str):
    with pytest.raises(InputError, match=message) as caught:
        read_training(train, args)
    assert "\n" not in str(caught.value)


def test_reading_a_training_loads_no_framework():
    code = "import sys, lossgauge.verbs.prove as p; p.read_training(lambda: None); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
