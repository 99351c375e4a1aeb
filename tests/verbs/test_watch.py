import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import lossgauge
from lossgauge.errors import InputError
from lossgauge.frameworks.torch.sinks import TensorBoardSink
from lossgauge.records.journal import read_session
from lossgauge.verbs.watch import CallbackSink, watch


def made(seed: int = 0, eps: float = 1e-8) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    return model, torch.optim.Adam(model.parameters(), lr=1e-2, eps=eps)


def train(model: Any, optimizer: Any, steps: int = 20) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        x = torch.randn(16, 4)
        (model(x) - x.sum(1, keepdim=True)).pow(2).mean().backward()
        optimizer.step()


def test_it_observes_only_while_it_is_open(tmp_path: Path):
    model, optimizer = made()
    train(model, optimizer, 3)
    with watch(model, optimizer, name="mine", path=tmp_path / "session.jsonl") as gauge:
        train(model, optimizer, 5)
        assert len(gauge.session.steps) == 5
        assert gauge.session.ending is None
        train(model, optimizer, 2)
    train(model, optimizer, 4)
    session = gauge.session
    assert len(session.steps) == 7
    assert session.script == "mine"
    assert session.ending is not None
    assert session.ending.reason == "finished"
    assert [tensor.name for tensor in session.tensors] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert session.optimizers[0].law is not None
    assert vars(read_session(tmp_path / "session.jsonl")) == vars(session)
    session.save(tmp_path / "saved.jsonl")
    assert vars(read_session(tmp_path / "saved.jsonl")) == vars(session)
    assert gauge.diagnose() == lossgauge.diagnose(gauge) == lossgauge.diagnose(tmp_path / "saved.jsonl")


def test_it_changes_nothing():
    model, optimizer = made()
    train(model, optimizer)
    alone = [*model.state_dict().values(), torch.get_rng_state()]
    model, optimizer = made()
    with watch(model, optimizer):
        train(model, optimizer)
    assert all(map(torch.equal, alone, [*model.state_dict().values(), torch.get_rng_state()]))
    model, optimizer = made()
    torch.rand(1)
    train(model, optimizer)
    assert not all(map(torch.equal, alone, [*model.state_dict().values(), torch.get_rng_state()]))


class Wrapper:
    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.param_groups = optimizer.param_groups


def test_it_observes_only_these_optimizers():
    (model, own), (other, others) = made(), made(1)
    with watch({"model": model}, Wrapper(own)) as gauge:
        train(other, others, 4)
        train(model, own, 3)
    assert len(gauge.session.steps) == 3
    with watch([model, other], [own, others]) as gauge:
        train(other, others, 4)
        train(model, own, 3)
    assert len(gauge.session.steps) == 7
    assert len(gauge.session.optimizers) == 2


def test_two_watches_do_not_disturb_each_other():
    (model, own), (other, others) = made(), made(1)
    with watch(model, own) as outer:
        train(model, own, 2)
        with watch(other, others) as inner:
            train(other, others, 3)
            train(model, own, 1)
        train(model, own, 1)
    assert (len(outer.session.steps), len(inner.session.steps)) == (4, 3)


def fail_after(model: Any, optimizer: Any, steps: int) -> None:
    train(model, optimizer, steps)
    raise ZeroDivisionError("half way")


def test_a_failure_is_noted_and_raised():
    model, optimizer = made()
    gauge = watch(model, optimizer)
    with pytest.raises(ZeroDivisionError), gauge:
        fail_after(model, optimizer, 2)
    assert gauge.session.ending is not None
    assert (gauge.session.ending.reason, gauge.session.ending.detail) == ("failed", "ZeroDivisionError: half way")


def test_sinks_are_told_and_one_that_fails_only_once():
    told: list[tuple[int, dict[str, float]]] = []
    failed: list[int] = []

    def fail(step: int, numbers: dict[str, float]) -> None:
        failed.append(step)
        raise OSError("the disk is full")

    model, optimizer = made()
    with (
        pytest.warns(RuntimeWarning, match="OSError: the disk is full"),
        watch(model, optimizer, sinks=[fail, CallbackSink(lambda *both: told.append(both))]) as gauge,
    ):
        train(model, optimizer)
    assert failed == [1]
    assert [step for step, _ in told] == [sample.number for sample in gauge.session.samples]
    assert told[0][1]["gradient_norm/0.weight"] > 0
    assert not [event for event in gauge.session.events if event.kind == "limit"]


def test_tensorboard_is_written_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, place: str) -> None:
            assert place == str(tmp_path)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def flush(self) -> None:
            written.append(("flushed", 0.0, 0))

    module = type(sys)("writer")
    vars(module)["SummaryWriter"] = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", type(sys)("tensorboard"))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", module)
    TensorBoardSink(tmp_path)(3, {"a": 1.5})
    assert written == [("lossgauge/a", 1.5, 3), ("flushed", 0.0, 0)]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        TensorBoardSink(tmp_path)


def test_a_watch_is_opened_once(tmp_path: Path):
    gauge = watch(*made())
    with pytest.raises(InputError, match="nothing was watched yet"):
        _ = gauge.session
    with gauge:
        pass
    with pytest.raises(InputError, match=r"call watch\(\) once more"), gauge:
        pass


@pytest.mark.parametrize(
    ("optimizer", "options", "message"),
    [
        (3, {}, "the optimizer is int 3"),
        ([], {}, "no optimizer was given"),
        (made()[1], {"sinks": [3]}, "the sink 3 cannot be called"),
    ],
)
def test_what_cannot_be_watched_is_refused(optimizer: Any, options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        watch(None, optimizer, **options)


def test_a_place_that_cannot_be_written_is_refused():
    with pytest.raises(InputError, match="the session cannot be written"), watch(*made(), path="/proc/self/x"):
        pass


def test_remedies_are_tried_on_a_function(tmp_path: Path):
    def again() -> torch.nn.Module:
        model, optimizer = made(eps=1e2)
        train(model, optimizer, 60)
        return model

    model, optimizer = made(eps=1e2)
    with watch(model, optimizer) as gauge:
        train(model, optimizer, 60)
    assert gauge.diagnose().findings[0].remedy.verified is None
    told: list[str] = []
    diagnosis = gauge.diagnose(retry=again, trials=2, notify=told.append)
    assert diagnosis.findings[0].name == "eps-dominates"
    assert diagnosis.findings[0].remedy.verified is True
    assert told
    with pytest.raises(InputError, match="requires model"):
        gauge.diagnose(retry=train)


def test_what_is_no_session_is_refused():
    with pytest.raises(InputError, match="the session is int 3"):
        lossgauge.diagnose(3)
