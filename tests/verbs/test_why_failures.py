"""Runs that fail: in each other's way, or for a reason that has nothing to do with their numbers."""

from pathlib import Path
from typing import Any

import pytest
import torch

import lossgauge
from lossgauge.laws.verdict import Verdict
from lossgauge.records.attribution import ATTRIBUTED
from tests.experiments.attributed import asked, training

LOCKING = """
import os
import time
import torch

handle = os.open("lock", os.O_CREAT | os.O_EXCL)
time.sleep(0.2)
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, weight_decay=1e-2)
for step in range(5):
    optimizer.zero_grad()
    model(torch.ones(8, 4)).pow(2).mean().backward()
    optimizer.step()
os.remove("lock")
"""


def test_runs_that_are_in_each_other_s_way_are_made_again_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(LOCKING)
    found = lossgauge.why("train.py", 2, jobs=4, output="nowhere")
    assert found.verdict == ATTRIBUTED
    assert sum(part.share for part in found.parts) == pytest.approx(1, abs=1e-9)
    assert not any("failed" in note for note in found.notes)


def test_a_run_that_fails_for_another_reason_is_no_divergence():
    calls: list[int] = []

    def train() -> Any:
        calls.append(1)
        if len(calls) >= 4:
            raise FileNotFoundError("the data are gone")
        return training(lambda p: torch.optim.SGD(p, lr=1e-2, weight_decay=1e-2))()

    found = asked(train, 2)
    assert found.verdict == Verdict.UNDECIDED
    assert "failed, as far as it says not because of its numbers: " in found.reason
    assert "the data are gone" in found.reason
