"""What observing costs a whole training in the long run, and one event on a step that is not sampled.

One training goes on with the gauge and without it by turns of some 40 ms, in one process; nothing of the gauge's is in
torch's way while it goes without. (Two equal trainings in one process, one of them observed, differ by 1 to 3 % for no
other reason than where their memory lies; in two processes by more.) The entry price (what the first samples and rows
may cost together) is paid before the clock starts. The schedule's clock stands still in the turns without: what samples
may take is a share of the observed time.
Processor time is compared, for these machines are shared. The smallest networks are there for what every step costs:
their steps take a millisecond, and half of one.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn
from torch.optim.optimizer import _global_optimizer_pre_hooks

from benchmarks.bench_gauge import Training, cnn, gpt, mlp
from lossgauge.frameworks.torch.gauging.gauge import Gauge
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.gauging.schedule import ENTRY_ROWS, ROWS, Schedule
from lossgauge.frameworks.torch.injection.patches import enclosed, replaced
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal


def small() -> tuple[nn.Module, torch.Tensor]:
    layers = [nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)]
    return nn.Sequential(*layers), torch.randn(64, 16)


def smallest() -> tuple[nn.Module, torch.Tensor]:
    return nn.Linear(4, 1), torch.randn(16, 4)


TURNS = {mlp: (900, 1), cnn: (700, 2), gpt: (220, 1), small: (600, 30), smallest: (600, 100)}
"""Turns of each training, and how many steps a turn has."""
PROMISE = 0.01


def spend(training: Training) -> float:
    begun = time.process_time()
    training.backward()
    training.optimizer.step()
    return time.process_time() - begun


class Untouched:
    """Torch as it is before anything is put in its places."""

    def __init__(self) -> None:
        cell = enclosed(torch.optim.Adam.step)
        assert cell is not None
        self.cell, self.step, self.engine = cell, cell.cell_contents, vars(torch.autograd)["_engine_run_backward"]
        assert not _global_optimizer_pre_hooks

    @contextmanager
    def again(self) -> Iterator[None]:
        """As it was, until the end of the block."""
        hooks, step = dict(_global_optimizer_pre_hooks), self.cell.cell_contents
        assert hooks
        _global_optimizer_pre_hooks.clear()
        self.cell.cell_contents = self.step
        with replaced(torch.autograd, "_engine_run_backward", self.engine):
            yield
        self.cell.cell_contents = step
        _global_optimizer_pre_hooks.update(hooks)


def excess(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    """`sum ours / sum theirs - 1` of paired turns in seconds, and its standard error (that of a ratio of means)."""
    ratio = sum(ours) / sum(theirs)
    residuals = [mine - ratio * other for mine, other in zip(ours, theirs, strict=True)]
    return ratio - 1.0, math.sqrt(len(ours) * statistics.pvariance(residuals)) / sum(theirs)


def turn(training: Training, steps: int) -> list[float]:
    return [spend(training) for _ in range(steps)]


def turn_aside(training: Training, steps: int, untouched: Untouched, schedule: Schedule) -> list[float]:
    """Steps that neither the gauge nor its schedule knows of."""
    begun = time.perf_counter()
    with untouched.again():
        spent = turn(training, steps)
    assert schedule._started is not None
    schedule._started += time.perf_counter() - begun
    return spent


@pytest.mark.parametrize("build", list(TURNS), ids=lambda build: build.__name__)
def bench_observed_training(benchmark: BenchmarkFixture, build: Callable[[], object], tmp_path: Path) -> None:
    """Its observed turns against those it makes without."""
    training = Training(build)  # pyright: ignore[reportArgumentType]
    untouched = Untouched()
    journal = Journal(tmp_path / "session.jsonl")
    journal.begin("benchmark", [], {})
    schedule = Schedule(entry=0.2)
    gauge = Gauge(journal, GaugeSettings(schedule=schedule))
    turns, steps = TURNS[build]  # pyright: ignore[reportArgumentType]
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    with interpose(Injection(), gauge):
        while schedule.spent < schedule.entry and gauge.ledger.number < 30:
            spend(training)
        schedule.entry = 0.0
        schedule._rows = int(ENTRY_ROWS * schedule._rows / schedule.noted)  # so many rows would have been noted by then
        schedule.spent, schedule.noted = 0.0, ENTRY_ROWS + ROWS * schedule.elapsed
        for number in range(turns):  # whoever goes first changes, so that nobody always follows the other
            if number % 2:
                ours.append(turn(training, steps))
            theirs.append(turn_aside(training, steps, untouched, schedule))
            if not number % 2:
                ours.append(turn(training, steps))
        benchmark.pedantic(spend, (training,), rounds=3)
    extra, error = excess(list(map(sum, ours)), list(map(sum, theirs)))
    unsampled = statistics.median(chain(*ours)) / statistics.median(chain(*theirs)) - 1.0
    samples = (tmp_path / "session.jsonl").read_text(encoding="utf-8").count('"kind":"Sample"')
    share = schedule.spent / schedule.elapsed
    benchmark.extra_info |= {"in all": extra, "standard error": error, "samples": share, "not sampled": unsampled}
    print(
        f"{build.__name__}, observed: {extra:+.2%} ± {error:.2%} in all, of that samples {share:.2%}; "
        f"a step that is not sampled {unsampled:+.2%}"
    )
    assert samples > 1
    assert gauge.ledger.number < len(ours) * steps + 40, "the other turns were observed too"
    assert share <= PROMISE, "the controller spent more than was promised"
    assert torch.get_num_threads() == 1
