"""The command `lossgauge thread`, with a session that is already over."""

import json
import sys
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

import lossgauge.verbs.thread
from lossgauge.cli.thread import thread_command
from tests.reports.thread_samples import asker, nadam, optimizers, untested

app = Typer()
app.command()(thread_command)


@pytest.fixture(autouse=True)
def _session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossgauge.verbs.thread, "thread", lambda output, progress: [nadam(), asker(), optimizers()])


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_json_is_one_document(tmp_path: Path):
    pytest.importorskip("vl_convert")
    result = call("--json", "--output", str(tmp_path))
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert set(document) == {"schema", "statements", "pictures", "seconds"}
    assert document["schema"] == "lossgauge.thread/1"
    assert [entry["number"] for entry in document["statements"]] == [4, 9, 10]
    assert len(document["pictures"]) == 6
    assert all(Path(path).is_file() for path in document["pictures"])
    assert result.stderr == ""


def test_no_pictures_means_none(tmp_path: Path):
    result = call("--no-pictures", "--output", str(tmp_path / "out"), "--json")
    assert json.loads(result.stdout)["pictures"] == []
    assert not (tmp_path / "out").exists()


def test_without_the_converter_there_is_a_line_and_a_result(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    result = call("--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["pictures"] == []
    assert result.stderr.strip().count("\n") == 0
    assert "lossgauge[pictures]" in result.stderr


def test_the_table_is_printed():
    result = call("--no-pictures")
    assert result.exit_code == 0
    assert "what this machine measured" in result.stdout


def test_a_statement_that_was_not_tested_is_told_by_the_exit_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lossgauge.verbs.thread, "thread", lambda output, progress: [nadam(), untested()])
    assert call("--no-pictures").exit_code == 1
