"""`lossgauge sweep` with pictures."""

import json
from pathlib import Path

import pytest

from lossgauge.cli.main import run

pytest.importorskip("torch")
pytest.importorskip("vl_convert")

PLAN = """
model = "mlp-16-2-1"
loss = "mse"
data = "regression"
steps = 3
optimizer = ["sgd", "adamw"]
[grid]
alpha = [0.25, 1, 4]
lr = [0.125, 0.5, 2]
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text(PLAN, encoding="utf-8")
    return "plan.toml"


def test_a_sweep_is_drawn_where_it_is_asked_for(plan: str, capfd: pytest.CaptureFixture[str]):
    assert run(["sweep", plan, "--jobs", "1", "-o", "pictures", "--json"]) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["settings"] == 18
    assert "3 pictures in pictures" in shown.err
    assert {path.name for path in Path("pictures").iterdir()} == {
        f"{name}.{kind}"
        for name in ("who-feels-alpha", "best-learning-rate", "collapse-sgd-lr")
        for kind in ("svg", "png")
    }
    assert run(["sweep", plan, "--resume", "-o", "plan.toml"]) == 0, "what was run is kept, pictures or not"
    assert "lossgauge: no pictures: cannot write pictures" in capfd.readouterr().err
