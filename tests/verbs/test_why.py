"""`why` on functions and scripts: outcomes, bad input, and an interruption that costs only what was under way."""

import runpy
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

import lossgauge
from lossgauge.errors import InputError, ScriptError
from lossgauge.records.attribution import ATTRIBUTED, UNCHANGED
from tests.experiments.attributed import asked, training
from tests.trainings import examples

SCRIPT = """
import sys
import torch

torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-3)
for step in range(int(sys.argv[1])):
    optimizer.zero_grad()
    x = torch.randn(32, 4)
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    loss.backward()
    optimizer.step()
print(f"step {step}: val_loss={loss.item():.6f}, norm: {model.weight.detach().norm().item():.6f}")
"""
FUNCTION = """
import torch
from pathlib import Path

def train():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.Adam([weight], lr=1e-2, eps=1e-1, weight_decay=1e-2)
    for _ in range(int(Path("steps.txt").read_text())):
        optimizer.zero_grad()
        (weight - torch.randn(4)).square().mean().backward()
        optimizer.step()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


OTHERS = """
import logging
import random
import sys
import time
import torch

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-3)
best, min_delta = 1e9, 1e-9
for step in range(12):
    optimizer.zero_grad()
    loss = (model(torch.randn(32, 4)) - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
    if best - loss.item() < min_delta:
        pass
logging.info("logged loss: %.6f", loss.item())
print(f"seconds: {time.time():.6f}")
print(f"guess: {random.random()}")
if "--ask" in sys.argv:
    input()
"""


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("others.py").write_text(OTHERS)
    return "others.py"


def test_what_a_logger_writes_is_printed_too(others: str, capfd: pytest.CaptureFixture[str]):
    found = lossgauge.why(others, 2**10, outcome="logged loss")
    assert found.verdict == ATTRIBUTED
    assert found.share("eps") == pytest.approx(1, abs=1e-6)
    out, err = capfd.readouterr()
    assert out.startswith("seconds: ")
    assert "logged loss" in err
    assert "logged loss" not in out


@pytest.mark.parametrize("name", ["seconds", "guess"])
def test_an_outcome_that_does_not_repeat_itself_says_so(others: str, name: str):
    found = lossgauge.why(others, 2**10, outcome=name)
    assert found.verdict == "UNDECIDED"
    assert f"{name} does not repeat itself: it is" in found.reason
    assert "though every weight has the same bits" in found.reason


def test_an_early_stop_of_ones_own_is_out_of_reach_and_told(others: str):
    notes = " ".join(lossgauge.why(others, 2**10).notes)
    assert "an early stop asks for improvements of 1e-09 at" in notes
    assert "(min_delta): it compares the user's own loss, which these runs do not multiply" in notes


def test_a_script_that_asks_is_told_that_nobody_answers(others: str):
    with pytest.raises(ScriptError, match=r"EOFError.*no standard input, so give it as an argument or in a file"):
        lossgauge.why(others, 2**10, args=["--ask"])


@pytest.mark.parametrize("mode", ["min", "max"])
def test_what_waits_for_a_maximum_is_fed_no_loss(mode: Literal["min", "max"]):
    def train() -> torch.nn.Module:
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 1)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=0.0)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode=mode, patience=1, threshold=1e-3, threshold_mode="abs"
        )
        for _ in range(20):
            optimizer.zero_grad()
            loss = (model(torch.randn(32, 4)) - 1).pow(2).mean()
            loss.backward()
            optimizer.step()
            schedule.step(loss.item() if mode == "min" else -loss.item())
        return model

    found = asked(train, 2**-10, outcome="weights")
    if mode == "max":
        assert found.verdict == UNCHANGED
    else:
        assert found.share("threshold") == pytest.approx(1, abs=1e-6)
        assert "what the plateau schedule is fed is taken for a loss, and multiplied too" in found.notes


def test_a_multiplier_beyond_all_formats_is_no_hidden_constant():
    train = training(lambda p: torch.optim.Adam(p), lambda p: torch.nn.utils.clip_grad_norm_(p, 0.1))
    found = asked(train, "1e300")
    assert {part.name for part in found.parts} >= {"number format"}
    assert not any(part.name == "hidden constant" for part in found.parts)
    assert any(part.name == "hidden constant" for part in asked(train, 1e-5).parts)


def returning() -> dict[str, Any]:
    model = training(lambda p: torch.optim.Adam(p, lr=1e-2, eps=1e-3))()
    norm = sum(tensor.detach().square().sum().item() for tensor in model.parameters()) ** 0.5
    print(f"norm: {norm:.5f}")
    return {"model": model, "norm": norm, "twice": torch.tensor(2 * norm)}


def asker() -> None:
    """The training of the example, for as long as it takes to see the difference."""
    path = Path(__file__).parents[2] / "examples" / "small_loss_nadam.py"
    example = runpy.run_path(str(path), run_name="example")
    x, y = example["make_data"]()
    network = example["make_network"]()
    optimizer = torch.optim.NAdam(network.parameters(), lr=2e-3, eps=1e-8)
    for _ in range(250):
        optimizer.zero_grad()
        (1e-6 * ((network(x) - y) ** 2).mean()).backward()
        optimizer.step()


def test_the_askers_training_went_through_epsilon():
    found = lossgauge.why(asker, 1e5)
    assert found.verdict == ATTRIBUTED
    assert found.share("eps") > 0.99
    assert found.reference is not None
    assert found.multiplied is not None
    assert found.multiplied < 0.3e-6 < 0.9e-6 < found.reference
    assert found.parts[0].equivalent == 1e-13
    assert found.runs == {"made": 1, "reused": 1, "checks": 6, "kept": 0}


def test_what_a_function_returns_or_prints_can_be_asked_for():
    norm, twice = (asked(returning, 2**6, outcome=f"returned:{name}") for name in ("norm", "twice"))
    assert norm.reference == returning()["norm"]
    assert norm.total is not None
    assert twice.total == pytest.approx(2 * norm.total, rel=1e-4)
    assert norm.share("eps") == pytest.approx(1, abs=1e-6)
    assert asked(lambda: returning()["norm"], 2**6, outcome="returned").total == norm.total
    printed = asked(returning, 2**6, outcome="norm")
    assert printed == asked(returning, 2**6, outcome="printed:norm") or printed.asked == "norm"
    assert printed.reference == round(norm.reference or 0, 5)


def test_a_script_is_run_side_by_side(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    found = lossgauge.why(script, 2**7, args=["10"], outcome="norm", jobs=2)
    printed = capfd.readouterr().out
    assert printed.count("norm: ") == 1, "only the first run is heard"
    assert found.reference == float(printed.rpartition("norm: ")[2])
    assert found.runs == {"made": 1, "reused": 1, "checks": 6, "kept": 0}
    assert found.rounding_floor == pytest.approx(2e-6), "no digit that was not printed is believed"
    assert [(part.name, part.share) for part in found.parts] == [("eps", 1.0)]
    with pytest.raises(InputError, match="it prints val_loss, norm"):
        lossgauge.why(script, 2, args=["2"], outcome="accuracy", output="nowhere")


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FUNCTION)
    (tmp_path / "steps.txt").write_text("6")
    return f"{tmp_path}/mine.py:train"


def interrupt(done: int, total: int, what: str) -> None:
    if total > 2 and done == 4:
        raise KeyboardInterrupt


def test_an_interrupted_attempt_goes_on(function: str, cache: Path):
    with pytest.raises(KeyboardInterrupt):
        asked(function, 2**7, progress=interrupt)
    assert len(list(cache.rglob("*.jsonl"))) == 1
    found = asked(function, 2**7)
    assert found.runs == {"made": 3, "reused": 1, "checks": 2, "kept": 4}
    assert not list(cache.rglob("*.jsonl")), "nothing is left"
    fresh = asked(function, 2**7)
    assert fresh.runs == {"made": 3, "reused": 1, "checks": 6, "kept": 0}
    assert (fresh.parts, fresh.total) == (found.parts, found.total)


@pytest.mark.parametrize("changed", ["steps.txt", "mine.py", "alpha"])
def test_what_was_kept_of_something_else_is_not_used(function: str, tmp_path: Path, changed: str):
    with pytest.raises(KeyboardInterrupt):
        asked(function, 2**7, progress=interrupt)
    if changed == "steps.txt":  # what the training reads has changed, not the training itself
        (tmp_path / "steps.txt").write_text("7")
    if changed == "mine.py":
        (tmp_path / "mine.py").write_text(FUNCTION + "# another comment\n")
    found = asked(function, 2**8 if changed == "alpha" else 2**7)
    assert found.runs["kept"] == 0
    assert any("of no use" in note for note in found.notes) == (changed == "steps.txt")


def test_of_a_function_without_a_name_nothing_is_kept(cache: Path):
    with pytest.raises(KeyboardInterrupt):
        asked(examples.adam, 2**7, progress=interrupt)
    assert not list(cache.rglob("*.jsonl"))


def test_nothing_changes():
    found = asked(training(lambda p: torch.optim.Adam(p, lr=1e-2, eps=0.0)), 2**9)
    assert (found.verdict, found.total, found.parts) == (UNCHANGED, 0.0, ())


def test_progress_is_told():
    told: list[tuple[int, int, str]] = []
    asked(examples.sgd, 2, progress=lambda done, total, what: told.append((done, total, what)))
    assert told[0] == (0, 2, "the training as it is")
    assert any("co-scaled: lr" in what for _, _, what in told)
    assert all(done <= total for done, total, _ in told)
