import time
from pathlib import Path
from typing import Any

import pytest
import torch

from lossgauge.records.session import Session, Step
from lossgauge.records.treatment import Treatment
from lossgauge.trainings.nursery import Nursery
from lossgauge.trainings.order import GaugedRun
from lossgauge.trainings.script import Script
from lossgauge.trainings.training import Function
from lossgauge.trainings.trials import Trials

SCRIPT = """
import sys, time, torch
torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(8, 3)
for step in range(40):
    optimizer.zero_grad()
    loss = (model(x) - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
    if len(sys.argv) > 1:
        eval(sys.argv[1])
"""
PLANS = [[], [Treatment("setting", "lr", factor=0.1)], [Treatment("setting", "lr", value=0.0)]]


@pytest.fixture(scope="module")
def shared() -> Nursery:
    return Nursery()


def script(folder: Path, nursery: Nursery, *args: str) -> Script:
    (folder / "train.py").write_text(SCRIPT)
    return Script(str(folder / "train.py"), args, nursery)


def losses(session: Session | None) -> list[float]:
    assert session is not None
    return [step.losses[0] for step in session.steps]


def untouched(seconds: float = 1.0, **used: Any) -> GaugedRun:
    return GaugedRun("finished", 0, Path(), seconds, **used)


@pytest.mark.parametrize("workers", [1, 3])
def test_scripts_are_treated_side_by_side(tmp_path: Path, shared: Nursery, workers: int):
    told: list[tuple[list[int], int]] = []
    trials = Trials(
        script(tmp_path, shared), workers=workers, progress=lambda reached, steps: told.append((list(reached), steps))
    )
    same, slower, still = map(losses, trials(PLANS, 20))
    assert len(same) == len(slower) == len(still) == 20
    assert same[-1] < slower[-1] < still[-1] == still[0] == same[0]
    assert {steps for _, steps in told} == {20}
    assert max(len(reached) for reached, _ in told) <= workers


def test_functions_are_treated_one_after_the_other(capsys: pytest.CaptureFixture[str]):
    def train():
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(40):
            optimizer.zero_grad()
            (model(torch.ones(1, 3)) - 1).pow(2).mean().backward()
            optimizer.step()
            print("a step")
        return model

    same, slower, still = map(losses, Trials(Function(train, "train"))(PLANS, 20))
    assert len(same) == len(slower) == len(still) == 20
    assert same[-1] < slower[-1] < still[-1] == still[0] == same[0]
    assert capsys.readouterr() == ("", "")


def test_what_cannot_be_carried_out_makes_no_step_and_says_why(tmp_path: Path, shared: Nursery):
    plans = [[Treatment("setting", "lr")], [], [Treatment("nonsense")]]
    first, second, third = Trials(script(tmp_path, shared))(plans, 2)
    assert losses(first) == losses(third) == []
    assert len(losses(second)) == 2
    assert third is not None
    assert third.ending is not None
    assert "nonsense" in third.ending.detail
    first, second, third = Trials(Function(lambda: None, "train"))(plans, 2)
    assert (first, losses(second), third) == (None, [], None)


def test_a_failing_trial_keeps_its_steps(tmp_path: Path, shared: Nursery):
    (session,) = Trials(script(tmp_path, shared, "1/(step-4)"))([[]], 20)
    assert len(losses(session)) == 5
    assert session is not None
    assert session.ending is not None
    assert session.ending.reason == "failed"


def test_a_hanging_trial_is_killed_and_keeps_its_steps(
    tmp_path: Path, shared: Nursery, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lossgauge.trainings.trials.MARGIN", 10.0)
    begun = time.monotonic()
    trials = Trials(script(tmp_path, shared, "time.sleep(60 * (step == 3))"), untouched(0.5), 40)
    (session,) = trials([[]], 20)
    assert 10 < time.monotonic() - begun < 40
    assert session is not None
    assert session.ending is not None
    assert (session.ending.reason, session.ending.detail) == ("killed", "it was still running after 12 s")
    assert len(session.steps) >= 3


def test_a_longer_trial_has_more_time():
    trials = Trials(Function(lambda: None, "train"), untouched(100), 10)
    assert trials._limit(10) == trials._limit(5) == 320
    assert trials._limit(200) == 6020
    assert Trials(Function(lambda: None, "train"))._limit(5) is None


def test_each_trial_has_its_threads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: range(8))
    training = Function(lambda: None, "train")
    assert Trials(training, untouched(threads=2)).workers == 4
    assert Trials(training, untouched(threads=16)).workers == 1
    assert Trials(training, untouched(threads=1, accelerator=True)).workers == 1
    assert Trials(training).workers == 1


def test_an_interrupted_round_leaves_nothing_running(tmp_path: Path, shared: Nursery):
    def interrupt(reached: object, steps: int) -> None:
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt

    slow = script(tmp_path, shared, f"[__import__('pathlib').Path({str(tmp_path / 'pid')!r}).touch(), time.sleep(60)]")
    with pytest.raises(KeyboardInterrupt):
        Trials(slow, workers=2, progress=interrupt)([[], []], 20)
    (after,) = Trials(script(tmp_path, shared))([[]], 3)
    assert after is not None
    assert isinstance(after.steps[0], Step)
