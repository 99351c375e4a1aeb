"""`lossgauge why`, as one would type it."""

import json
from pathlib import Path

import pytest

from lossgauge.cli.main import run

SCRIPT = """
import sys
import torch

def train():
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.NAdam(model.parameters(), lr=1e-2, eps={eps})
    for step in range(20):
        optimizer.zero_grad()
        x = torch.randn(32, 4)
        loss = 1e-5 * (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        loss.backward()
        optimizer.step()
    print(f"trained, error={{1e5 * loss.item():.4f}}")

if __name__ == "__main__":
    print(sys.argv[1:])
    train()
"""
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return write(tmp_path)


def write(folder: Path, eps: str = "1e-6", name: str = "train.py") -> Path:
    (folder / name).write_text(SCRIPT.format(eps=eps))
    return folder / name


def test_the_answer_for_a_person(script: Path, capfd: Printed):
    assert run(["why", "train.py", "--alpha", "1e5", "--", "--epochs", "1"]) == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[0] == "['--epochs', '1']"
    assert lines[1].startswith("trained, error=")
    assert lines[2].startswith("train.py  20 steps")
    assert "100 % of it went through" in " ".join(out.split())
    assert "eps = 1e-11 would do the same without the multiplier." in " ".join(out.split())
    assert max(map(len, lines)) <= 80
    assert not err


def test_one_document(script: Path, capfd: Printed):
    assert run(["why", "./train.py:train", "--alpha", "1e5", "--json", "--outcome", "error"]) == 0
    out, err = capfd.readouterr()
    document = json.loads(out)
    assert document["schema"] == "lossgauge.why/1"
    assert document["alpha"] == 100000
    assert [part["name"] for part in document["parts"]] == ["eps"]
    assert sum(part["share"] for part in document["parts"]) == pytest.approx(1, abs=1e-9)
    assert document["total"] == pytest.approx(document["multiplied"] - document["reference"])
    assert document["rounding_floor"] > 0
    assert document["outcome"] == "error"
    assert document["runs"] == {"made": 1, "reused": 1, "checks": 6, "kept": 0}
    assert err.startswith("trained, error=")


def test_a_function_by_its_name(capfd: Printed):
    assert run(["why", "tests.trainings.examples:sgd", "--alpha", "2", "--json"]) == 0
    names = {part["name"] for part in json.loads(capfd.readouterr().out)["parts"]}
    assert names == {"lr", "weight_decay"}


def test_a_printed_number_that_is_not_finite_is_no_divergence(script: Path, capfd: Printed):
    script.write_text(script.read_text() + "\n\nprint('score: nan')\n")
    assert run(["why", "train.py", "--alpha", "1e3", "--outcome", "score"]) == 1
    text = " ".join(capfd.readouterr().out.split())
    assert "score is not finite with the multiplier and without it" in text


def test_nothing_changes_is_an_answer(script: Path, tmp_path: Path, capfd: Printed):
    write(tmp_path, "0.0", "free.py")
    assert run(["why", "./free.py:train", "--alpha", "2**10"]) == 0
    assert "changes nothing" in capfd.readouterr().out


def test_what_does_not_repeat_itself_is_undecided(tmp_path: Path, script: Path, capfd: Printed):
    script.write_text(SCRIPT.format(eps="1e-6").replace("torch.manual_seed(0)", "torch.seed()"))
    assert run(["why", "./train.py:train", "--alpha", "2"]) == 1
    out = " ".join(capfd.readouterr().out.split())
    assert "UNDECIDED" in out
    assert "it differs from itself at step 0" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--alpha", "1"], 2, "alpha is 1, and multiplying by 1 changes nothing"),
        (["--alpha", "none"], 2, "is not a number"),
        ([], 2, "alpha"),
        (["--alpha", "2", "--outcome", "accuracy"], 2, "prints no number called 'accuracy': it prints error"),
        (["--alpha", "2", "--jobs", "0"], 2, "jobs is 0"),
    ],
)
def test_bad_input_is_one_line(script: Path, capfd: Printed, arguments: list[str], code: int, message: str):
    assert run(["why", "./train.py:train", *arguments]) == code
    err = capfd.readouterr().err
    assert message.lower() in err.lower()
    assert err.count("\n") == 1


def test_a_failing_script_shows_its_traceback(script: Path, capfd: Printed):
    script.write_text("def train():\n    1 / 0\n")
    assert run(["why", "./train.py:train", "--alpha", "2"]) == 3
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_script_that_interrupts_itself_shows_nothing_of_ours(script: Path, capfd: Printed):
    script.write_text(script.read_text() + "\n\nraise KeyboardInterrupt\n")
    assert run(["why", "train.py", "--alpha", "2"]) == 3
    printed = capfd.readouterr().err
    assert printed.splitlines()[-1].startswith("lossgauge: train.py ended with exit code -2")
    assert "child.py" not in printed


def test_an_interruption_says_what_is_kept(script: Path, capfd: Printed, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lossgauge.verbs.why.why", interrupt)
    assert run(["why", "train.py", "--alpha", "2"]) == 130
    assert "the same command goes on" in capfd.readouterr().err
