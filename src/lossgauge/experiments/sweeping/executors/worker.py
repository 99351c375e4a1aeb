"""The process that runs tasks: one JSON document per line comes in, and goes out.

It is started as `python -m`, not through `multiprocessing`: a user's own script is then never imported a second time,
and nothing is pickled.
"""

import json
import os
import sys
import threading
import time
from importlib import import_module
from typing import Any, TextIO

from lossgauge.experiments.sweeping.executors.executor import Task
from lossgauge.records.sweep import FAILED, Outcome

TOLD_EVERY = 0.25
"""Seconds between two messages of how far a task is."""


def work(incoming: TextIO, outgoing: TextIO) -> None:
    """Carry out tasks until none comes.

    Args:
        incoming: First a line with `engine` and `path`, then a task on each.
        outgoing: Gets a line with `steps` once all is loaded and now and then, and one with `outcomes` for each task.
    """
    start = json.loads(incoming.readline())
    sys.path[:] = start["path"]
    run = find_engine(start["engine"])
    _say(outgoing, {"steps": 0})
    for line in incoming:
        teller = _Teller(outgoing)
        outcomes = carry_out(Task.from_dict(json.loads(line)), run, teller.tell)
        _say(outgoing, {"steps": teller.rest(), "outcomes": [outcome.to_dict() for outcome in outcomes]})


def find_engine(name: str) -> Any:
    """Import what runs the settings of a task.

    Args:
        name: `module:function`.

    Returns:
        The function.
    """
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def carry_out(task: Task, run: Any, progress: Any = None) -> list[Outcome]:
    """Run one task; an error of the engine is the outcome of all its settings.

    Args:
        task: The task.
        run: The engine.
        progress: Told how many steps were made since it was told last.

    Returns:
        One outcome per setting.
    """
    try:
        return run(task.workload, task.settings, tier=task.tier, progress=progress)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return [Outcome(FAILED, float("nan"), message=text)] * len(task.settings)


class _Teller:
    """Tells the driver how many steps were made, a few times a second."""

    def __init__(self, outgoing: TextIO) -> None:
        self._outgoing = outgoing
        self._steps = 0
        self._last = time.monotonic()

    def tell(self, steps: int) -> None:
        self._steps += steps
        if time.monotonic() - self._last > TOLD_EVERY:
            _say(self._outgoing, {"steps": self.rest()})
            self._last = time.monotonic()

    def rest(self) -> int:
        steps, self._steps = self._steps, 0
        return steps


def _say(outgoing: TextIO, message: dict[str, Any]) -> None:
    outgoing.write(json.dumps(message) + "\n")
    outgoing.flush()


def _end_with(driver: int) -> None:
    """End when the driver does, however it ended: a long task would go on for nobody."""
    while os.getppid() == driver:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    """Work for the process that started this one."""
    driver = int(sys.argv[1])
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    # What the user's own code reads and prints must not come between the messages.
    incoming, outgoing = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    work(incoming, outgoing)


if __name__ == "__main__":
    main()
