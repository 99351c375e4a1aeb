import os
import subprocess
import sys
from pathlib import Path

import pytest

import lossgauge
from tests.house.floors import (
    beyond_standard_library,
    door_used_inside,
    frameworks_named,
    hidden_names,
    rooms_without_tests,
)
from tests.house.source import HOUSE, ROOT

CONTRACTS = {
    "floors": "A room imports only from rows below it",
    "frameworks": "Only lossgauge.frameworks imports a framework",
    "units": "lossgauge.units imports only the standard library",
    "cycles": "No import cycle",
}


def broken_contracts(source: Path) -> set[str]:
    """The contracts of pyproject.toml that the package `lossgauge` in the folder breaks."""
    run = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = {
        name: line.removeprefix(title).split()[0]
        for line in run.stdout.splitlines()
        for name, title in CONTRACTS.items()
        if line.startswith(title) and line.removeprefix(title).split()
    }
    assert verdicts.keys() == CONTRACTS.keys(), run.stdout + run.stderr
    assert set(verdicts.values()) <= {"KEPT", "BROKEN"}
    assert (run.returncode == 0) == ("BROKEN" not in verdicts.values())
    return {name for name, verdict in verdicts.items() if verdict == "BROKEN"}


@pytest.fixture
def empty_house(tmp_path: Path) -> Path:
    for room in ("verbs", "discovery", "experiments", "frameworks", "laws", "units"):
        (tmp_path / "lossgauge" / room).mkdir(parents=True)
        (tmp_path / "lossgauge" / room / "__init__.py").touch()
    (tmp_path / "lossgauge" / "errors.py").touch()
    (tmp_path / "lossgauge" / "__init__.py").write_text("from lossgauge.verbs import explain")
    return tmp_path


def test_the_contracts_are_kept():
    assert not broken_contracts(HOUSE.parent)


def test_an_empty_house_keeps_them(empty_house: Path):
    (empty_house / "lossgauge" / "frameworks" / "torch.py").write_text("import torch")
    assert not broken_contracts(empty_house)


@pytest.mark.parametrize(
    ("files", "contract"),
    [
        ({"laws/a.py": "import lossgauge.verbs"}, "floors"),
        ({"laws/a.py": "from lossgauge import explain"}, "floors"),
        ({"discovery/a.py": "def f():\n    import lossgauge.experiments"}, "floors"),
        ({"attic/__init__.py": ""}, "floors"),
        ({"laws/a.py": "import torch.nn"}, "frameworks"),
        ({"units/a.py": "import numpy"}, "units"),
        ({"laws/a.py": "import lossgauge.laws.b", "laws/b.py": "import lossgauge.laws.a"}, "cycles"),
    ],
)
def test_a_broken_contract_is_caught(empty_house: Path, files: dict[str, str], contract: str):
    for place, code in files.items():
        planted = empty_house / "lossgauge" / place
        planted.parent.mkdir(exist_ok=True)
        planted.write_text(code)
    assert contract in broken_contracts(empty_house)


def test_frameworks_are_named_in_their_room_only():
    assert not frameworks_named(HOUSE)


@pytest.mark.parametrize(
    "code",
    ["import torch", "from torch.optim import SGD", "import importlib\nimportlib.import_module('jax.numpy')"],
)
def test_a_named_framework_is_caught(tmp_path: Path, code: str):
    for room in ("laws", "frameworks"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "planted.py").write_text(code)
    assert [Path(line.split(":")[0]).parent.name for line in frameworks_named(tmp_path)] == ["laws"]


def test_units_use_the_standard_library_only():
    assert not beyond_standard_library(HOUSE / "units")


@pytest.mark.parametrize("module", ["sympy", "lossgauge.errors", "lossgauge.units_of_others"])
def test_what_is_not_the_standard_library_is_caught(tmp_path: Path, module: str):
    room = tmp_path / "lossgauge" / "units"
    room.mkdir(parents=True)
    (room / "planted.py").write_text(f"import fractions\nimport lossgauge.units.rational\nimport {module}\n")
    assert [line.split()[-1] for line in beyond_standard_library(room)] == [module]


def test_no_file_uses_the_door():
    assert not door_used_inside(HOUSE)


def test_a_file_that_uses_the_door_is_caught(tmp_path: Path):
    house = tmp_path / "lossgauge"
    house.mkdir()
    (house / "planted.py").write_text("from lossgauge import explain\nimport lossgauge.laws\n")
    assert len(door_used_inside(house)) == 1


def test_no_room_hides_a_name_of_the_door():
    assert not hidden_names(HOUSE, lossgauge.__all__)


def test_a_room_that_hides_a_name_is_caught(tmp_path: Path):
    (tmp_path / "thread").mkdir()
    (tmp_path / "thread" / "__init__.py").touch()
    (tmp_path / "prove.py").touch()
    assert hidden_names(tmp_path, lossgauge.__all__) == {"thread", "prove"}


def test_every_room_has_tests():
    assert not rooms_without_tests(HOUSE, ROOT / "tests")


def test_a_room_without_tests_is_caught(tmp_path: Path):
    for place in ("house/laws/law.py", "house/units/a.py", "house/errors.py", "tests/units/test_a.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    assert rooms_without_tests(tmp_path / "house", tmp_path / "tests") == {"laws", "errors"}
