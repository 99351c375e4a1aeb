"""Tasks on this machine: one process per core, each with one thread."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.executors import worker
from lossgauge.experiments.sweeping.executors.executor import ACCELERATOR, ENGINE, Task
from lossgauge.records.sweep import FAILED, Outcome

STILLBORN = 3
"""Processes that may end one after the other before they could do anything."""
PATIENCE = 5.0
"""Seconds to wait for what a process says and leaves when it ends."""
ON_DEVICE = 2
"""Processes that may use an accelerator: while one trains there, the other prepares; each takes some of its memory."""
ONE_THREAD: dict[str, str] = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Threads of one process get into each other's way long before they help; processes do not."""


@dataclass(eq=False)
class _Job:
    """A task, or one setting of a task whose worker died twice, with what is still to come of it."""

    task: Task
    part: int | None = None
    deaths: int = 0

    @property
    def on_device(self) -> bool:
        """Whether it asks for an accelerator."""
        return self.task.tier == ACCELERATOR


@dataclass
class _Worker:
    """A process and what it is at."""

    process: "subprocess.Popen[str]"
    job: _Job | None = None
    ready: bool = False
    on_device: bool = False
    complaint: str = ""
    listener: threading.Thread | None = None


@dataclass
class _Parts:
    """The outcomes of a task that is run setting by setting."""

    missing: int
    outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])


class LocalExecutor:
    """Processes of this machine; started when the first task comes, ended with the context."""

    name = "local"

    def __init__(
        self, jobs: int | None = None, engine: str = ENGINE, progress: Callable[[int], None] | None = None
    ) -> None:
        """Nothing is started yet.

        Args:
            jobs: How many processes; by default one per core that this process may use.
            engine: `module:function` that runs the settings of a task.
            progress: Told how many steps of training were made since it was told last.

        Raises:
            InputError: When `jobs` is below 1.
        """
        if jobs is not None and jobs < 1:
            raise InputError(f"jobs is {jobs}, expected a whole number of at least 1")
        self.jobs = jobs or usable_cores()
        self._engine = engine
        self._progress = progress or (lambda steps: None)
        self._workers: list[_Worker] = []
        self._stillborn = 0
        self._messages: SimpleQueue[tuple[_Worker, dict[str, Any] | None]] = SimpleQueue()

    def __enter__(self) -> Self:
        """Start nothing before there is work."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes at once; what they were at is lost, and run again in another sweep."""
        for one in self._workers:
            one.process.kill()
        for one in self._workers:
            _autopsy(one)
        self._workers = []

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[str, list[Outcome]]]:
        """Carry out tasks; see `Executor.run`.

        Args:
            tasks: The tasks.

        Yields:
            Key and outcomes of each task, in the order in which they are done.
        """
        waiting = deque(_Job(task) for task in tasks)
        parts: dict[str, _Parts] = {}
        needed = len(waiting) - max(0, sum(job.on_device for job in waiting) - ON_DEVICE)
        while len(self._workers) < min(self.jobs, needed):
            self._workers.append(self._start())
        for one in self._workers:
            self._hand(one, waiting)
        while any(one.job for one in self._workers):
            one, message = self._messages.get()
            job = one.job
            if job is None or one not in self._workers:
                continue
            if message is None:
                self._bury(one, job, waiting, parts)
            else:
                one.ready, self._stillborn = True, 0
                self._progress(message["steps"])
                if "outcomes" not in message:
                    continue
                one.job = None
                _collect(job, [Outcome.from_dict(plain) for plain in message["outcomes"]], parts)
            yield from _completed(job, parts)
            for idle in self._workers:
                self._hand(idle, waiting)

    def _hand(self, one: _Worker, waiting: "deque[_Job]") -> None:
        """Give a worker the next job, if it has none and there is one for it."""
        if one.job is not None:
            return
        may = one.on_device or sum(other.on_device for other in self._workers) < ON_DEVICE
        kinds = (True, False) if may else (False,)
        one.job = next((job for kind in kinds for job in waiting if job.on_device is kind), None)
        if one.job is None:
            return
        waiting.remove(one.job)
        one.on_device |= one.job.on_device
        task, part = one.job.task, one.job.part
        if part is not None:
            task = Task(task.key, task.workload, (task.settings[part],), task.tier)
        _tell(one, task.to_dict())

    def _bury(self, one: _Worker, job: _Job, waiting: "deque[_Job]", parts: dict[str, _Parts]) -> None:
        """A worker has died: put another in its place, and its job back, smaller the second time."""
        code, last = _autopsy(one), one.complaint
        self._stillborn += not one.ready
        if self._stillborn >= STILLBORN:
            raise InputError(f"the processes of the sweep end before they can do anything, by {code}: {last}")
        self._workers[self._workers.index(one)] = self._start()
        job.deaths += one.ready  # before that, it had nothing to do with the job
        if job.deaths < 2:
            waiting.appendleft(job)
        elif job.part is None and len(job.task.settings) > 1:
            parts[job.task.key] = _Parts(len(job.task.settings))
            waiting.extendleft(_Job(job.task, part, 1) for part in reversed(range(len(job.task.settings))))
        else:
            text = f"the process that ran it was ended by {code}" + (f": {last}" if last else "")
            _collect(job, [Outcome(FAILED, float("nan"), message=text)], parts)

    def _start(self) -> _Worker:
        paths = [os.path.abspath(path or os.curdir) for path in sys.path]
        with _deaf():
            process = subprocess.Popen(
                [sys.executable, "-m", worker.__name__, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)},
            )
        started = _Worker(process)
        threading.Thread(target=self._listen, args=(started,), daemon=True).start()
        started.listener = threading.Thread(target=_heed, args=(started,), daemon=True)
        started.listener.start()
        _tell(started, {"engine": self._engine, "path": paths})
        return started

    def _listen(self, one: _Worker) -> None:
        """Pass on what a worker says, and that it has ended."""
        assert one.process.stdout is not None
        with suppress(ValueError), one.process.stdout as said:  # the last line may have been cut short
            for line in said:
                self._messages.put((one, json.loads(line)))
        self._messages.put((one, None))


