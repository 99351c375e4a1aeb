"""Very many tensors: what the gauge does grows no faster than their number, and most steps do not feel it at all."""

import cProfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from lossgauge.diagnosis.checkup import diagnose_session
from lossgauge.frameworks.torch.gauging import gauge as module
from lossgauge.frameworks.torch.gauging.gauge import Gauge
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.gauging.schedule import Schedule
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal, read_session
from lossgauge.records.session import Session

FEW, MANY = 2_000, 20_000
STEPS = 3


class Only(Schedule):
    """Samples the first step and no other."""

    def due(self, step: int) -> bool:
        return step == 1


def made(count: int) -> tuple[nn.ParameterList, torch.optim.Optimizer]:
    torch.manual_seed(0)
    weights = nn.ParameterList([nn.Parameter(torch.randn(2)) for _ in range(count)])
    return weights, torch.optim.SGD(weights, lr=0.1, foreach=False)


def train(weights: nn.ParameterList, optimizer: torch.optim.Optimizer) -> None:
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.stack(list(weights)).square().sum().backward()
        optimizer.step()


def gauged(path: Path, count: int) -> tuple[nn.ParameterList, Session, list[int]]:
    """Also: how many calls each event of the gauge took, in its order."""
    journal = Journal(path)
    journal.begin("many", [], {})
    gauge = Gauge(journal, GaugeSettings(schedule=Only()))
    counts: list[int] = []
    for name in ("enter", "backward", "before_step", "step"):
        setattr(gauge, name, counted(getattr(gauge, name), counts))
    weights, optimizer = made(count)
    with interpose(Injection(), gauge):
        train(weights, optimizer)
    gauge.finish(weights)
    gauge.close("finished")
    return weights, read_session(path), counts


def counted(event: Callable[..., None], counts: list[int]) -> Callable[..., None]:
    def take(*args: object, **kwargs: object) -> None:
        profile = cProfile.Profile()
        try:
            profile.runcall(event, *args, **kwargs)
        finally:
            counts.append(sum(entry.callcount for entry in profile.getstats()))

    return take


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    return gauged(tmp_path_factory.mktemp("few") / "s", FEW)[2]


def test_the_training_ends_with_the_same_bits_and_a_report(tmp_path: Path, few: list[int]):
    weights, session, many = gauged(tmp_path / "s", MANY)
    plain, optimizer = made(MANY)
    train(plain, optimizer)
    assert all(torch.equal(a, b) for a, b in zip(plain, weights, strict=True))
    assert not [event.text for event in session.events if event.kind == "limit"]
    assert (session.optimizers[0].tensors, len(session.steps), len(session.samples)) == (MANY, STEPS, 1)
    assert len(session.tensors) == len(session.samples[0].tensors) < 100
    assert session.tensors[-1].name == f"{MANY - 1}"
    assert diagnose_session(session).healthy
    assert_bounded(few, many)


def assert_bounded(few: list[int], many: list[int]) -> None:
    assert sum(many) - sum(few) < 60 * (MANY - FEW)  # for each tensor so many calls, and that once
    assert max(many[4:]) < 100  # the steps that are not sampled


def test_what_grows_faster_would_be_noticed(tmp_path: Path, few: list[int], monkeypatch: pytest.MonkeyPatch):
    def quadratic(*args: object, **kwargs: object) -> object:
        tensors = args[1].optimizer.param_groups[0]["params"]  # pyright: ignore[reportAttributeAccessIssue]
        for _ in range(len(tensors) // 200):
            [tensor.numel() for tensor in tensors]
        return plain(*args, **kwargs)  # pyright: ignore[reportArgumentType]

    plain = module.enlist
    monkeypatch.setattr(module, "enlist", quadratic)
    planted = gauged(tmp_path / "few", FEW)[2]
    with pytest.raises(AssertionError):
        assert_bounded(planted, gauged(tmp_path / "many", MANY)[2])
