"""`explain` answers from the table: without a framework, and within half a second of process time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.floors import FRAMEWORKS
from tests.house.source import HOUSE, ROOT

BUDGET = 0.5
PROGRAM = """
import sys, time
import lossgauge.laws.table
from tests.known_laws import TABLE
lossgauge.laws.table.read_table = lambda: TABLE
{planted}
from lossgauge.cli.main import run
code = run(["explain", "nadam", "--alpha", "1e5", "--json"])
loaded = sorted({{name.split(".")[0] for name in sys.modules}})
print(code, time.process_time(), *loaded, file=sys.stderr)
"""


def explain_fresh(planted: str = "") -> tuple[int, float, set[str]]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(planted=planted)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HOUSE.parent), str(ROOT)])},
        capture_output=True,
        text=True,
        check=True,
    )
    code, seconds, *loaded = run.stderr.split()
    return int(code), float(seconds), set(loaded)


@pytest.fixture(scope="module")
def runs() -> list[tuple[int, float, set[str]]]:
    return [explain_fresh() for _ in range(3)]


def test_no_framework_is_loaded(runs: list[tuple[int, float, set[str]]]):
    for code, _, loaded in runs:
        assert code == 0
        assert "lossgauge" in loaded
        assert not loaded & (FRAMEWORKS | {"numpy"})


def test_it_is_quick(runs: list[tuple[int, float, set[str]]]):
    assert min(seconds for _, seconds, _ in runs) < BUDGET


def test_a_loaded_framework_and_a_slow_start_are_caught(tmp_path: Path):
    (tmp_path / "jax.py").touch()
    busy = f"start = time.process_time()\nwhile time.process_time() < start + {BUDGET}: pass"
    _, seconds, loaded = explain_fresh(f"sys.path.insert(0, {str(tmp_path)!r})\nimport jax\n{busy}")
    assert loaded & FRAMEWORKS == {"jax"}
    assert seconds > BUDGET
