"""Child processes for scripts: alone in an interpreter of their own, or from a nursery that forks one for every run.

Loading a framework takes seconds and a proof takes ten runs: a nursery has loaded it once. Where processes cannot be
forked safely, every run gets an interpreter of its own instead.
"""

import os
import select
import signal
import subprocess
import sys
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from lossgauge.errors import ScriptError

FORKS = sys.platform == "linux"
SOURCE = str(Path(__file__).parents[2])


class Child(Protocol):
    """A child process at work on a request."""

    pid: int

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it ends.

        Args:
            timeout: For how many seconds; None for as long as it takes.

        Returns:
            Its exit code, negative where a signal ended it; None where it still runs.
        """
        ...

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens where it has ended.

        Args:
            number: The signal.
        """
        ...

    def kill(self) -> None:
        """End it at once, and what it started where it leads a group of its own."""
        ...


def start_alone(request: Path) -> Child:
    """Let a fresh interpreter carry out a request; it has the standard input of this process.

    Args:
        request: The file of the request.

    Returns:
        The child.
    """
    return _Interpreter(subprocess.Popen(_command("main", repr(str(request)))))


class Nursery:
    """Starts children. The nursery itself ends when it is no longer referred to, and with it what it has started."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self.process: subprocess.Popen[bytes] | None = None
        self._asking = self._answering = -1
        self._ended: dict[int, int] = {}
        self._begun: list[int] = []
        self._unread = b""

    def run(self, request: Path) -> int:
        """Let a fresh child carry out a request, and wait for it.

        Args:
            request: The file of the request.

        Returns:
            The child's exit code; negative where a signal ended it.
        """
        code = self.start(request).wait()
        return 1 if code is None else code

    def start(self, request: Path) -> Child:
        """Let a fresh child carry out a request; any number of them may be at work at once.

        Args:
            request: The file of the request.

        Returns:
            The child.
        """
        if not FORKS:
            return start_alone(request)
        if self.process is None:
            self._start()
        os.write(self._asking, os.fsencode(request) + b"\n")
        while not self._begun:
            self._read(None)
        return _Forked(self._begun.pop(0), self)

    def outcome(self, pid: int, timeout: float | None) -> int | None:
        """How a child ended.

        Args:
            pid: The child.
            timeout: For how many seconds to wait; None for as long as it takes.

        Returns:
            Its exit code; None where it still runs.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        while pid not in self._ended:
            left = None if limit is None else limit - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._read(left)
        return self._ended[pid]

    def _read(self, timeout: float | None) -> None:
        """Take in what the nursery says: `+pid` when a child was started, `-pid code` when one has ended."""
        if not select.select([self._answering], [], [], timeout)[0]:
            return
        said = os.read(self._answering, 4096)
        if not said:
            raise ScriptError("the process that starts the runs is gone; run the command again")
        *lines, self._unread = (self._unread + said).split(b"\n")
        for line in lines:
            if line.startswith(b"+"):
                self._begun.append(int(line[1:]))
            else:
                pid, code = line[1:].split()
                self._ended[int(pid)] = int(code)

    def _start(self) -> None:
        (theirs_in, self._asking), (self._answering, theirs_out) = os.pipe(), os.pipe()
        command = _command("serve", f"{theirs_in}, {theirs_out}")
        self.process = subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        weakref.finalize(self, _end, self.process, self._asking, self._answering)


class _Interpreter:
    """A child that was started by this process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pid = process.pid

    def wait(self, timeout: float | None = None) -> int | None:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def signal(self, number: int) -> None:
        with suppress(OSError):
            self.process.send_signal(number)

    def kill(self) -> None:
        _kill(self)


class _Forked:
    """A child that was started by a nursery."""

    def __init__(self, pid: int, nursery: Nursery) -> None:
        self.pid = pid
        self.nursery = nursery

    def wait(self, timeout: float | None = None) -> int | None:
        return self.nursery.outcome(self.pid, timeout)

    def signal(self, number: int) -> None:
        if self.wait(0) is None:
            with suppress(OSError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        _kill(self)


def _kill(child: Child) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:  # it leads no group
        child.signal(signal.SIGKILL)


def _command(function: str, arguments: str) -> list[str]:
    # Without the current folder on the path no file of the user's is taken for a library while lossgauge loads. The
    # option -P would do the same, but processes that the script starts would inherit it.
    start = (
        f"import sys; sys.flags.safe_path or sys.path.pop(0); sys.path.append({SOURCE!r}); "
        f"from lossgauge.trainings import child; child.{function}({arguments})"
    )
    return [sys.executable, "-c", start]


def _end(process: subprocess.Popen[bytes], asking: int, answering: int) -> None:
    """Closing the pipe is what tells the nursery that there will be no more requests."""
    try:
        os.close(asking)
        os.close(answering)
        process.wait(timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
