"""All statements of the thread, tested one after the other."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from lossgauge.demonstration.asker import judge_asker
from lossgauge.demonstration.beside import Beside
from lossgauge.demonstration.epsilon import judge_adam, judge_nadam, judge_placement, measure_adam
from lossgauge.demonstration.gradients import judge_derivative, judge_learning_rate, judge_unchanged
from lossgauge.demonstration.losses import judge_decay, judge_focal
from lossgauge.demonstration.optimizers import collect_laws, judge_optimizers
from lossgauge.frameworks.torch.demonstrations.asker import ATTEMPTS
from lossgauge.frameworks.torch.demonstrations.decay import measure_decay
from lossgauge.frameworks.torch.demonstrations.epsilon import measure_nadam
from lossgauge.frameworks.torch.demonstrations.factor import (
    measure_derivative,
    measure_focal,
    measure_learning_rate,
    measure_unchanged,
)
from lossgauge.frameworks.torch.demonstrations.placement import measure_placement
from lossgauge.frameworks.torch.demonstrations.training import one_thread
from lossgauge.records.statement import Statement

Progress = Callable[[float, str], None]
"""Called with the part done, 0 to 1, and what comes next."""
Tick = Callable[[], None]


@dataclass(frozen=True)
class Trial:
    """How one statement is tested.

    Args:
        title: What is being done, for the progress bar.
        measure: Runs the trainings and calls its argument after each part; or `module:function` of one that takes so
            long that it is worth a process of its own.
        judge: Evidence → statement.
        parts: How many parts `measure` reports, a count.
        effort: Expected time of one part, relative to the other trials.
    """

    title: str
    measure: Callable[[Tick], Mapping[str, Any]] | str
    judge: Callable[[Mapping[str, Any]], Statement]
    parts: int = 1
    effort: float = 1.0


def _whole(measure: Callable[[], Mapping[str, Any]]) -> Callable[[Tick], Mapping[str, Any]]:
    """A measurement that reports once, at its end."""

    def measure_and_tick(tick: Tick) -> Mapping[str, Any]:
        evidence = measure()
        tick()
        return evidence

    return measure_and_tick


TRIALS = (
    Trial("SGD under several factors", _whole(measure_unchanged), judge_unchanged),
    Trial("derivatives", _whole(measure_derivative), judge_derivative, effort=0.1),
    Trial("factor or learning rate", _whole(measure_learning_rate), judge_learning_rate),
    Trial("Nadam from 1e-6 to 1e9 ε", _whole(measure_nadam), judge_nadam, effort=0.3),
    Trial("weight decay in three places", _whole(measure_decay), judge_decay),
    Trial("ε in three places", _whole(measure_placement), judge_placement, effort=0.3),
    Trial("Adam in three regimes", _whole(measure_adam), judge_adam, effort=2.0),
    Trial("focal loss", _whole(measure_focal), judge_focal, effort=0.3),
    Trial(
        "the asker's own case",
        "lossgauge.frameworks.torch.demonstrations.asker:measure_asker",
        judge_asker,
        parts=len(ATTEMPTS),
        effort=2.0,
    ),
    Trial("the table of laws", _whole(collect_laws), judge_optimizers, effort=0.1),
)


def try_statements(progress: Progress | None = None, trials: tuple[Trial, ...] = TRIALS) -> list[Statement]:
    """Test every statement.

    Args:
        progress: Called before each trial and after each of its parts.
        trials: What to test.

    Returns:
        The statements in the order of the trials, with verdicts computed from what was measured just now.
    """
    report = progress or (lambda done, title: None)
    total = sum(trial.parts * trial.effort for trial in trials)
    done = 0.0
    statements: list[Statement] = []
    with ExitStack() as stack:
        stack.enter_context(one_thread())
        measures = [_start(trial, stack) for trial in trials]
        for trial, measure in zip(trials, measures, strict=True):
            report(min(done / total, 1.0), trial.title)

            def tick(trial: Trial = trial) -> None:
                nonlocal done
                done += trial.effort
                report(min(done / total, 1.0), trial.title)

            statements.append(trial.judge(measure(tick)))
    return statements


def _start(trial: Trial, stack: ExitStack) -> Callable[[Tick], Mapping[str, Any]]:
    return stack.enter_context(Beside(trial.measure)).measure if isinstance(trial.measure, str) else trial.measure
