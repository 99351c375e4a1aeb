import io
import json
import sys

import pytest
from rich.text import Text

from lossgauge.cli.printing import answer, exit_code, status, working
from lossgauge.laws.verdict import Verdict


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("verdict", "code"), [(v, int(v in (Verdict.BROKEN, Verdict.UNDECIDED))) for v in Verdict])
def test_exit_codes(verdict: Verdict, code: int):
    assert exit_code(verdict) == exit_code(str(verdict)) == code


def test_json_keeps_letters_and_writes_infinities_as_text(capsys: pytest.CaptureFixture[str]):
    answer({"α": 1.5}, lambda _: Text("unused"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"α": 1.5}
    answer({"x": float("inf")}, lambda _: Text("unused"), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"x": "inf"}


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch):
    def printed() -> str:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        answer({}, lambda _: Text("EXACT", style="bold green"), as_json=False)
        return terminal.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;32m" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "32m" not in printed()


def test_waiting_is_silent_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    with working("studying"):
        pass
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with working("studying"):
        pass
    assert "studying" in terminal.getvalue()


def test_a_status_is_shown_only_on_a_terminal_and_only_once_there_is_one(monkeypatch: pytest.MonkeyPatch):
    quiet, terminal = io.StringIO(), Terminal()
    monkeypatch.setattr(sys, "stderr", quiet)
    with status() as tell:
        tell("trying [eps]: step 3 of 9")
    assert not quiet.getvalue()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with status() as tell:
        assert not terminal.getvalue()
        tell("trying [eps]: step 3 of 9")
    assert "trying [eps]: step 3 of 9" in terminal.getvalue()
