"""Plans, laws and an executor for tests of what lies between a plan and its summary."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

from lossgauge.experiments.sweeping.executors.executor import Task
from lossgauge.experiments.sweeping.executors.worker import carry_out
from lossgauge.experiments.sweeping.lookup import LawLookup
from lossgauge.experiments.sweeping.reuse import Share, share_runs
from lossgauge.laws.law import Law
from lossgauge.laws.table import row_of
from lossgauge.records.sweep import Outcome, Plan, Setting, Workload
from tests.experiments.sweeping import descent

WORKLOAD = Workload("quadratic", "half the square", "noise", 12, points=6)
Powers = Sequence[int]


def sgd_plan(
    alphas: Powers | Sequence[Fraction] = range(-3, 4),
    rates: Powers = range(-6, -2),
    decays: Sequence[float] = (0.0,),
    seeds: int = 1,
    workload: Workload = WORKLOAD,
    precisions: Sequence[str] = ("float32",),
) -> Plan:
    """SGD over powers of two."""
    settings = [
        Setting("torch.optim:SGD", {"lr": 2.0**rate, "weight_decay": decay}, _alpha(alpha), seed, precision)
        for precision in precisions
        for seed in range(seeds)
        for alpha in alphas
        for rate in rates
        for decay in decays
    ]
    return Plan(workload, tuple(settings), ("SGD",) * len(settings), notes=("a note",))


def _alpha(power: int | Fraction) -> Fraction:
    return power if isinstance(power, Fraction) else Fraction(2) ** power


def table_law(name: str, settings: Mapping[str, Any]) -> Law:
    return row_of(name).law_for(settings)


def share(plan: Plan, rounding: bool = True, audited: bool = False) -> list[Share]:
    return share_runs(plan, LawLookup(table_law), rounding, audited)[0]


class Here:
    """Carries out tasks in this process, the last one first."""

    name = "here"
    jobs = 2

    def __init__(self, run: Callable[..., list[Outcome]] = descent.run_settings) -> None:
        self.engine = run
        self.tasks: list[Task] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[str, list[Outcome]]]:
        for task in reversed(tasks):
            self.tasks.append(task)
            yield task.key, carry_out(task, self.engine)
