import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import lossgauge
import lossgauge.laws.table
from lossgauge.cli import main as program
from lossgauge.cli.main import COMMANDS, describe, run
from lossgauge.errors import InputError, ScriptError
from tests.known_laws import TABLE
from tests.reports.samples import ADAM, BROKEN_PROOF, PROOF, RADAM

EXPLAIN = ["explain", "nadam", "--alpha", "1e5", "--set", "lr=2e-3", "--set", "max_norm=1"]
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def known_laws(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lossgauge.laws.table, "read_table", lambda: TABLE)
    monkeypatch.setenv("COLUMNS", "80")


def pretend(monkeypatch: pytest.MonkeyPatch, verb: str, answer: object) -> list[tuple[Any, ...]]:
    """Put a function in the place of a verb; it notes how it was called."""
    calls: list[tuple[Any, ...]] = []

    def called(*arguments: object, **options: object) -> object:
        calls.append((*arguments, options))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setitem(sys.modules, f"lossgauge.verbs.{verb}", SimpleNamespace(**{verb: called}))
    return calls


def record(plain: dict[str, object]) -> SimpleNamespace:
    return SimpleNamespace(to_dict=lambda: plain, verdict=plain["verdict"])


def test_json_is_one_document_and_nothing_else(capsys: Printed):
    assert run([*EXPLAIN, "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["equivalent"]["max_norm"] == 1e5
    assert not printed.err


def test_the_report_answers_first_and_fits(capsys: Printed):
    assert run(EXPLAIN) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "NAdam,"
    assert lines[0].split()[-1] == "CLOSE"
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)


def test_a_wide_terminal_is_not_filled(capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "300")
    run(EXPLAIN)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_a_broken_law_leaves_with_1(capsys: Printed):
    assert run(["explain", "radam", "--alpha", "8"]) == 1
    assert "BROKEN" in capsys.readouterr().out


def test_causes(capsys: Printed):
    assert run(["explain", "sgd", "--from", "sum", "--to", "mean", "--items", "256", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alpha"] == 1 / 256
    assert run(["explain", "sgd", "--accumulate", "8", "--world-size", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alpha"] == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "nadm", "--alpha", "2"],
        ["explain", "adam"],
        ["explain"],
        ["explain", "adam", "--alpha"],
        ["explain", "adam", "--alpha", "0"],
        ["explain", "adam", "--alpha", "-1"],
        ["explain", "adam", "--alpha", "nan"],
        ["explain", "adam", "--alpha", "1e300"],
        ["explain", "adam", "--alpha", "2", "--set", "epz=1"],
        ["explain", "adam", "--alpha", "2", "--set", "eps=x"],
        ["explain", "adam", "--alpha", "2", "--items", "many"],
        ["explain", "adam", "--alpha", "2", "--frm", "sum"],
        ["explain", "adam", "sgd", "--alpha", "2"],
        ["explian", "adam"],
        ["--nonsense"],
        ["laws", "--json", "--markdown"],
        ["discover"],
        ["prove"],
    ],
)
def test_bad_usage_is_one_line_on_standard_error(arguments: list[str], capsys: Printed):
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("lossgauge: ")
    assert printed.err.count("\n") == 1


def test_a_failed_script_shows_its_own_traceback(capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    error = ScriptError("train.py failed")
    error.__cause__ = ZeroDivisionError("in the user's code")
    pretend(monkeypatch, "prove", error)
    assert run(["prove", "train.py"]) == 3
    printed = capsys.readouterr().err
    assert "ZeroDivisionError: in the user's code" in printed
    assert printed.endswith("lossgauge: train.py failed\n")


def test_an_error_of_several_lines_becomes_one(capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    pretend(monkeypatch, "discover", InputError("first\n  second"))
    assert run(["discover", "x:y"]) == 2
    assert capsys.readouterr().err == "lossgauge: first second\n"


def test_our_own_mistakes_are_not_hidden(monkeypatch: pytest.MonkeyPatch):
    pretend(monkeypatch, "discover", KeyError("a bug"))
    with pytest.raises(KeyError):
        run(["discover", "x:y"])


def test_discover_passes_everything_on(capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    calls = pretend(monkeypatch, "discover", record(ADAM))
    assert run(["discover", "pkg:Mine", "--set", "nesterov=true"]) == 0
    assert calls == [("pkg:Mine", {"settings": {"nesterov": True}})]
    assert "EXACT" in capsys.readouterr().out


def test_discover_leaves_with_the_verdict(capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    pretend(monkeypatch, "discover", record(RADAM))
    assert run(["discover", "radam", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == RADAM


def test_prove_hands_unknown_options_to_the_script(capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    calls = pretend(monkeypatch, "prove", record(PROOF))
    assert run(["prove", "train.py", "--epochs", "1", "data", "--alpha", "2**10", "--", "--json"]) == 0
    ((target, given),) = calls
    assert (target, given["alpha"], given["args"]) == ("train.py", "2**10", ["--epochs", "1", "data", "--json"])
    assert "EXACT" in capsys.readouterr().out


def test_prove_keeps_standard_output_for_the_document(capsys: Printed, monkeypatch: pytest.MonkeyPatch):
    class Chatty:
        verdict = "BROKEN"

        def to_dict(self) -> dict[str, object]:
            return BROKEN_PROOF

    def prove(*_: object, **__: object) -> Chatty:
        print("epoch 1")
        return Chatty()

    monkeypatch.setitem(sys.modules, "lossgauge.verbs.prove", SimpleNamespace(prove=prove))
    assert run(["prove", "train.py", "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out) == BROKEN_PROOF
    assert printed.err == "epoch 1\n"


def test_laws(capsys: Printed):
    assert run(["laws"]) == 0
    table = capsys.readouterr().out
    assert "lr/α  weight_decay·α" in table
    assert max(map(len, table.splitlines())) <= 80
    assert run(["laws", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == len(TABLE)
    assert run(["laws", "--markdown"]) == 0
    assert "| `SGD` | `lr` −1, `weight_decay` +1 |" in capsys.readouterr().out


def test_version_and_bare_call(capsys: Printed):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"lossgauge {lossgauge.__version__}\n"
    assert run([]) == 0
    assert "explain" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command: str, capsys: Printed):
    assert run([command, "--help"]) == 0
    assert f"$ lossgauge {command}" in capsys.readouterr().out


def test_help_holds_no_arguments_of_the_function():
    def planted() -> None:
        """Do it.

        One sentence
        on two lines.

        Example:
            lossgauge planted
            lossgauge planted --twice

        Args:
            x: Not shown.
        """

    assert (
        describe(planted)
        == "Do it.\n\nOne sentence on two lines.\n\n\b\n$ lossgauge planted\n$ lossgauge planted --twice"
    )


def test_main_leaves_with_the_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(program, "run", lambda _: 1)
    with pytest.raises(SystemExit, match="1"):
        program.main([])
