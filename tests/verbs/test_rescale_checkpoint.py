import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from lossgauge.errors import InputError, LawError
from lossgauge.verbs.rescale import rescale_checkpoint
from tests.verbs.lawful import SGD, Training, broken, same

UP = 2.0**12


def sgd(weights: list[torch.nn.Parameter]) -> torch.optim.SGD:
    return torch.optim.SGD(weights, lr=0.05, momentum=0.9)


def started() -> Training:
    training = Training(sgd)
    training.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(training.optimizer, 60, eta_min=0.01)
    training.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=20)
    return training


def save(training: Training, path: Path) -> None:
    parts = {name: getattr(training, name).state_dict() for name in ("optimizer", "scheduler", "scaler")}
    torch.save({**parts, "weights": training.weights, "t": training.t}, path)


def resume(path: Path) -> Training:
    content = torch.load(path, weights_only=True)
    training = started()
    with torch.no_grad():
        for weight, saved in zip(training.weights, content["weights"], strict=True):
            weight.copy_(saved)
    for name in ("optimizer", "scheduler", "scaler"):
        getattr(training, name).load_state_dict(content[name])
    training.t = content["t"]
    return training


@pytest.fixture
def run(tmp_path: Path) -> Path:
    training = started()
    training.run(50)
    save(training, tmp_path / "run.pt")
    return tmp_path / "run.pt"


def test_training_goes_on_bit_for_bit_from_the_new_file(run: Path):
    untouched = started().run(100)[50:]
    before = run.read_bytes()
    record = rescale_checkpoint(run, UP, run.with_name("new.pt"), law=SGD, optimizer="sgd")
    assert run.read_bytes() == before
    assert record.exact
    assert {change.place for change in record.changes} == {"param_groups[0]", "state", "scheduler[0]", "scaler"}
    for path, alpha, goes_on in ((run, 1.0, True), (run, UP, False), (run.with_name("new.pt"), UP, True)):
        training = resume(path)
        training.alpha = alpha
        assert same(training.run(50), untouched) == goes_on


def test_one_of_several_optimizers_is_rescaled(tmp_path: Path):
    training = Training(sgd)
    training.run(2)
    state = training.optimizer.state_dict()
    torch.save(
        {"states": [state, copy.deepcopy(state)], "schedule": {"last_epoch": 1, "_last_lr": [1.0]}}, tmp_path / "run.pt"
    )
    record = rescale_checkpoint(tmp_path / "run.pt", 4, tmp_path / "new.pt", key="states.1", law=SGD)
    kept, moved = torch.load(tmp_path / "new.pt")["states"]
    assert kept["param_groups"][0]["lr"] == 0.05
    assert moved["param_groups"][0]["lr"] == 0.0125
    assert torch.equal(moved["state"][0]["momentum_buffer"], 4 * kept["state"][0]["momentum_buffer"])
    assert any("schedule may belong to another one" in note for note in record.notes)


def test_nothing_is_written_when_something_is_refused(run: Path):
    refusals: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        (2, {}, InputError),  # no name of an optimizer
        (0, {"law": SGD}, InputError),
        (2, {"law": SGD, "key": "model"}, InputError),
        (2, {"law": broken("RAdam", {})}, LawError),
        (2.0**-140, {"law": SGD}, InputError),
    ]
    for alpha, arguments, error in refusals:
        with pytest.raises(error):
            rescale_checkpoint(run, alpha, run.with_name("new.pt"), **arguments)
    with pytest.raises(InputError, match="exists"):
        rescale_checkpoint(run, 2, run, law=SGD)
    assert [path.name for path in run.parent.iterdir()] == ["run.pt"]
