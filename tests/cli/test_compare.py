"""The command `lossgauge compare`, from its arguments to its exit code."""

import json
from pathlib import Path

import pytest

from lossgauge.cli.main import run

Printed = pytest.CaptureFixture[str]
OWN = """
import torch

print("my module is loaded")

def model():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 1)

def batches():
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(8, 3, generator=generator), torch.randn(8, 1, generator=generator)) for _ in range(2)]

def twice(output, target):
    return 2 * ((output - target) ** 2).mean()

def fails(output, target):
    raise ZeroDivisionError("in the user's loss")

def nothing(output, target):
    return 0 * output.sum()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that name a model and batches of the user's."""
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return ["--model", "own.py:model", "--batches", "own.py:batches", "--steps", "5"]


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_out_of_the_box(capsys: Printed):
    assert run(["compare", "cross-entropy", "focal:gamma=2", "--steps", "10"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split("  ")[0] == "A cross-entropy"
    assert "mostly a factor" in lines[0]
    assert max(map(len, lines)) <= 80
    assert "our own classification problem" in printed.out
    assert not printed.err


def test_json_is_one_document_whatever_the_users_modules_print(own: list[str], capsys: Printed):
    command = ["compare", "mse", "own.py:twice", *own, "--optimizer", "sgd", "--set", "lr=0.125", "--json"]
    assert run(command) == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["schema"] == "lossgauge.compare/1"
    assert document["verdict"] == "pure factor"
    assert document["alpha_eff"] == pytest.approx(2)
    assert document["equivalent"]["lr"] == 0.0625
    assert "my module is loaded" in printed.err


def test_a_picture(own: list[str], capsys: Printed):
    pytest.importorskip("vl_convert")
    assert run(["compare", "mse", "mae", *own, "--picture", "out.svg"]) == 0
    assert Path("out.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_failure_in_the_users_loss_shows_its_traceback(own: list[str], capsys: Printed):
    assert run(["compare", "mse", "own.py:fails", *own]) == 3
    assert "ZeroDivisionError: in the user's loss" in capsys.readouterr().err


def test_what_could_not_be_established_leaves_with_1(own: list[str], capsys: Printed):
    assert run(["compare", "mse", "own.py:nothing", *own]) == 1
    assert "the gradient of the second loss is 0 in every batch" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["mse"],
        ["mse", "focal"],
        ["mse", "maee"],
        ["mse", "huber:delta=-1"],
        ["mse", "mae", "--model", "own:model"],
        ["mse", "mae", "--steps", "-1"],
        ["mse", "mae", "--most-batches", "0"],
        ["mse", "mae", "--set", "lr"],
        ["mse", "mae", "--optimizer", "adm"],
        ["mse", "mae", "--picture", "x.gif"],
        ["mse", "mae", "--picture", "x.svg", "--steps", "0"],
    ],
)
def test_bad_usage_is_one_line_on_standard_error(arguments: list[str], capsys: Printed):
    assert run(["compare", *arguments]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("lossgauge: ")
    assert printed.err.count("\n") == 1
