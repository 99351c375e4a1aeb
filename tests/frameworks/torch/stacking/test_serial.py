"""The plain loop is what every other tier is held against, so it is held against a loop written here."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from lossgauge.frameworks.torch.stacking.course import digest_of
from lossgauge.frameworks.torch.stacking.serial import needs_closure, run_serially
from lossgauge.frameworks.torch.stacking.workloads import load_material, regression
from lossgauge.records.sweep import Setting
from tests.frameworks.torch.stacking.workshop import SMALL

ADAM = "torch.optim:Adam"


def test_it_is_the_loop_a_user_would_write():
    torch.manual_seed(4)
    model = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.01)
    losses: list[float] = []
    batches = regression()
    for step in range(SMALL.steps):
        x, y = batches[step % len(batches)]
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        losses.append(loss.item())
        (loss * 0.25).backward()
        optimizer.step()
    setting = Setting("torch.optim:NAdam", {"lr": 0.01}, Fraction(1, 4), seed=4)
    outcome = run_serially(load_material(SMALL), setting)
    assert outcome.digest == digest_of(list(model.parameters()))
    assert outcome.curve == tuple(losses[mark - 1] for mark in SMALL.marks())
    assert outcome.final_loss == losses[-1]
    assert (outcome.status, outcome.engine, outcome.diverged_at) == ("finished", "serial", None)


def test_another_seed_or_setting_gives_another_digest():
    material = load_material(SMALL)
    settings = [Setting(ADAM), Setting(ADAM, seed=1), Setting(ADAM, {"lr": 2e-3}), Setting(ADAM, precision="bfloat16")]
    assert len({run_serially(material, setting).digest for setting in settings}) == 4


def test_a_divergence_is_recorded_at_its_step():
    outcome = run_serially(load_material(SMALL), Setting("torch.optim:SGD", {"lr": 1e9}))
    assert outcome.status == "diverged"
    assert outcome.diverged_at is not None
    assert 1 < outcome.diverged_at < SMALL.steps
    assert len(outcome.curve) == sum(mark <= outcome.diverged_at for mark in SMALL.marks())
    assert math.isnan(outcome.final_loss)
    assert outcome.digest == ""


@pytest.mark.parametrize("setting", [
    Setting(ADAM, {"lr": -1.0}), Setting(ADAM, {"learning": 1.0}), Setting("torch.optim:Adan"),
    Setting("torch.optim:SparseAdam"),
])  # fmt: skip
def test_what_cannot_run_fails_in_one_line(setting):
    outcome = run_serially(load_material(SMALL), setting)
    assert outcome.status == "failed"
    assert outcome.message
    assert "\n" not in outcome.message


def test_an_optimizer_with_a_line_search_gets_its_closure():
    assert needs_closure(torch.optim.LBFGS([torch.nn.Parameter(torch.ones(2))]))
    assert not needs_closure(torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1))
    outcome = run_serially(load_material(replace(SMALL, steps=4)), Setting("torch.optim:LBFGS", {"lr": 0.1}))
    assert outcome.status == "finished"
    assert outcome.curve[-1] < outcome.curve[0]
