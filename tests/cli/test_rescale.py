import json
from pathlib import Path

import pytest
import torch

from lossgauge.cli.main import run
from lossgauge.laws.law import Law
from tests.verbs.lawful import ADAM, SGD, broken


@pytest.fixture(autouse=True)
def laws(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"adam": ADAM, "sgd": SGD, "radam": broken("RAdam", {"exp_avg": 1, "exp_avg_sq": 2}, eps=1)}

    def law_of_name(name: str, settings: object) -> Law:
        return known[name]

    monkeypatch.setattr("lossgauge.verbs.laws.law_of_name", law_of_name)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], eps=1e-8, weight_decay=1e-4)
    weight.grad = torch.full((3,), 0.125)
    optimizer.step()
    scaler = torch.amp.GradScaler("cpu")
    torch.save({"optimizer": optimizer.state_dict(), "scaler": scaler.state_dict()}, tmp_path / "run.pt")
    return tmp_path / "run.pt"


def call(checkpoint: Path, *options: str, optimizer: str = "adam") -> int:
    output = str(checkpoint.with_name("new.pt"))
    return run(["rescale", str(checkpoint), "--alpha", "2**12", "--optimizer", optimizer, "-o", output, *options])


def test_the_report_fits_80_columns(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    assert call(checkpoint, "--clip-value", "0.5") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert max(map(len, printed.out.splitlines())) <= 80
    rows = [line.split() for line in printed.out.splitlines()]
    assert ["param_groups[0]", "eps", "1e-8", "4.096e-5", "α"] in rows
    assert ["clip", "clip_value", "0.5", "2048", "α"] in rows
    assert ["scaler", "scale", "65536", "16", "α^(-1)"] in rows
    assert [row[-1] for row in rows if "exp_avg_sq" in row] == ["α^2"]
    assert "goes on bit for bit as before" in " ".join(printed.out.split())
    assert checkpoint.with_name("new.pt").exists()


def test_json_is_one_document(checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    assert call(checkpoint, "--json", "--max-norm", "1", "--key", "optimizer") == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["schema"] == "lossgauge.rescale/1"
    assert (plain["optimizer"], plain["alpha"], plain["verdict"], plain["max_norm"]) == ("Adam", 4096, "EXACT", 4096)
    assert any("1e-6" in note for note in plain["notes"])
    eps = next(c for c in plain["changes"] if c["name"] == "eps")
    assert eps == {
        "place": "param_groups[0]",
        "name": "eps",
        "before": 1e-8,
        "after": 1e-8 * 4096,
        "exponent": "1",
        "tensors": 0,
    }


def test_a_broken_law_is_refused_unless_forced(checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    assert call(checkpoint, optimizer="radam") == 2
    assert not checkpoint.with_name("new.pt").exists()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "RAdam is BROKEN" in printed.err
    assert call(checkpoint, "--force", optimizer="radam") == 1
    assert "approximation" in capsys.readouterr().out


@pytest.mark.parametrize("option", [("--alpha", "0"), ("--key", "model"), ("--max-norm", "-1")])
def test_bad_input_is_one_line(checkpoint: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, str]):
    assert call(checkpoint, *option) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert [path.name for path in checkpoint.parent.iterdir()] == ["run.pt"]


def test_no_output_is_overwritten(checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    checkpoint.with_name("new.pt").write_text("precious")
    assert call(checkpoint) == 2
    assert "exists and is not overwritten" in capsys.readouterr().err
    assert checkpoint.with_name("new.pt").read_text() == "precious"
