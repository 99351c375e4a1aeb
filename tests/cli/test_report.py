"""The command `lossgauge report`, on sessions that were saved."""

import json
import sys
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from lossgauge.cli.report import report_command
from lossgauge.errors import InputError
from lossgauge.records.journal import write_session
from lossgauge.records.session import Session
from lossgauge.verbs.report import report
from tests.reports.sessions import eps_dominated

app = Typer()
app.command()(report_command)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "train.session"
    write_session(eps_dominated()[0], path)
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_terminal_report(saved: Path):
    result = call(saved)
    assert result.stdout.splitlines()[0].startswith("train.py  1200 steps")
    assert "eps-dominates" in result.stdout
    assert result.exit_code == 1, "a fault was found"


def test_json_is_one_document(saved: Path):
    document = json.loads(call(saved, "--json").stdout)
    assert document["schema"] == "lossgauge.diagnosis/1"
    assert document["findings"][0]["name"] == "eps-dominates"


def test_the_page_is_written_instead(saved: Path, tmp_path: Path):
    pytest.importorskip("vl_convert")
    page = tmp_path / "report.html"
    result = call(saved, "-o", page)
    assert result.stdout.startswith(f"{page}: eps-dominates")
    assert result.stdout.count("\n") == 1
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    document = json.loads(call(saved, "-o", page, "--json").stdout)
    assert document["healthy"] is False


def test_nothing_found_is_exit_code_0(tmp_path: Path):
    path = tmp_path / "empty.session"
    write_session(Session("a.py"), path)
    assert call(path).exit_code == 0


def test_bad_input(tmp_path: Path):
    (tmp_path / "no.session").write_text("hello\n")
    for path in (tmp_path / "missing", tmp_path / "no.session"):
        with pytest.raises(InputError, match=r"session"):
            report(path)
    with pytest.raises(InputError, match="a report was asked of int, expected a session"):
        report(3)


def test_the_verb_takes_a_session_its_file_or_what_holds_one(saved: Path):
    session = eps_dominated()[0]
    holder = type("Watch", (), {"session": session})()
    names = [report(given).findings[0].name for given in (session, saved, str(saved), holder)]
    assert set(names) == {"eps-dominates"}


def test_it_needs_no_torch(saved: Path, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert report(saved).findings[0].name == "eps-dominates"
