"""Many runs of one training: each as it would be alone, whoever runs beside it."""

import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from lossgauge.errors import InputError, ScriptError
from lossgauge.records.injection import Injection
from lossgauge.records.run import Run
from lossgauge.records.treatment import Treatment
from lossgauge.trainings.batch import Plan, run_all
from lossgauge.trainings.nursery import Nursery
from lossgauge.trainings.recorder import Watch
from lossgauge.trainings.script import Script
from lossgauge.trainings.training import Function
from tests.trainings import examples

SCRIPT = """
import os, sys, time, torch
torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
x = torch.randn(8, 3)
for step in range(5):
    optimizer.zero_grad()
    loss = (model(x) - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
    if len(sys.argv) > 1:
        eval(sys.argv[1])
os.system("echo from a program: 3")
print("loss:", loss.item())
print("threads =", torch.get_num_threads())
"""
ALPHAS = (1, 2, 8)
PLANS = [Plan(Injection(Fraction(alpha)), Watch(losses=True, weights=True, output=True)) for alpha in ALPHAS]


@pytest.fixture(scope="module")
def shared() -> Nursery:
    return Nursery()


def script(folder: Path, nursery: Nursery, *args: str, threads: int | None = None) -> Script:
    (folder / "train.py").write_text(SCRIPT)
    return Script(str(folder / "train.py"), args, nursery, threads=threads)


def completed(runs: Sequence[tuple[int, Run | ScriptError]]) -> list[Run]:
    found = [run for _, run in sorted(runs, key=lambda entry: entry[0])]
    assert all(isinstance(run, Run) for run in found)
    return [run for run in found if isinstance(run, Run)]


@pytest.mark.parametrize("workers", [1, 3])
def test_scripts_run_side_by_side(tmp_path: Path, shared: Nursery, workers: int, capfd: pytest.CaptureFixture[str]):
    found = completed(list(run_all(script(tmp_path, shared, threads=1), PLANS, workers)))
    assert [len(run.losses) for run in found] == [5, 5, 5]
    assert found[0].losses[-1] > found[1].losses[-1] > found[2].losses[-1], "a multiplied loss learns faster"
    for run in found:
        start, end = (torch.frombuffer(bytearray(content), dtype=torch.float64) for content in run.weights or ())
        assert start.numel() == end.numel() == 4
        assert not torch.equal(start, end)
        assert run.output.splitlines()[0] == "from a program: 3"
        assert run.output.splitlines()[1:] == [f"loss: {run.losses[-1]}", "threads = 1"]
        assert run.finite
    assert found[0].weights is not None
    assert found[0].weights[0] == (found[1].weights or (b"",))[0]
    assert capfd.readouterr() == ("", "")


def test_a_batch_has_the_bits_of_a_single_run(tmp_path: Path, shared: Nursery):
    training = script(tmp_path, shared)
    alone = training.run(Injection(Fraction(2)), output="nowhere")
    (beside,) = completed(list(run_all(training, [Plan(Injection(Fraction(2)))])))
    assert beside.steps == alone.steps
    (other,) = completed(list(run_all(training, [Plan(Injection(Fraction(3)))])))
    assert other.steps != alone.steps
    (bare,) = completed(list(run_all(training, [Plan(Injection(Fraction(2)), Watch(bits=False))])))
    assert len(bare.steps) == len(alone.steps)
    assert not any(step.digests for step in bare.steps)


def test_the_first_run_shows_what_is_kept(tmp_path: Path, shared: Nursery, capfd: pytest.CaptureFixture[str]):
    for output in ("stdout", "stderr", "nowhere"):
        run = script(tmp_path, shared).run(Injection(), Watch(output=True), output=output)
        out, err = capfd.readouterr()
        assert (out, err) == {"stdout": (run.output, ""), "stderr": ("", run.output), "nowhere": ("", "")}[output]
        assert "loss: " in run.output


def test_functions_run_one_after_the_other(capsys: pytest.CaptureFixture[str]):
    def train() -> float:
        examples.sgd()
        print("accuracy: 0.5")
        return 0.25

    plans = [Plan(Injection(), Watch(output=True, weights=True)), Plan(Injection(treatments=(Treatment("summation"),)))]
    first, second = completed(list(run_all(Function(train, "train"), plans)))
    assert (first.output, second.output) == ("accuracy: 0.5\n", "")
    assert first.returned == second.returned == {"": 0.25}
    assert first.weights is not None
    assert first.participants[0].formats == ("float32",)
    assert first.steps != second.steps, "rounded in another way"
    assert capsys.readouterr() == ("", "")


def test_what_fails_is_an_error_of_its_own(tmp_path: Path, shared: Nursery):
    failing = script(tmp_path, shared, "1/(step-3)")
    ((_, error),) = run_all(failing, [Plan(Injection())])
    assert isinstance(error, ScriptError)
    assert "ZeroDivisionError" in str(error)
    ((_, error),) = run_all(Function(examples.failing, "failing"), [Plan(Injection())])
    assert "the user's own mistake" in str(error)


def test_what_cannot_be_carried_out_is_refused(tmp_path: Path, shared: Nursery):
    with pytest.raises(InputError, match="there is no treatment"):
        list(run_all(script(tmp_path, shared), [Plan(Injection(treatments=(Treatment("nonsense"),)))]))


def test_a_run_that_does_not_end_is_ended(tmp_path: Path, shared: Nursery):
    hanging = script(tmp_path, shared, "time.sleep(300 * (step == 3))")
    begin = time.monotonic()
    ((_, error),) = run_all(hanging, [Plan(Injection())], limit=2.0)
    assert isinstance(error, ScriptError)
    assert "was still running after 2 s" in str(error)
    assert time.monotonic() - begin < 100


def test_a_batch_that_is_left_leaves_nothing_running(tmp_path: Path, shared: Nursery):
    """Only the first to come goes on; whoever comes later waits for a long time."""
    place = tmp_path / "first"
    late = script(tmp_path, shared, f"step == 0 and os.system('mkdir {place} 2>/dev/null') and time.sleep(300)")
    runs = run_all(late, [Plan(Injection())] * 2, workers=2)
    _, first = next(runs)
    assert isinstance(first, Run)
    runs.close()
    ((_, after),) = run_all(script(tmp_path, shared), [Plan(Injection())])
    assert isinstance(after, Run)
