"""What experiments may not do, tried in processes of their own: an audit hook stays until its process ends."""

import subprocess
import sys
from pathlib import Path

import pytest

GUARDED = """
import os, sys
from lossgauge.trainings.guard import guard
from lossgauge.frameworks.torch.saving import announce_saving
import torch
root = sys.argv[1]
guard(root)
announce_saving()
os.chdir(root)
try:
    {what}
except PermissionError as error:
    print("refused", error.filename)
"""
OVERWRITING = (
    'open("best.pt", "w")',
    'open("best.pt", "ab")',
    'os.open("best.pt", os.O_RDWR)',
    'torch.save({}, "best.pt")',
    'torch.save({}, open("best.pt", "r+b"))',
    'os.remove("best.pt")',
    'os.rename("new", "best.pt")',
    'os.truncate("best.pt", 0)',
    'open(os.path.join(root, "sub", "..", "best.pt"), "w")',
)


def tried(root: Path, what: str) -> str:
    (root / "best.pt").write_text("the user's")
    (root / "sub").mkdir()
    (root / ".cache").mkdir()
    (root / ".cache" / "lock").touch()
    code = GUARDED.format(what=what)
    found = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    return found.stdout.split(" ")[0].strip()


@pytest.mark.parametrize("what", OVERWRITING)
def test_files_of_the_project_are_not_overwritten(tmp_path: Path, what: str):
    assert tried(tmp_path, what) == "refused"
    assert (tmp_path / "best.pt").read_text() == "the user's"


@pytest.mark.parametrize(
    "what",
    [
        'open("best.pt").read()',
        'open("new", "w")',
        'open(".cache/lock", "w")',
        'torch.save({}, "new.pt"); torch.load("new.pt")',
        'os.mkdir("runs")',
        'os.rename("sub", "bus")',
    ],
)
def test_other_things_are_done(tmp_path: Path, what: str):
    assert tried(tmp_path, what) == ""


def test_files_outside_are_not_our_concern(tmp_path: Path):
    (tmp_path / "outside").touch()
    root = tmp_path / "project"
    root.mkdir()
    assert tried(root, 'open("../outside", "w").write("x")') == ""
    assert (tmp_path / "outside").read_text() == "x"
