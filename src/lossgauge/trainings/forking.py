"""The nursery's own side: a process that forks a child for every request it reads, and tells how each one ended."""

import os
import select
import signal
import sys
from contextlib import suppress


def fork_for_each(asked: int, answered: int) -> str | None:
    """Fork at every request until the pipe is closed; children still at work are ended then.

    Args:
        asked: The descriptor from which the files of requests are read, one per line.
        answered: The descriptor to which `+pid` is written for a child that was started, and `-pid code` for one that
            has ended, one per line.

    Returns:
        In a child the file of its request; in the nursery, once there are no more requests, None.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    before = signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    running: set[int] = set()
    unread = b""
    while True:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(running, answered)
        if asked not in ready:
            continue
        said = os.read(asked, 65536)
        if not said:
            _end(running)
            return None
        *requests, unread = (unread + said).split(b"\n")
        for request in requests:
            child = os.fork()
            if not child:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, before)
                for descriptor in (woken, wake, asked, answered):
                    os.close(descriptor)
                return os.fsdecode(request)
            running.add(child)
            _say(answered, b"+%d\n" % child)


def forget_randomness() -> None:
    """Start from fresh entropy as a new interpreter does; a shared start would hide that a script is not seeded."""
    # Python's own generator does so by itself after a fork. Torch draws the seed of its generator when it is loaded.
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    generator = getattr(sys.modules.get("torch"), "default_generator", None)
    if generator is not None:
        generator.seed()


def _tell_ends(running: set[int], answered: int) -> None:
    for child in list(running):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            running.discard(pid)
            _say(answered, b"-%d %d\n" % (pid, os.waitstatus_to_exitcode(status)))


def _say(answered: int, line: bytes) -> None:
    with suppress(BrokenPipeError):  # whoever asked is gone; the end of the requests follows
        os.write(answered, line)


def _end(running: set[int]) -> None:
    """End the children; those that lead a group of their own, with all they started."""
    for child in running:
        for kill in (os.killpg, os.kill):
            with suppress(OSError):
                kill(child, signal.SIGKILL)
                break
