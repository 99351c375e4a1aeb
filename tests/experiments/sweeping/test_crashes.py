"""A driver killed at any moment loses nothing: going on gives exactly the rows of an undisturbed sweep."""

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiments.sweeping import crashing
from tests.experiments.sweeping.sweeps import share
from tests.house.source import ROOT

MOMENTS = 20 if os.environ.get("LOSSGAUGE_ALL_CRASHES") else 6
TABLES = ("plan", "settings", "tasks", "runs", "audits")


def content(store: Path) -> dict[str, list[object]]:
    connection = sqlite3.connect(store)
    try:
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES}
    finally:
        connection.close()


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., int | None]:
    """Drives a store; gives the number of statements it took, or None where it was killed."""
    shares = tmp_path_factory.mktemp("crashes") / "shares.json"
    shares.write_text(json.dumps([vars(one) for one in share(crashing.plan(), audited=True)]))

    def started(store: Path, statement: int, *words: str) -> int | None:
        command = [sys.executable, "-m", crashing.__name__, str(store), str(shares), str(statement), *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
        assert done.returncode in (0, -9), done.stderr
        return int(done.stdout) if done.returncode == 0 else None

    return started


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, drive: Callable[..., int | None]) -> tuple[Path, int]:
    store = tmp_path_factory.mktemp("whole") / "runs.db"
    statements = drive(store, -1)
    assert statements is not None
    return store, statements


def test_the_undisturbed_sweep_has_all_parts(undisturbed: tuple[Path, int]):
    rows = content(undisturbed[0])
    assert {str(task[1]) for task in rows["tasks"]} == {"1-runs", "2-trials", "4-audit"}  # pyright: ignore[reportIndexIssue]
    assert len(rows["audits"]) == crashing.AUDITS


def test_killed_again_and_again_it_has_the_same_rows_in_the_end(
    tmp_path: Path, undisturbed: tuple[Path, int], drive: Callable[..., int | None]
):
    whole, statements = undisturbed
    dice = random.Random(5)
    kills = 0
    for sweep in range(MOMENTS):
        store = tmp_path / f"{sweep}.db"
        moments = [dice.randrange(statements) for _ in range(1 + sweep % 2)]
        for moment in moments:
            if drive(store, moment) is not None:
                break
            kills += 1
        _go_on(drive, store, whole)
    assert kills >= MOMENTS


def test_a_store_that_forgets_is_caught(
    tmp_path: Path, undisturbed: tuple[Path, int], drive: Callable[..., int | None]
):
    """The planted violation: two transactions where there has to be one, and a kill between them."""
    store = tmp_path / "runs.db"
    assert drive(store, -1, "broken") is None
    with pytest.raises(AssertionError):
        _go_on(drive, store, undisturbed[0])


def _go_on(drive: Callable[..., int | None], store: Path, whole: Path) -> None:
    drive(store, -1)
    assert content(store) == content(whole)
