"""What observing costs a whole training in the long run, and one event on a step that is not sampled.

Two equal trainings take turns, one step each, in the same process; only the first one is observed, and nothing of the
gauge's is in torch's way while the other has its turn (in another process it would differ by far more than 1 %). The
entry price (what the first samples and rows may cost together) is paid before the clock starts. The schedule's clock
stands still while the other training has its turn: what samples may take is a share of the observed one's own time.
Processor time is compared, for these machines are shared. The smallest network is there for what every step costs: its
steps take a millisecond.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn
from torch.optim.optimizer import _global_optimizer_pre_hooks

from benchmarks.bench_gauge import Training, cnn, gpt, mlp, report
from lossgauge.frameworks.torch.gauging.gauge import Gauge
from lossgauge.frameworks.torch.gauging.request import GaugeSettings
from lossgauge.frameworks.torch.gauging.schedule import ENTRY_ROWS, ROWS, Schedule
from lossgauge.frameworks.torch.injection.patches import enclosed, replaced, replaced_inside
from lossgauge.frameworks.torch.interposition import interpose
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal


def small() -> tuple[nn.Module, torch.Tensor]:
    layers = [nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)]
    return nn.Sequential(*layers), torch.randn(64, 16)


STEPS = {mlp: 600, cnn: 500, gpt: 150, small: 6000}
PROMISE = 0.01
ENGINE = vars(torch.autograd)["_engine_run_backward"]


def spend(training: Training) -> float:
    begun = time.process_time()
    training.backward()
    training.optimizer.step()
    return time.process_time() - begun


@contextmanager
def nothing_in_the_way() -> Iterator[None]:
    """Torch as it was before anything was put in its places."""
    engine, hooks = vars(torch.autograd)["_engine_run_backward"], dict(_global_optimizer_pre_hooks)
    cell = enclosed(torch.optim.Adam.step)
    assert cell is not None
    step = cell.cell_contents
    _global_optimizer_pre_hooks.clear()
    with replaced(torch.autograd, "_engine_run_backward", ENGINE), replaced_inside(cell, vars(step)["__wrapped__"]):
        yield
    assert vars(torch.autograd)["_engine_run_backward"] is engine is not ENGINE
    _global_optimizer_pre_hooks.update(hooks)


def spend_aside(training: Training, schedule: Schedule) -> float:
    """A step that neither the gauge nor its schedule knows of."""
    begun = time.perf_counter()
    with nothing_in_the_way():
        spent = spend(training)
    assert schedule._started is not None
    schedule._started += time.perf_counter() - begun
    return spent


@pytest.mark.parametrize("build", list(STEPS), ids=lambda build: build.__name__)
def bench_observed_training(benchmark: BenchmarkFixture, build: Callable[[], object], tmp_path: Path) -> None:
    """The observed training against the one that takes turns with it."""
    observed, plain = Training(build), Training(build)  # pyright: ignore[reportArgumentType]
    journal = Journal(tmp_path / "session.jsonl")
    journal.begin("benchmark", [], {})
    schedule = Schedule(entry=0.2)
    gauge = Gauge(journal, GaugeSettings(schedule=schedule))
    with interpose(Injection(), gauge):
        while schedule.spent < schedule.entry and gauge.ledger.number < 30:
            spend(observed)
        schedule.entry = 0.0
        schedule.spent, schedule.noted = 0.0, ENTRY_ROWS + ROWS * schedule.elapsed
        count = STEPS[build]  # pyright: ignore[reportArgumentType]
        pairs: list[tuple[float, float]] = []
        for turn in range(count):  # whoever goes first changes, so that nobody always follows the other
            if turn % 2:
                pairs.append((spend(observed), spend_aside(plain, schedule)))
            else:
                beside = spend_aside(plain, schedule)
                pairs.append((spend(observed), beside))
        benchmark.pedantic(spend, (observed,), rounds=3)
    extra = sum(a for a, _ in pairs) / sum(b for _, b in pairs) - 1.0
    unsampled = sorted(a - b for a, b in pairs)[len(pairs) // 2] / (sum(b for _, b in pairs) / len(pairs))
    samples = (tmp_path / "session.jsonl").read_text(encoding="utf-8").count('"kind":"Sample"')
    report(
        benchmark,
        f"{build.__name__}, observed: samples {schedule.spent / schedule.elapsed:.4f} of the time, in all",
        extra,
    )
    report(benchmark, f"{build.__name__}, a step that is not sampled", unsampled)
    assert samples > 2
    assert len(gauge.participants) == 1, "the other training was observed too"
    assert schedule.spent / schedule.elapsed <= PROMISE, "the controller spent more than was promised"
    assert torch.get_num_threads() == 1
