"""A measurement in a second process, so that two cores share the work.

A process of its own and not Python's process pool: a pool imports the caller's script once more, which fails where that
script has no main guard.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from lossgauge.frameworks.torch.demonstrations.training import one_thread

_PROGRAM = "from lossgauge.demonstration.beside import answer; answer()"
_TICK = "tick"


class Beside:
    """A measurement that runs in a second process from the moment this is entered.

    Args:
        target: `module:function`; the function takes `tick` and returns plain data.
    """

    def __init__(self, target: str):
        self.target = target
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Beside":
        if count_cores() > 1:
            # The child finds what its parent finds, however the parent's path was made.
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "PYTHONIOENCODING": "utf-8",
            }
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, self.target],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def measure(self, tick: Callable[[], None]) -> Mapping[str, Any]:
        """Wait for the evidence.

        Args:
            tick: Called after each part.

        Returns:
            What the function returned. Where there is no second process, or it failed, the function runs here.
        """
        last = ""
        ticks = 0
        if self.process is not None and self.process.stdout is not None:
            for line in self.process.stdout:
                last = line.strip()
                if last == _TICK:
                    ticks += 1
                    tick()
            if self.process.wait() == 0:
                return json.loads(last)

        def tick_the_rest() -> None:
            nonlocal ticks
            ticks -= 1
            if ticks < 0:
                tick()

        return _load(self.target)(tick=tick_the_rest)


def answer() -> None:
    """What the second process does: measure, print a line after each part, and the evidence as the last line."""
    with one_thread():
        evidence = _load(sys.argv[1])(tick=lambda: print(_TICK, flush=True))
    print(json.dumps(evidence), flush=True)


def count_cores() -> int:
    """The cores this process may use.

    Returns:
        A count of at least 1.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _load(target: str) -> Callable[..., Mapping[str, Any]]:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
