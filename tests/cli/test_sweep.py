import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lossgauge.cli.main import run
from lossgauge.experiments.sweeping import lookup
from lossgauge.experiments.sweeping.executors.local import LocalExecutor
from lossgauge.laws.law import Law
from tests.experiments.sweeping.sweeps import table_law

Printed = pytest.CaptureFixture[str]
PLAN = """
model = "mlp-16-4-1"
loss = "mse"
data = "regression"
steps = 8
optimizer = ["sgd", "adam"]
[grid]
alpha = "2**-2..2**2 step 2**2"
lr = "2**-8..2**-4 step 2**2"
eps = ["1e-8", "2**-10"]
"""
LONG = bool(os.environ.get("LOSSGAUGE_ALL_CRASHES"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


def test_a_sweep_from_plan_to_table(here: Path, capsys: Printed):
    assert run(["sweep", "plan.toml", "--jobs", "1", "--audit", "3", "--json"]) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["schema"] == "lossgauge.sweep/1"
    assert {"settings", "distinct_runs", "reused", "engine", "seconds", "failed"} <= set(document)
    assert (document["settings"], document["distinct_runs"], document["reused"]) == (27, 5 + 18, 4)
    assert (document["failed"], document["audited"], document["store"]) == (0, 3, "plan.db")
    assert not printed.err

    assert run(["sweep", "plan.toml", "--store", "plan.db", "--resume"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "27 settings, 23 runs"
    assert max(map(len, lines)) <= 80

    assert run(["sweep", "export", "plan.db", "-o", "runs.csv"]) == 0
    assert capsys.readouterr().out == "27 rows in runs.csv\n"
    assert len((here / "runs.csv").read_text().splitlines()) == 28
    assert run(["sweep", "export", "plan.db", "-o", "runs.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "lossgauge.sweep-export/1",
        "rows": 27,
        "table": "runs.csv",
    }


def test_an_audit_of_a_sweep_that_reuses_nothing_is_not_passed_over(here: Path, capsys: Printed):
    alone = PLAN.replace("2**-2..2**2 step 2**2", "1").replace("2**-8..2**-4 step 2**2", "2**-8")
    (here / "plan.toml").write_text(alone.replace(', "adam"', "").replace("\neps =", "\n# eps ="))
    assert run(["sweep", "plan.toml", "--jobs", "1", "--audit", "4"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("1 setting, 1 run mlp")
    assert "no result is reused, so there is nothing to audit" in text
    assert run(["sweep", "plan.toml", "--jobs", "1", "--store", "other.db"]) == 0
    assert "audit" not in capsys.readouterr().out


def test_a_dry_run_leaves_nothing_behind(here: Path, capsys: Printed):
    assert run(["sweep", "plan.toml", "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["planned"], document["distinct_runs"]) == (True, 23)
    assert document["seconds"] > 0
    assert [path.name for path in here.iterdir()] == ["plan.toml"]


def test_an_audit_of_a_planted_wrong_law_fails_loudly(here: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    def wrong(self: Any, setting: Any) -> Law:
        law = table_law(setting.optimizer, {})
        return Law(law.target, law.verdict, {**law.exponents, "lr": -law.exponents["lr"]}, defaults=law.defaults)

    monkeypatch.setattr(lookup.LawLookup, "find", wrong)
    (here / "plan.toml").write_text(PLAN.replace(', "adam"', "").replace("\neps =", "\n# eps ="))
    assert run(["sweep", "plan.toml", "--jobs", "1", "--audit", "4"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "THE AUDIT FAILED: 4 of 4" in text
    assert "SGD at α = 1/4, lr" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep"], "no plan was given"),
        (["sweep", "missing.toml"], "cannot be read"),
        (["sweep", "plan.toml", "other"], "one argument too many"),
        (["sweep", "export"], "export needs a store"),
        (["sweep", "export", "none.db", "-o", "x.csv"], "there is no store"),
        (["sweep", "plan.toml", "--engine", "dask"], "expected local or ray"),
        (["sweep", "plan.toml", "--jobs", "0"], "jobs is 0"),
        (["sweep", "plan.toml", "--store", "missing/runs.db"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(here: Path, capsys: Printed, arguments: list[str], message: str):
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1


def test_interrupted_it_keeps_what_is_done_and_goes_on(here: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    real = LocalExecutor.run

    def interrupted(self: LocalExecutor, tasks: Any) -> Iterator[Any]:
        yield next(real(self, tasks))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalExecutor, "run", interrupted)
        assert run(["sweep", "plan.toml", "--store", "runs.db", "--jobs", "1"]) == 130
    printed = capsys.readouterr()
    assert printed.err == "lossgauge: interrupted; what is done is kept in runs.db, go on with --resume\n"
    assert not printed.out
    assert 0 < len(rows(here / "runs.db")["runs"]) < 23
    assert run(["sweep", "plan.toml", "--store", "runs.db", "--jobs", "1", "--resume", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["distinct_runs"] == len(rows(here / "runs.db")["runs"]) == 23


def rows(store: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(store)
    try:
        tables = ("plan", "settings", "tasks", "runs", "audits")
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables}
    finally:
        connection.close()


@pytest.fixture
def long(here: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a sweep of half a minute in a process of its own."""
    (here / "plan.toml").write_text(PLAN.replace("steps = 8", "steps = 60").replace("[grid]", "seeds = 12\n[grid]"))
    program = "import sys; from lossgauge.cli.main import main; main(sys.argv[1:])"

    def start(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", program, "sweep", "plan.toml", "--jobs", "2", "--audit", "4", *arguments]
        return subprocess.Popen(command, cwd=here, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return start


@pytest.mark.skipif(not LONG, reason="takes minutes; set LOSSGAUGE_ALL_CRASHES=1")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.timeout(3600)
def test_ended_at_random_moments_it_ends_with_the_same_rows(
    here: Path, long: Callable[..., "subprocess.Popen[str]"], number: signal.Signals
):
    begin = time.perf_counter()
    whole = long("--store", "whole.db")
    _, complaint = whole.communicate(timeout=600)
    assert whole.returncode == 0, complaint
    takes = time.perf_counter() - begin
    dice = random.Random(3)
    for moment in range(20):
        driver = long("--store", f"{moment}.db")
        time.sleep(takes * dice.random())
        driver.send_signal(number)
        driver.communicate(timeout=600)
        again = long("--store", f"{moment}.db", "--resume")
        _, complaint = again.communicate(timeout=600)
        assert again.returncode == 0, complaint
        assert rows(here / f"{moment}.db") == rows(here / "whole.db")
