"""Where nothing is affordable the gauge is not even told of what happens, and nothing is lost or changed by that."""

from collections.abc import Callable
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad

from lossgauge.frameworks.observer import Rest, Stop
from lossgauge.frameworks.torch.gauging.gauge import Gauge
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.gauging.schedule import Schedule
from lossgauge.frameworks.torch.injection.passages import Proceed, Start, starts_through
from lossgauge.frameworks.torch.injection.patches import enclosed
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.laws.table import read_table
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal, read_session
from lossgauge.records.session import Session

SGD = read_table()["torch.optim:SGD"].law
LATE = 200
"""The step of a second sample."""


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the first three steps, a sample at the first and a late one, and rest in between."""
    monkeypatch.setattr(Schedule, "due", lambda self, step: step in (1, LATE))
    monkeypatch.setattr(Schedule, "affords_row", lambda self: self._rows < 3)
    monkeypatch.setattr(Schedule, "rests", lambda self, step: step != LATE)
    monkeypatch.setattr(Schedule, "spare", lambda self, made: 7 if made >= LATE else max(0, min(7, LATE - made - 2)))


def train(models: list[nn.Module], steps: int, max_norm: float | None = 0.1) -> None:
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in models]
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            for _ in range(2):
                (0.5 * model(x).square().mean()).backward()
            if max_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()


def build(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def observed(
    path: Path, work: Callable[[], None], injection: Injection | None = None, stop_after: int | None = None
) -> tuple[Session, int]:
    """The session, and how many steps the gauge was told of."""
    journal = Journal(path)
    journal.begin("test", [], {})
    gauge = Gauge(journal, GaugeSettings(stop_after=stop_after))
    told: list[int] = []
    before_step = gauge.before_step
    vars(gauge)["before_step"] = lambda index, *given: told.append(index) or before_step(index, *given)
    try:
        with interpose(injection or Injection(), gauge):
            work()
    except Stop:
        pass
    gauge.finish()
    gauge.close("finished")
    return read_session(path), len(told)


def test_steps_that_nobody_was_told_of_are_counted(tmp_path: Path):
    session, told = observed(tmp_path / "s", lambda: train([build()], 300))
    assert told < 60
    assert session.made == 300
    assert session.ending
    assert 6 < session.ending.backwards < 120
    assert [(sample.number, sample.own) for sample in session.samples] == [(1, 1), (LATE, LATE)]
    late = session.steps[-1]
    assert (late.number, late.backwards, len(late.losses)) == (LATE, 2, 2)
    assert late.clip is not None


def test_of_several_optimizers_each_has_its_own_count(tmp_path: Path):
    session, told = observed(tmp_path / "s", lambda: train([build(), build(1)], 150))
    assert told < 60
    assert session.made == 300
    late = [(sample.number, sample.optimizer, sample.own) for sample in session.samples if sample.number > 2]
    assert late == [(LATE, 1, LATE // 2)]


def test_it_changes_no_bit(tmp_path: Path):
    plain, watched = build(), build()
    train([plain], 250)
    observed(tmp_path / "s", lambda: train([watched], 250))
    assert all(map(torch.equal, plain.parameters(), watched.parameters()))


@pytest.mark.parametrize("last", [5, 50, 199, 201])
def test_a_run_ends_at_the_step_that_was_asked_for(tmp_path: Path, last: int):
    session, _ = observed(tmp_path / "s", lambda: train([build()], 300), stop_after=last)
    assert session.made == last


def test_where_a_change_is_laid_over_the_training_nothing_passes_unseen(tmp_path: Path):
    plain, changed = build(), build()
    train([plain], 250, None)
    _, told = observed(tmp_path / "s", lambda: train([changed], 250, None), Injection(alpha=Fraction(4), laws=(SGD,)))
    assert told == 250
    assert all(map(torch.equal, plain.parameters(), changed.parameters()))


def test_rest_forgets_what_it_told():
    rest = Rest()
    rest.made += [0, 1, 0]
    assert rest.passed() == [0, 1, 0]
    assert rest.passed() == []


def in_the_way() -> list[Any]:
    """What stands in the places that every step passes."""
    cells = (enclosed(vars(clip_grad)["_clip_grads_with_norm_"]), enclosed(torch.optim.SGD.step))
    return [vars(torch.autograd)["_engine_run_backward"], *(cell and cell.cell_contents for cell in cells)]


def test_at_rest_torch_is_as_it_was_and_then_the_gauge_is_back(tmp_path: Path):
    train([build()], 1)  # torch's own wrapper is there from the first optimizer of a class on
    before = in_the_way()
    seen: list[bool] = []

    def work() -> None:
        model = build()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(LATE + 1):
            model(torch.ones(1, 4)).sum().backward()
            optimizer.step()
            seen.append(in_the_way() == before)

    session, _ = observed(tmp_path / "s", work)
    assert not any(seen[:2])
    assert sum(seen) > LATE / 2
    assert not seen[LATE - 2]
    assert session.samples[-1].number == LATE
    assert in_the_way() == before


def test_an_optimizer_that_comes_while_the_gauge_rests_is_seen(tmp_path: Path):
    class Own(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    def work() -> None:
        model = build()
        for optimizer in (torch.optim.SGD(model.parameters(), lr=0.1), Own(model.parameters(), lr=0.1)):
            for _ in range(12):
                model(torch.ones(1, 4)).sum().backward()
                optimizer.step()

    session, told = observed(tmp_path / "s", work)
    assert told < 24
    assert [one.target[-3:] for one in session.optimizers] == ["SGD", "Own"]
    assert session.made == 24  # a step of Own is one step, though it calls that of SGD, which torch passes as well


def test_who_comes_while_the_gauge_rests_is_told_and_leaves_the_gauge_in_place(tmp_path: Path):
    starts: list[int] = []

    def passes(start: Start, proceed: Proceed) -> Any:
        starts.append(1)
        return proceed()

    def work() -> None:
        model = build()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for number in range(1, LATE + 1):
            with starts_through(passes) if number > 6 else nullcontext():
                model(torch.ones(1, 4)).sum().backward()
                optimizer.step()

    session, _ = observed(tmp_path / "s", work)
    assert len(starts) == LATE - 6
    assert (session.made, session.samples[-1].number) == (LATE, LATE)
    assert len(session.steps[-1].losses) == 1


def test_two_gauges_at_once_are_told_of_everything(tmp_path: Path):
    first, outer = build(), observed
    sessions: list[tuple[Session, int]] = []

    def both() -> None:
        sessions.append(observed(tmp_path / "inner", lambda: train([first], LATE)))

    session, told = outer(tmp_path / "outer", both)
    ((inner, told_inner),) = sessions
    assert told == told_inner == LATE
    assert (session.made, inner.made) == (LATE, LATE)
    assert session.samples[-1].number == inner.samples[-1].number == LATE


def test_what_goes_wrong_at_rest_ends_the_observing_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def spare(self: Schedule, made: int) -> int:
        if made > 10:
            raise ArithmeticError("no number")
        return 7

    monkeypatch.setattr(Schedule, "spare", spare)
    plain, watched = build(), build()
    train([plain], 40)
    session, _ = observed(tmp_path / "s", lambda: train([watched], 40))
    assert all(map(torch.equal, plain.parameters(), watched.parameters()))
    assert "observing ended at step 13: ArithmeticError: no number" in [event.text for event in session.events]
    assert session.made == 12
