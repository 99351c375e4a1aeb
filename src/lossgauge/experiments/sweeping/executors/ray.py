"""Carrying out a sweep on a Ray cluster: each batch of settings is one task of Ray's core.

A node or a worker may end at any moment: Ray runs the task again elsewhere, and where Ray gives up, the batch is
submitted again, then setting by setting, so that one setting that kills its worker costs nobody else a result.
"""

import importlib
import math
import os
import re
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Self

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.executors import worker
from lossgauge.experiments.sweeping.executors.executor import ACCELERATOR, ENGINE, Task
from lossgauge.experiments.sweeping.executors.local import ONE_THREAD, usable_cores
from lossgauge.records.sweep import FAILED, Outcome

RETRIES = 1
"""How often Ray itself runs a task again whose worker or node was lost."""
SUBMISSIONS = 2
"""How often a batch is handed to Ray before it is taken apart."""
AHEAD = 2
"""Tasks in flight for each processor: one at work and one that waits beside it."""
SHARE = 0.5
"""The part of an accelerator that one task has: while one trains there, another prepares."""
PATIENCE = 5.0
"""Seconds after which the size of the cluster is looked up again."""
TOKENS_SINCE = (2, 59)
"""The first Ray whose nodes ask for a token."""
SMALL_STORE = 100 * 2**20
"""Bytes of shared memory for the objects of a cluster of our own; outcomes are a few kB."""


@dataclass(frozen=True)
class Piece:
    """A part of a task that is run in one go.

    Args:
        task: The task.
        begin: The first of its settings.
        end: The one after the last.
        submissions: How often it was handed to Ray.
    """

    task: Task
    begin: int
    end: int
    submissions: int = 1

    @property
    def name(self) -> str:
        """What Ray's own tools show."""
        return f"{self.task.key}[{self.begin}:{self.end}]"

    def plain(self) -> dict[str, Any]:
        """The form in which it travels.

        Returns:
            A task as plain data.
        """
        task = Task(self.task.key, self.task.workload, self.task.settings[self.begin : self.end], self.task.tier)
        return task.to_dict()

    def again(self) -> "list[Piece]":
        """What is tried after it was lost.

        Returns:
            Itself, or its settings one by one; nothing when there is nothing left to try.
        """
        if self.submissions < SUBMISSIONS:
            return [Piece(self.task, self.begin, self.end, self.submissions + 1)]
        if self.end - self.begin == 1:
            return []
        return [Piece(self.task, place, place + 1) for place in range(self.begin, self.end)]


