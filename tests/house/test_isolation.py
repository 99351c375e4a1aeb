"""Tests do not see what other tests loaded."""

import importlib
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [1, 2])
def test_a_module_of_one_test_is_not_there_for_the_next(tmp_path: Path, number: int):
    (tmp_path / "written_by_a_test.py").write_text(f"NUMBER = {number}\n")
    sys.path.insert(0, str(tmp_path))
    loaded = importlib.import_module("written_by_a_test")
    assert number == loaded.NUMBER
