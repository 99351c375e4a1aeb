"""Experiments leave what the user has alone: scripts that save, resume, and make folders that must not exist yet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lossgauge.errors import InputError, ScriptError
from lossgauge.records.attribution import ATTRIBUTED
from lossgauge.verbs.diagnose import diagnose
from lossgauge.verbs.prove import prove
from lossgauge.verbs.run import run
from lossgauge.verbs.why import why

SCRIPT = """
import os, sys, torch
from helpers import scale
os.mkdir("out")
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-2)
begin = torch.load("best.pt")["step"] + 1 if os.path.exists("best.pt") else 0
for step in range(begin, 150):
    optimizer.zero_grad()
    x = torch.randn(32, 4)
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    (scale * loss).backward()
    optimizer.step()
    if step % 10 == 9:
        torch.save({"step": step, "weights": model.state_dict()}, "best.pt")
with open("out/log.txt", "a") as file:
    file.write(f"{loss.item()}\\n")
"""
BY_FULL_PATH = SCRIPT.replace('"best.pt")\nwith', 'os.environ["HOME"] + "/best.pt")\nwith')


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "helpers.py").write_text("scale = 1e-5\n")
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "kept.jsonl"
    }


def test_remedies_are_tried_elsewhere(project: Path):
    assert run("train.py").code == 1  # nothing moves, and no trial is needed to see that
    alone = content(project)
    (project / "best.pt").unlink()
    (project / "out" / "log.txt").unlink()
    (project / "out").rmdir()
    result = run("train.py", confirm=True, trials=2)
    assert result.diagnosis.findings[0].remedy.verified is True
    assert all(trial.steps == 150 for trial in result.session.trials)
    assert content(project) == alone
    assert torch.load("best.pt")["step"] == 149


def test_a_session_s_script_is_tried_elsewhere_too(project: Path):
    run("train.py", session="kept.jsonl")
    (project / "best.pt").unlink()
    (project / "out" / "log.txt").unlink()
    (project / "out").rmdir()
    before = content(project)
    assert diagnose("kept.jsonl", retry="train.py", trials=1).findings[0].remedy.verified is True
    assert content(project) == before


@pytest.mark.parametrize("verb", [why, prove])
def test_nothing_is_written_by_what_only_asks(project: Path, verb: Callable[..., Any]):
    before = content(project)
    verb("train.py", 4.0, output="nowhere")
    assert content(project) == before


def test_a_file_that_is_named_by_its_full_path_is_left_alone_and_the_trial_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(project))
    (project / "train.py").write_text(BY_FULL_PATH)
    result = run("train.py", confirm=True, trials=1)
    assert torch.load("best.pt")["step"] == 149
    (trial,) = result.session.trials
    assert not trial.conclusive
    assert "an experiment works in a copy of the project" in trial.note


def test_a_failure_is_told_in_the_words_of_the_project(project: Path):
    (project / "train.py").write_text("open('missing.csv')\n")
    with pytest.raises(ScriptError) as error:
        prove("train.py", 4.0, output="nowhere")
    assert f'{project / "train.py"}", line 1' in str(error.value.__cause__)


@pytest.mark.parametrize("verb", [why, prove])
def test_modules_are_run_as_modules(project: Path, verb: Callable[..., Any]):
    (project / "package").mkdir()
    (project / "package" / "__init__.py").touch()
    (project / "package" / "helpers.py").write_text("scale = 1e-5\n")
    (project / "package" / "__main__.py").write_text(SCRIPT.replace("from helpers", "from .helpers"))
    found = verb("package", 4.0, module=True, output="nowhere")
    assert str(found.verdict) in ("EXACT", ATTRIBUTED)
    assert not (project / "best.pt").exists()
    with pytest.raises(InputError, match="there is no module 'nothing'"):
        verb("nothing", 4.0, module=True)
