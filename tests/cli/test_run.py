"""`lossgauge run` and `lossgauge diagnose`, as one would type them, on scripts of one's own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lossgauge.cli.main import run
from lossgauge.records.diagnosis import Diagnosis
from lossgauge.records.journal import read_session, write_session
from lossgauge.records.session import Ending, Session, Step

PROGRAM = "import sys; sys.path.pop(0); from lossgauge.cli.main import main; main()"
SCRIPT = """
import sys
import torch

torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps={eps})
for step in range(150):
    optimizer.zero_grad()
    x = torch.randn(32, 4)
    loss = 1e-5 * (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    loss.backward()
    optimizer.step()
{last}
print("trained", sys.argv[1:])
"""
Printed = pytest.CaptureFixture[str]


def lossgauge(folder: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *args],
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def write(folder: Path, eps: str = "1e-8", last: str = "") -> None:
    (folder / "train.py").write_text(SCRIPT.format(eps=eps, last=last))


def test_one_document_and_the_exit_code_of_a_healthy_script(tmp_path: Path):
    write(tmp_path, eps="1e-12", last="print(input())")
    done = lossgauge(
        tmp_path, "run", "--json", "train.py", "--json", "--session", "x", "--", "-m", stdin="from stdin\n"
    )
    document = json.loads(done.stdout)
    assert (document["healthy"], document["script"], document["steps"]) == (True, "train.py", 150)
    assert done.returncode == 0
    assert done.stderr == "from stdin\ntrained ['--json', '--session', 'x', '--', '-m']\n"
    assert sorted(os.listdir(tmp_path)) == ["train.py"]


def test_a_fault_is_found_and_its_remedy_tried(tmp_path: Path):
    write(tmp_path, eps="1e-2")
    done = lossgauge(tmp_path, "run", "--confirm", "--session", "kept.jsonl", "train.py")
    assert done.returncode == 1
    assert done.stdout.startswith("trained []\ntrain.py  150 steps")
    assert "eps-dominates" in done.stdout
    assert "✓ tried" in done.stdout
    assert not done.stderr
    session = read_session(tmp_path / "kept.jsonl")
    assert len(session.steps) == 150
    assert [trial for trial in session.trials if trial.helped]
    again = lossgauge(tmp_path, "diagnose", "kept.jsonl", "--json")
    assert again.returncode == 1
    (first, *_) = json.loads(again.stdout)["findings"]
    assert (first["name"], first["remedy"]["verified"]) == ("eps-dominates", True)


def test_a_failing_script_is_diagnosed_as_far_as_it_came(tmp_path: Path):
    write(tmp_path, last="1 / 0")
    done = lossgauge(tmp_path, "run", "--json", "train.py")
    assert done.returncode == 3
    assert json.loads(done.stdout)["steps"] == 150
    trace, _, said = done.stderr.rpartition("lossgauge: ")
    alone = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100
    )
    assert trace == alone.stderr
    start, _, place = said.strip().rpartition(" ")
    assert start == "train.py: ZeroDivisionError: division by zero; what was recorded is in"
    assert len(read_session(place).steps) == 150
    Path(place).unlink()
    Path(place).parent.rmdir()


def test_a_module_with_relative_imports(tmp_path: Path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").touch()
    (tmp_path / "own" / "parts.py").write_text("WORD = 'own'\n")
    (tmp_path / "own" / "train.py").write_text("import sys\nfrom .parts import WORD\nprint(WORD, sys.argv[1:])\n")
    done = lossgauge(tmp_path, "run", "-m", "own.train", "-m", "--json")
    assert done.returncode == 0
    assert done.stdout.startswith("own ['-m', '--json']\n-m own.train  0 steps")


def test_nothing_is_written_to_the_current_folder(tmp_path: Path):
    """In /proc nobody may write, not even root."""
    write(tmp_path, eps="1e-12")
    done = lossgauge(Path("/proc/self"), "run", "--json", str(tmp_path / "train.py"))
    assert done.returncode == 0
    assert json.loads(done.stdout)["steps"] == 150


def test_diagnosing_needs_no_framework(tmp_path: Path):
    write_session(Session("train.py", ending=Ending("finished")), tmp_path / "session.jsonl")
    planted = "import sys; sys.modules['torch'] = None; " + PROGRAM
    done = subprocess.run(
        [sys.executable, "-c", planted, "diagnose", str(tmp_path / "session.jsonl")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "No optimizer step was seen" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.py"], "there is no script 'nowhere.py'"),
        (["run", "own.module"], "for a module write -m own.module"),
        (["run", "-m", "own.module"], "there is no module 'own'"),
        (["run", "-m", "train.py"], "a script is run without -m"),
        (["run", "."], "there is no script '.'"),
        (["run"], "Missing argument"),
        (["run", "--confrim", "train.py"], "No such option"),
        (["run", "--trials", "0", "train.py"], "trials is 0"),
        (["run", "--steps", "-3", "train.py"], "steps is -3"),
        (["run", "--session", "/proc/self/x", "train.py"], "the session cannot be written to"),
        (["run", "--session", "train.py", "train.py"], "'train.py' exists and is no session"),
        (["run", "--html", "/proc/self/x.html", "train.py"], "the report cannot be written to"),
        (["diagnose", "nowhere.jsonl"], "no session can be read from"),
        (["diagnose", "train.py"], "'train.py' is no session"),
        (["diagnose"], "Missing argument"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("raise RuntimeError('it was run')\n")
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert (tmp_path / "train.py").read_text()


def test_everything_is_handed_to_the_verb(monkeypatch: pytest.MonkeyPatch, capsys: Printed, tmp_path: Path):
    calls: list[tuple[Any, ...]] = []

    def called(script: str, args: Sequence[str], **options: object) -> SimpleNamespace:
        options.pop("notify")
        calls.append((script, list(args), options))
        return SimpleNamespace(
            diagnosis=Diagnosis("train.py", 3, ()), session=Session(), code=130, ending="", path=None
        )

    monkeypatch.setitem(sys.modules, "lossgauge.verbs.run", SimpleNamespace(run=called))
    given = ["--confirm", "--session", "s", "--trials", "3", "--steps", "9", "-m", "own", "--trials", "x", "y", "-h"]
    assert run(["run", *given]) == 130
    options = {"module": True, "confirm": True, "session": "s", "trials": 3, "steps": 9, "output": "stdout"}
    assert calls == [("own", ["--trials", "x", "y", "-h"], options)]
    assert capsys.readouterr().out.startswith("train.py  3 steps")
    assert run(["run", "--json", "train.py"]) == 130
    assert calls[1][2]["output"] == "stderr"
    assert json.loads(capsys.readouterr().out)["script"] == "train.py"


def test_a_report_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed):
    pytest.importorskip("vl_convert")
    monkeypatch.chdir(tmp_path)
    session = Session("train.py", steps=[Step(1, losses=(1.0,))], ending=Ending("finished", steps=1))
    write_session(session, "session.jsonl")
    assert run(["diagnose", "session.jsonl", "--html", "report.html"]) == 0
    assert "train.py" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("command", [["run", "--html", "train.py", "train.py"], ["report", "s.jsonl", "-o", "train.py"],
                                     ["diagnose", "s.jsonl", "--html", "train.py"]])  # fmt: skip
def test_a_report_takes_no_other_file_s_place(tmp_path: Path, command: list[str]):
    (tmp_path / "train.py").write_text("print('mine')")
    write_session(Session("train.py"), tmp_path / "s.jsonl")
    found = lossgauge(tmp_path, *command)
    assert found.returncode == 2
    assert "'train.py' exists and is no report; choose another name, or remove it first" in " ".join(
        found.stderr.split()
    )
    assert "mine" not in found.stdout
    assert (tmp_path / "train.py").read_text() == "print('mine')"


def test_a_report_may_be_written_again(tmp_path: Path):
    write_session(Session("train.py"), tmp_path / "s.jsonl")
    codes = [lossgauge(tmp_path, "report", "s.jsonl", "-o", "report.html").returncode for _ in range(2)]
    assert codes == [0, 0]


def test_a_terminal_without_greek_letters_gets_the_answer_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    found = lossgauge(tmp_path, "explain", "adam", "--alpha", "2")
    assert (found.returncode, found.stderr) == (0, "")
    assert "\\u03b1" in found.stdout