def usable_cores() -> int:
    """How many processes can be at work at once.

    Returns:
        A count, at least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _deaf() -> Iterator[None]:
    """What is started inside does not hear Ctrl-C: that is for the driver, which then ends its workers."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _collect(job: _Job, outcomes: list[Outcome], parts: dict[str, _Parts]) -> None:
    """Keep what came of a job until its task is whole."""
    whole = parts.setdefault(job.task.key, _Parts(len(outcomes)))
    for part, outcome in enumerate(outcomes, job.part or 0):
        whole.outcomes[part] = outcome
        whole.missing -= 1


def _completed(job: _Job, parts: dict[str, _Parts]) -> Iterator[tuple[str, list[Outcome]]]:
    key = job.task.key
    if key in parts and not parts[key].missing:
        whole = parts.pop(key)
        yield key, [whole.outcomes[part] for part in sorted(whole.outcomes)]


def _tell(one: _Worker, message: Mapping[str, Any]) -> None:
    """Send a worker one line."""
    assert one.process.stdin is not None
    with suppress(BrokenPipeError):  # it has died, which will be noticed where it is listened to
        one.process.stdin.write(json.dumps(message) + "\n")
        one.process.stdin.flush()


def _heed(one: _Worker) -> None:
    """Remember the last line a worker complained with: often the reason of its end."""
    assert one.process.stderr is not None
    with one.process.stderr as complaints:
        for line in complaints:
            one.complaint = line.strip() or one.complaint


def _autopsy(one: _Worker) -> str:
    """How a process ended that says nothing any more, in a few words."""
    try:
        code = one.process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        one.process.kill()
        code = one.process.wait()
    assert one.listener is not None
    assert one.process.stdin is not None
    one.listener.join(PATIENCE)
    with suppress(BrokenPipeError):
        one.process.stdin.close()
    return f"signal {-code}" if code < 0 else f"exit code {code}"
