"""Running a training many times as it is recorded step by step: scripts side by side, functions one after the other."""

import os
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from lossgauge.errors import ScriptError
from lossgauge.records.injection import Injection
from lossgauge.records.run import Run
from lossgauge.trainings.nursery import Child
from lossgauge.trainings.recorder import Watch
from lossgauge.trainings.request import temporary_folder
from lossgauge.trainings.script import Script
from lossgauge.trainings.training import Training

TICK = 0.2
"""Seconds between two looks at the runs under way."""
MARGIN = 20.0
"""Seconds a killed process may take to be gone."""


@dataclass(frozen=True)
class Plan:
    """One run that is wanted.

    Args:
        injection: What is laid over the training.
        watch: What is written down.
    """

    injection: Injection
    watch: Watch = field(default_factory=Watch)


def run_all(
    training: Training, plans: Sequence[Plan], workers: int = 1, limit: float | None = None
) -> Generator[tuple[int, Run | ScriptError], None, None]:
    """Run a training once for each plan; nothing of what it prints is shown.

    Args:
        training: The training.
        plans: What is wanted.
        workers: How many scripts may run at once; functions always run one after the other.
        limit: Seconds a script may take.

    Yields:
        The number of a plan and its record, in the order in which they end; the error where the user's code failed.
    """
    if isinstance(training, Script):
        with temporary_folder() as folder, closing(_side_by_side(training, plans, workers, limit, folder)) as runs:
            yield from runs
        return
    for number, plan in enumerate(plans):
        try:
            yield number, training.run(plan.injection, plan.watch, output="nowhere")
        except ScriptError as error:
            yield number, error


def count_cores() -> int:
    """How many processors this process may use.

    Returns:
        A count, at least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _side_by_side(
    script: Script, plans: Sequence[Plan], workers: int, limit: float | None, folder: Path
) -> Generator[tuple[int, Run | ScriptError], None, None]:
    waiting = deque(_Running(script, number, folder / f"run{number}", limit) for number in range(len(plans)))
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < max(1, workers):
                one = waiting.popleft()
                running.append(one)
                one.start(plans[one.number])
            running[0].child.wait(TICK)
            ended = [one for one in running if one.over()]
            running = [one for one in running if one not in ended]
            for one in ended:
                yield one.number, one.outcome()
    finally:
        for one in running:
            one.kill()


@dataclass(eq=False)
class _Running:
    """One run of a script under way."""

    script: Script
    number: int
    folder: Path
    limit: float | None
    child: Child = field(init=False)
    _started: float = 0.0
    _late: bool = False

    def start(self, plan: Plan) -> None:
        self.child = self.script.start_run(plan.injection, plan.watch, self.folder)
        self._started = time.monotonic()

    def kill(self) -> None:
        if hasattr(self, "child"):
            self.child.kill()

    def over(self) -> bool:
        """Whether it has ended, if need be because its time is up."""
        if self.child.wait(0) is not None:
            return True
        self._late = self.limit is not None and time.monotonic() - self._started > self.limit
        if self._late:
            self.child.kill()
            self.child.wait(MARGIN)
        return self._late

    def outcome(self) -> Run | ScriptError:
        """What it left behind."""
        code = self.child.wait(0)
        self.child.kill()  # what it may have started and left behind
        if self._late:
            return ScriptError(f"{self.script.title} was still running after {self.limit:.0f} s")
        try:
            return self.script.read_run(self.folder, -9 if code is None else code)
        except ScriptError as error:
            return error
