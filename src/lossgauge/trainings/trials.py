"""Running a training again and again with treatments: scripts side by side, functions one after the other."""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lossgauge.errors import LossgaugeError
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal, read_session
from lossgauge.records.session import Session
from lossgauge.records.treatment import Treatment
from lossgauge.trainings.gauging import complete, gauge_training
from lossgauge.trainings.nursery import Child
from lossgauge.trainings.order import GaugedRun, Order
from lossgauge.trainings.request import read_answer, temporary_folder
from lossgauge.trainings.scratch import discard
from lossgauge.trainings.script import Script
from lossgauge.trainings.training import Training

Progress = Callable[[Sequence[int], int], None]
"""Told which step each trial under way has reached, and how many steps it is to make."""
LONGER, MARGIN = 3.0, 20.0
"""A trial may take so many times as long as the untouched run, and so many seconds more."""
TICK = 0.2
"""Seconds between two looks at the trials under way."""


class Trials:
    """Treated runs of one training, each with a time limit by the untouched run."""

    def __init__(
        self,
        training: Training,
        untouched: GaugedRun | None = None,
        steps: int = 0,
        workers: int | None = None,
        progress: Progress = lambda reached, steps: None,
    ) -> None:
        """Prepare; nothing is run yet.

        Args:
            training: The training.
            untouched: How the untouched run went; None sets no time limit.
            steps: How many optimizer steps it made.
            workers: How many scripts may run at once; by default as many as leave each its threads, and one where they
                share an accelerator.
            progress: Told, a few times a second, how far the trials are.
        """
        self.training = training
        self.untouched = untouched
        self.steps = steps
        self.workers = _workers(untouched) if workers is None else workers
        self.progress = progress

    def __call__(self, plans: Sequence[Sequence[Treatment]], steps: int) -> list[Session | None]:
        """Run the training once for each plan.

        What a script prints in these runs is shown nowhere, it has nothing to read, and it works in a copy of the
        project; a function does what it does in this process.

        Args:
            plans: The treatments of each run.
            steps: Optimizer steps after which each run is ended.

        Returns:
            The sessions, in the order of the plans, without steps where a run made none; None where one was not begun.
        """
        with temporary_folder() as folder:
            orders = [
                Order(folder / f"trial{number}.jsonl", Injection(treatments=tuple(plan)), steps, "nowhere", "nothing")
                for number, plan in enumerate(plans)
            ]
            if isinstance(self.training, Script):
                return self._side_by_side(self.training, orders, folder, self._limit(steps))
            return [self._in_turn(order) for order in orders]

    def _limit(self, steps: int) -> float | None:
        """Seconds a run may take; one that is to go on for longer than the untouched run has more of them."""
        if self.untouched is None:
            return None
        return LONGER * self.untouched.seconds * max(1.0, steps / max(self.steps, 1)) + MARGIN

    def _side_by_side(
        self, script: Script, orders: Sequence[Order], folder: Path, limit: float | None
    ) -> list[Session | None]:
        threads = self.untouched.threads if self.untouched else None
        waiting = deque(_Run(order, folder / order.journal.stem, limit, threads) for order in orders)
        everything, running = list(waiting), list[_Run]()
        try:
            while waiting or running:
                while waiting and len(running) < max(1, self.workers):
                    waiting[0].start(script)
                    running.append(waiting.popleft())
                running[0].child.wait(TICK)
                running = [run for run in running if not run.over()]
                self.progress([run.reached() for run in running], orders[0].stop_after or 0)
        finally:
            for run in running:
                run.child.kill()
        return [run.session for run in everything]

    def _in_turn(self, order: Order) -> Session | None:
        try:
            gauge_training(
                self.training, order.journal, injection=order.injection, stop_after=order.stop_after, output="nowhere"
            )
        except LossgaugeError:
            return None
        return read_session(order.journal)


@dataclass
class _Run:
    """One treated run of a script."""

    order: Order
    folder: Path
    limit: float | None
    threads: int | None
    session: Session | None = None
    child: Child = field(init=False)
    _started: float = 0.0
    _seen: int = 0
    _step: int = 0

    def start(self, script: Script) -> None:
        Journal(self.order.journal).close()
        order = replace(self.order, threads=self.threads)
        self.child = script.start_trial(order, self.folder)
        self._started = time.monotonic()

    def over(self) -> bool:
        """Whether it has ended, if need be because its time is up; then its session is read."""
        seconds = time.monotonic() - self._started
        code, why = self.child.wait(0), ""
        if code is None:
            if self.limit is None or seconds < self.limit:
                return False
            self.child.kill()
            code, why = self.child.wait(MARGIN) or -9, f"it was still running after {self.limit:.0f} s"
        why = why or (read_answer(self.folder) or {}).get("error", "")
        self.child.kill()  # what it may have started and left behind
        discard(self.folder)
        complete(self.order.journal, code, seconds, why)
        self.session = read_session(self.order.journal)
        return True

    def reached(self) -> int:
        """The step it has reached, as far as it is written down."""
        with self.order.journal.open("rb") as file:
            file.seek(self._seen)
            whole = file.read().rpartition(b"\n")[0]
        self._seen += len(whole) + bool(whole)
        for line in reversed(whole.split(b"\n")):
            if line.startswith(b'{"kind":"steps"'):
                self._step = int(json.loads(line)["rows"][-1][0])
                break
        return self._step


def _workers(untouched: GaugedRun | None) -> int:
    if untouched is None or untouched.accelerator:
        return 1
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, processors // (untouched.threads or 1))
