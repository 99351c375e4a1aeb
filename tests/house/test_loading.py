from pathlib import Path

import pytest

from tests.house.floors import FRAMEWORKS
from tests.house.loading import import_fresh, import_seconds
from tests.house.source import HOUSE

HEAVY = FRAMEWORKS | {"numpy", "rich", "typer"}
BUDGET = 0.1


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A package that loads a stand-in for torch and takes its time."""
    (tmp_path / "torch.py").touch()
    (tmp_path / "planted.py").write_text(f"import time, torch\ntime.sleep({2 * BUDGET})\n")
    return tmp_path


def test_importing_lossgauge_loads_no_framework():
    _, loaded = import_fresh("lossgauge", HOUSE.parent)
    assert "lossgauge" in loaded
    assert not loaded & HEAVY


def test_a_loaded_framework_is_caught(planted: Path):
    _, loaded = import_fresh("planted", planted)
    assert loaded & HEAVY == {"torch"}


def test_importing_lossgauge_is_quick():
    assert import_seconds("lossgauge", HOUSE.parent) < BUDGET


def test_a_slow_import_is_caught(planted: Path):
    assert import_seconds("planted", planted, times=1) > BUDGET
