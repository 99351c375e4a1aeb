"""The gauge changes nothing: what a training prints, leaves in every tensor, and draws at random is the same."""

from pathlib import Path

import pytest

from lossgauge.records.session import Session
from tests.trainings.running import Printed, both, gauged, python
from tests.trainings.trained import TRAINED

STEPS = {
    "plainly": 30, "with_threads_set": 3, "in_a_thread": 12, "in_a_thread_at_the_end": 12, "with_workers": 4,
    "with_spawned_workers": 4, "looking_for_torch_first": 5, "failing": 10, "failing_inside": 3, "failing_in_a_step": 0,
    "left": 4, "without_steps": 0, "broken": 6, "by_an_unknown_optimizer": 6, "in_a_fork": 0, "in_an_exit_function": 3,
}  # fmt: skip
REASONS = {
    "failing": ("failed", "ValueError: half way"),
    "failing_inside": ("failed", "RuntimeError: grad can be implicitly created only for scalar outputs"),
    "failing_in_a_step": ("failed", "KeyError: 'own'"),
    "left": ("failed", "it left with exit code 4"),
    "killed": ("killed", "the process was ended by SIGKILL; the last steps before it may be missing"),
    "left_at_once": (
        "killed",
        "the process left at once (os._exit) with exit code 0; the last steps before it may be missing",
    ),
}


def trained(way: str, tmp_path: Path) -> tuple[Printed, Printed, Session]:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "train.py").write_text(TRAINED[way])
    return both(folder, "train.py")


@pytest.mark.parametrize("way", TRAINED)
def test_a_training_is_the_same_under_the_gauge(way: str, tmp_path: Path):
    alone, under, session = trained(way, tmp_path)
    assert under == alone
    assert bool(alone.out) == (way != "failing_in_a_step")
    ending = session.ending
    assert ending is not None
    assert (ending.reason, ending.detail) == REASONS.get(way, ("finished", ""))
    assert ending.steps == (session.steps[-1].number if session.steps else 0)
    if way in STEPS:
        assert ending.steps == STEPS[way]
    else:
        assert ending.steps >= 8
    assert not [event.text for event in session.events if event.kind == "limit"]
    if session.steps:
        (optimizer, *_) = session.optimizers
        assert optimizer.law is not None
        assert "0.weight" in {tensor.name for tensor in session.tensors}


def test_steps_in_another_process_are_said_to_be_there(tmp_path: Path):
    _, _, session = trained("in_a_fork", tmp_path)
    (event,) = session.events
    assert event.kind == "process"


def test_a_changed_training_would_be_seen(tmp_path: Path):
    """The planted violations: one more number drawn, one more hook, another number of threads."""
    text = TRAINED["plainly"]
    (tmp_path / "train.py").write_text(text)
    printed = {python(tmp_path, "train.py").out}
    for change in (
        "torch.rand(1)",
        "random.random()",
        "model.register_forward_hook(print)",
        "torch.set_num_threads(2)",
    ):
        (tmp_path / "train.py").write_text(text.replace("; tell()", f"; {change}; tell()"))
        printed.add(python(tmp_path, "train.py").out)
    assert len(printed) == 5


def test_a_script_without_torch_is_recorded_too(tmp_path: Path):
    (tmp_path / "train.py").write_text("print('nothing to see')\n")
    printed, session = gauged(tmp_path, "train.py")
    assert (printed.out, printed.code) == ("nothing to see\n", 0)
    assert session.ending is not None
    assert (session.ending.reason, session.script, session.steps) == ("finished", "train.py", [])
    assert {"python", "torch", "lossgauge"} <= session.versions.keys()