class RayExecutor:
    """Carries out tasks on a Ray cluster, or on one that is started on this machine for the purpose.

    A cluster of our own ends with the executor; clusters of others are never stopped.
    """

    name = "ray"

    def __init__(
        self,
        jobs: int | None = None,
        engine: str = ENGINE,
        progress: Callable[[int], None] | None = None,
        address: str | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            jobs: Processors of a cluster of our own; by default one per core that this process may use.
            engine: `module:function` that runs the settings of a task.
            progress: Told how many steps of training were made since it was told last.
            address: Of a running cluster, `host:port` or `auto`; by default the environment's RAY_ADDRESS, and where
                there is none a cluster of our own is started on this machine.

        Raises:
            InputError: When `jobs` is below 1.
        """
        if jobs is not None and jobs < 1:
            raise InputError(f"jobs is {jobs}, expected a whole number of at least 1")
        self.address = address or os.environ.get("RAY_ADDRESS") or None
        self._engine = engine
        self._progress = progress or (lambda steps: None)
        self._wanted = jobs or usable_cores()
        self._ray: Any = None
        self._mine = False

    @property
    def jobs(self) -> int:
        """How many tasks are at work at once: the processors of the cluster as it is now."""
        if self._ray is None:
            return self._wanted
        return max(int(self._ray.cluster_resources().get("CPU", 0)), 1)

    def __enter__(self) -> Self:
        """Connect to the cluster, or start one.

        Returns:
            The executor.

        Raises:
            InputError: When Ray is missing, or no cluster answers at the address.
        """
        self._ray = load_ray(connects=self.address is not None)
        if not self._ray.is_initialized():
            _connect(self._ray, self.address, self._wanted)
            self._mine = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cluster; one of our own ends."""
        if self._mine:
            self._ray.shutdown()
        self._ray, self._mine = None, False

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[str, list[Outcome]]]:
        """Carry out tasks in any order.

        Args:
            tasks: The tasks, their keys distinct.

        Yields:
            The key of each task once, with one outcome per setting, in the order in which they are done.

        Raises:
            InputError: When a task asks for an accelerator and no node has one.
        """
        if any(task.tier == ACCELERATOR for task in tasks) and not self._ray.cluster_resources().get("GPU"):
            raise InputError("device is 'cuda', but no node of the Ray cluster has a GPU; expected --device cpu")
        submit = self._ray.remote(num_cpus=1, max_retries=RETRIES)(carry_out)
        waiting = deque(Piece(task, 0, len(task.settings)) for task in tasks)
        results: dict[str, dict[int, Outcome]] = {task.key: {} for task in tasks}
        flying: dict[Any, Piece] = {}
        try:
            while waiting or flying:
                room = AHEAD * self.jobs - len(flying)
                for _ in range(min(room, len(waiting))):
                    piece = waiting.popleft()
                    asked = submit.options(name=piece.name, num_gpus=SHARE if piece.task.tier == ACCELERATOR else 0)
                    flying[asked.remote(piece.plain(), self._engine, search_path())] = piece
                ready, _ = self._ray.wait(list(flying), num_returns=1, timeout=PATIENCE)
                for reference in ready:
                    piece = flying.pop(reference)
                    found, rest = self._settle(reference, piece)
                    waiting.extendleft(rest)
                    results[piece.task.key] |= found
                    if len(results[piece.task.key]) == len(piece.task.settings):
                        outcomes = results.pop(piece.task.key)
                        yield piece.task.key, [outcomes[place] for place in sorted(outcomes)]
        finally:
            for reference in flying:
                with suppress(Exception):  # the cluster may be gone already
                    self._ray.cancel(reference, force=True)

    def _settle(self, reference: Any, piece: Piece) -> tuple[dict[int, Outcome], list[Piece]]:
        """The outcomes of a piece that ended, by place in its task, or what is to be tried instead."""
        try:
            outcomes = [Outcome.from_dict(plain) for plain in self._ray.get(reference)]
        except self._ray.exceptions.RayError as error:
            rest = piece.again()
            if rest:
                return {}, rest
            outcomes = [Outcome(FAILED, math.nan, message=f"the worker that ran it was lost: {_last_line(error)}")]
        self._progress(len(outcomes) * piece.task.workload.steps)
        return dict(enumerate(outcomes, piece.begin)), []


def carry_out(plain: Mapping[str, Any], engine: str, places: Sequence[str]) -> list[dict[str, Any]]:
    """Run one task; this is what happens in a worker.

    Args:
        plain: The task as plain data.
        engine: What runs its settings, `module:name`.
        places: Where the driver looks for modules; those that are here too are looked at last.

    Returns:
        The outcomes as plain data.
    """
    for name, value in ONE_THREAD.items():
        os.environ[name] = value  # read by the framework when it is loaded, which is below
    sys.path.extend(place for place in places if place not in sys.path and os.path.exists(place))
    return [outcome.to_dict() for outcome in worker.carry_out(Task.from_dict(plain), worker.find_engine(engine))]


def search_path() -> list[str]:
    """Where this process looks for modules, such that another process on the same files finds them.

    Returns:
        Absolute folders and archives.
    """
    return [os.path.abspath(place) for place in sys.path]


def load_ray(connects: bool) -> Any:
    """Ray, prepared for nodes that ask for a token.

    Args:
        connects: Whether the cluster was started by somebody else.

    Returns:
        The module.

    Raises:
        InputError: When it is not installed.
    """
    try:
        installed = version("ray")
        # Both are read once, when Ray is loaded. Nodes started by `ray start` ask for a token unless told otherwise.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if connects and tuple(int(part) for part in re.findall(r"\d+", installed)[:2]) >= TOKENS_SINCE:
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        return importlib.import_module("ray")
    except (PackageNotFoundError, ImportError):
        raise InputError(
            "the engine ray needs Ray, which is missing; install it: pip install 'lossgauge[ray]'"
        ) from None


def _knock(address: str) -> None:
    """Make sure that somebody listens at the address, for Ray itself waits for minutes until somebody does."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), PATIENCE).close()


def _connect(ray: Any, address: str | None, jobs: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is None:
            ray.init(address="local", num_cpus=jobs, include_dashboard=False, object_store_memory=SMALL_STORE, **quiet)
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = "on this machine" if address is None else f"at {address!r}"
        raise InputError(
            f"no Ray cluster {where}: {_last_line(error)}; give the address that `ray start --head` prints, and set "
            "RAY_AUTH_MODE alike for all its nodes and here (token by default)"
        ) from None


def _last_line(error: BaseException) -> str:
    """What an error of Ray boils down to: the end of the worker's traceback, if it carries one."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
