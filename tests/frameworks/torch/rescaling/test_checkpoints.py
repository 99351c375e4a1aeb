import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.rescaling.checkpoints import (
    check_output,
    find_states,
    load_checkpoint,
    read_contents,
    save_checkpoint,
)
from lossgauge.frameworks.torch.rescaling.statedicts import is_optimizer_state, is_scaler_state, is_schedule_state

STATE: dict[str, Any] = {"state": {}, "param_groups": [{"params": [0], "lr": 1.0}]}
SCHEDULE: dict[str, Any] = {"last_epoch": 3, "_last_lr": [1.0]}
SCALER: dict[str, Any] = {"scale": 8.0, "growth_factor": 2.0, "backoff_factor": 0.5}


class Planted:
    """Something only code can rebuild."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("planted"),))


@pytest.mark.parametrize("modern", [True, False])
def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modern: bool):
    monkeypatch.chdir(tmp_path)
    torch.save({"optimizer": STATE, "extra": Planted()}, "run.pt", _use_new_zipfile_serialization=modern)
    with pytest.raises(
        InputError, match=r"run.pt would have to be unpickled \(\S+ is in it\), which lossgauge never does"
    ):
        load_checkpoint("run.pt")
    assert not Path("planted").exists()
    torch.load("run.pt", weights_only=False)
    assert Path("planted").exists(), "this test can fail"


@pytest.mark.parametrize("content", [b"", b"hello world", bytes(range(256)), b'{"a": 1}', b"PK\x03\x04"])
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged, or is no checkpoint") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_other_archives_and_half_files_are_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "archive.pt", "w") as archive:
        archive.writestr("a", "b")
    torch.save(torch.ones(1000), tmp_path / "whole.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:2000])
    for name in ("archive.pt", "half.pt"):
        with pytest.raises(InputError, match="damaged"):
            load_checkpoint(tmp_path / name)
    for name in ("missing.pt", "."):
        with pytest.raises(InputError, match="is no file"):
            load_checkpoint(tmp_path / name)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(content: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    save_checkpoint({"a": torch.ones(2)}, tmp_path / "new.pt")
    assert torch.equal(torch.load(tmp_path / "new.pt")["a"], torch.ones(2))
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(InputError, match="cannot be written: No space left"):
        save_checkpoint({}, tmp_path / "other.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["new.pt"]


def test_no_file_is_overwritten(tmp_path: Path):
    (tmp_path / "old.pt").write_text("precious")
    with pytest.raises(InputError, match=r"old.pt exists and is not overwritten"):
        save_checkpoint({}, tmp_path / "old.pt")
    assert (tmp_path / "old.pt").read_text() == "precious"
    with pytest.raises(InputError, match=r"folder of .* does not exist"):
        check_output(tmp_path / "nowhere" / "new.pt")


def test_state_dicts_are_recognised_by_what_is_in_them():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight])
    schedules = torch.optim.lr_scheduler
    made = [schedules.StepLR(optimizer, 3), schedules.ReduceLROnPlateau(optimizer)]
    chain = schedules.SequentialLR(optimizer, [schedules.StepLR(optimizer, 3), schedules.StepLR(optimizer, 3)], [2])
    scaler = torch.amp.GradScaler("cpu")
    content = {
        "model": torch.nn.Linear(2, 2).state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedulers": [one.state_dict() for one in [*made, chain]],
        "amp": {"scaler": scaler.state_dict()},
        "state": {"epoch": 3},
    }
    assert [name for name, _ in find_states(content, is_optimizer_state)] == ["optimizer"]
    assert [name for name, _ in find_states(content, is_schedule_state)] == [f"schedulers.{i}" for i in range(3)]
    assert [name for name, _ in find_states(content, is_scaler_state)] == ["amp.scaler"]
    assert [name for name, _ in find_states(optimizer.state_dict(), is_optimizer_state)] == [""]


def test_the_optimizer_is_found_with_its_companions():
    content = {"optimizer": STATE, "schedule": SCHEDULE, "scaler": SCALER, "epoch": 3}
    assert read_contents(content, "run.pt", None) == (STATE, [SCHEDULE], SCALER, [])
    assert read_contents(content, "run.pt", "optimizer")[0] is STATE
    assert read_contents(STATE, "run.pt", None) == (STATE, [], None, [])


def test_companions_of_several_optimizers_are_named_and_left():
    content = {"states": [STATE, {**STATE}], "schedule": SCHEDULE, "scaler": SCALER}
    chosen, schedules, scaler, left = read_contents(content, "run.pt", "states.0")
    assert chosen is STATE
    assert (schedules, scaler, left) == ([], None, ["scaler", "schedule"])


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ({"model": {"weight": 1}}, None, "run.pt holds no optimizer; expected the state_dict"),
        (3, None, "holds no optimizer"),
        ({"a": STATE, "b": {"c": STATE}}, None, r"holds 2 optimizers \(a, b.c\); choose one with key"),
        ({"a": STATE}, "b", "holds no optimizer under 'b'; it has a"),
        (STATE, "b", "it has the whole file"),
        ({"a": STATE, "x": SCALER, "y": SCALER}, None, r"holds 2 scalers \(x, y\)"),
    ],
)
def test_what_cannot_be_chosen_is_refused(content: Any, key: str | None, message: str):
    with pytest.raises(InputError, match=message):
        read_contents(content, "run.pt", key)
