"""Copies of a project that experiments work in."""

import gc
import os
from pathlib import Path

import pytest

from lossgauge.errors import InputError
from lossgauge.trainings import scratch
from lossgauge.trainings.scratch import Scratch, discard


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "home" / "project"
    for name in ("src/train.py", "data/x.csv", "setup.py", ".git/HEAD", "venv/pyvenv.cfg", "venv/bin/python"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "home" / "other").mkdir()
    (tmp_path / "home" / "other" / "y.csv").write_text("y")
    (root / "link").symlink_to("data")
    (root / "outside").symlink_to(tmp_path / "home" / "other")
    return root


def copies(project: Path, tmp_path: Path, folder: str = "src") -> tuple[Path, Path]:
    """The working folder of an experiment and the copy of the project it is in."""
    place = Scratch(project / folder).lay_out(tmp_path / "experiment")
    return place.folder, place.top


def test_what_is_written_in_a_copy_stays_there(project: Path, tmp_path: Path):
    folder, top = copies(project, tmp_path)
    assert (folder / "train.py").read_text() == "src/train.py"
    (folder / "train.py").write_text("changed")
    (folder / "../data/x.csv").write_text("changed")
    (top / "link" / "new.csv").write_text("new")
    assert (project / "src" / "train.py").read_text() == "src/train.py"
    assert sorted(os.listdir(project / "data")) == ["x.csv"]
    assert (project / "data" / "x.csv").read_text() == "data/x.csv"
    assert (top / "data" / "new.csv").exists()


def test_every_copy_is_of_the_project_as_it_was(project: Path, tmp_path: Path):
    kept = Scratch(project)
    (project / "data" / "x.csv").write_text("the user's run wrote this")
    (project / "best.pt").write_text("and this")
    for number in range(2):
        top = kept.lay_out(tmp_path / f"experiment{number}").top
        assert (top / "data" / "x.csv").read_text() == "data/x.csv"
        assert not (top / "best.pt").exists()
        (top / "best.pt").write_text("an experiment's own")


def test_the_times_of_files_stay_for_what_is_compiled_is_known_by_them(project: Path, tmp_path: Path):
    os.utime(project / "src" / "train.py", (1e9, 1e9))
    (project / "src" / "train.py").chmod(0o755)
    found = (copies(project, tmp_path)[0] / "train.py").stat()
    assert (found.st_mtime, found.st_mode & 0o777) == (1e9, 0o755)


def test_what_lies_beside_the_project_is_found(project: Path, tmp_path: Path):
    folder, top = copies(project, tmp_path)
    assert (folder / "../../other/y.csv").read_text() == "y"
    assert (top / "outside" / "y.csv").read_text() == "y"


def test_environments_and_repositories_are_linked(project: Path, tmp_path: Path):
    _, top = copies(project, tmp_path)
    assert Path(os.readlink(top / "venv")) == project / "venv"
    assert Path(os.readlink(top / ".git")) == project / ".git"


def test_a_folder_without_a_mark_is_copied_alone(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / "a" / "x.csv").write_text("x")
    place = Scratch(folder).lay_out(tmp_path / "experiment")
    assert place.folder == place.top
    assert Path(os.readlink(place.folder / "../x.csv")) == tmp_path / "a" / "x.csv"


def test_a_home_is_no_project(project: Path, monkeypatch: pytest.MonkeyPatch):
    assert Scratch(project / "src").root == project
    monkeypatch.setenv("HOME", str(project))
    assert Scratch(project / "src").root == project / "src"


def test_large_files_are_linked_unless_the_run_wrote_them(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("set.bin", "best.pt"):
        (project / name).write_bytes(bytes(1000))
    monkeypatch.setattr(scratch, "BYTES", 500)
    kept = Scratch(project)
    (project / "best.pt").write_bytes(bytes(2000))
    top = kept.lay_out(tmp_path / "experiment").top
    assert (top / "set.bin").is_symlink()
    assert not (top / "best.pt").is_symlink()
    assert not (top / "data" / "x.csv").is_symlink()


def test_folders_beyond_the_limit_are_linked(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(40):
        (project / "data" / f"{number}.csv").touch()
    monkeypatch.setattr(scratch, "ENTRIES", 30)
    _, top = copies(project, tmp_path)
    assert (top / "data").is_symlink()
    assert not (top / "src").is_symlink()


def test_unreadable_files_are_linked(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(file: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        kept = Scratch(project)
    assert (kept.lay_out(tmp_path / "experiment").top / "setup.py").is_symlink()


def test_paths_in_arguments_are_those_of_the_copy(project: Path, tmp_path: Path):
    place = Scratch(project).lay_out(tmp_path / "experiment")
    assert place.here(f"--out={project}/runs") == f"--out={place.top}/runs"
    assert place.here("--lr=1e-3") == "--lr=1e-3"


def test_nothing_is_left(project: Path, tmp_path: Path):
    kept = Scratch(project)
    place = tmp_path / "experiment"
    kept.lay_out(place)
    discard(place)
    assert os.listdir(place) == []
    store = kept._kept
    assert store.is_file()
    del kept
    gc.collect()
    assert not store.exists()


def test_no_place_for_a_copy_is_said(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = Scratch(project)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="set TMPDIR to a folder you may write to"):
        kept.lay_out(tmp_path / "file")
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(InputError, match="set TMPDIR to a folder you may write to"):
        Scratch(project)


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        Scratch(tmp_path / "gone")
