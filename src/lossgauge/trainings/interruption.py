"""Waiting for a child as a shell does: Ctrl-C is for the child, and who waits goes on waiting."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lossgauge.trainings.nursery import Child

HANDED_ON = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals that are meant for the training."""
ONE_PRESS = 0.5
"""Seconds within which two interruptions are one: a group of processes may be sent it twice."""
PATIENCE = 5.0
"""Seconds after which it is said that the child takes its time."""


def wait_together(child: Child, title: str) -> int:
    """Wait until a child ends, and share with it what interrupts us.

    The first Ctrl-C is the child's to deal with; a second one ends it. A request to terminate is handed on, and so is
    what clusters send to ask for a checkpoint.

    Args:
        child: The child.
        title: What to call it.

    Returns:
        Its exit code, negative where a signal ended it.
    """
    with _shared(child, title):
        code = child.wait()
    return 1 if code is None else code


@contextmanager
def _shared(child: Child, title: str) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    presses = _Presses(child, title)
    handlers: dict[signal.Signals, Callable[[int, FrameType | None], Any]] = {signal.SIGINT: presses.interrupt}
    for name in HANDED_ON:
        if hasattr(signal, name):
            handlers[getattr(signal, name)] = lambda number, frame: child.signal(number)
    before = [(number, _handle(number, handler)) for number, handler in handlers.items()]
    try:
        yield
    finally:
        presses.over.set()
        for number, handler in before:
            signal.signal(number, handler)


class _Presses:
    """The interruptions so far."""

    def __init__(self, child: Child, title: str) -> None:
        self.child = child
        self.title = title
        self.over = threading.Event()
        self._first: float | None = None

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            threading.Thread(target=self._follow, daemon=True).start()
        elif now - self._first > ONE_PRESS:
            self.child.kill()

    def _follow(self) -> None:
        """Outside a terminal, whoever interrupts this process has not necessarily interrupted the child."""
        if not self.over.wait(ONE_PRESS) and not _in_the_foreground():
            self.child.signal(signal.SIGINT)
        if not self.over.wait(PATIENCE):
            print(f"lossgauge: waiting for {self.title} to end; Ctrl-C again kills it", file=sys.stderr, flush=True)


def _handle(number: signal.Signals, handler: Callable[[int, FrameType | None], Any]) -> Any:
    """Put a handler in place, except where the signal is ignored: for a command in the background it stays so."""
    before = signal.getsignal(number)
    if before is not signal.SIG_IGN:
        signal.signal(number, handler)
    return before


def _in_the_foreground() -> bool:
    """Whether a terminal sends its Ctrl-C to our group of processes, and so to the child too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
