"""Under the gauge a script is run as `python` runs it: same output, same errors, same exit code."""

from pathlib import Path

import pytest

from tests.trainings.running import both, gauged, python
from tests.trainings.ways import WAYS

ARGS = {"names": ("--epochs", "1", "--", "-x"), "options": ("--json", "-m", "x")}
STDIN = "first\nsecond\nthird\n"


@pytest.mark.parametrize("way", WAYS)
def test_a_script_cannot_tell(way: str, tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"{way}.py").write_text(WAYS[way])
    alone, under, _ = both(folder, f"{way}.py", ARGS.get(way, ()), stdin=STDIN)
    assert under == alone


def write_package(folder: Path) -> None:
    (folder / "own" / "inner").mkdir(parents=True)
    (folder / "own" / "__init__.py").write_text("NAME = 'own'\n")
    (folder / "own" / "inner" / "__init__.py").write_text("")
    (folder / "own" / "sibling.py").write_text("from . import NAME\n")
    (folder / "own" / "inner" / "part.py").write_text(WAYS["names"] + "from ..sibling import NAME\nprint(NAME)\n")
    (folder / "own" / "__main__.py").write_text("from .sibling import NAME\nprint(NAME, __package__)\n1/0\n")
    (folder / "own" / "spawning.py").write_text(WAYS["spawning"])
    (folder / "own" / "bad.py").write_text("from .missing import x\n")


@pytest.mark.parametrize("name", ["own.inner.part", "own", "own.spawning", "own.bad", "own.missing"])
def test_a_module_cannot_tell_either(name: str, tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_package(folder)
    alone, under, _ = both(folder, name, ("--json", "x"), module=True)
    assert under == alone


def test_a_script_behind_a_link_finds_its_neighbours(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "real" / "train.py").write_text("import neighbour, sys\nprint(__file__, sys.argv, sys.path[0])\n")
    (tmp_path / "real" / "neighbour.py").write_text("")
    (tmp_path / "folder" / "link.py").symlink_to(tmp_path / "real" / "train.py")
    alone, under, _ = both(tmp_path / "folder", "link.py")
    assert under == alone
    assert alone.code == 0


def test_a_difference_would_be_seen(tmp_path: Path):
    """The planted violation: a script that looks at what cannot be hidden."""
    (tmp_path / "train.py").write_text("import sys\nprint('lossgauge.errors' in sys.modules)\n")
    assert python(tmp_path, "train.py").out == "False\n"
    assert gauged(tmp_path, "train.py")[0].out == "True\n"
