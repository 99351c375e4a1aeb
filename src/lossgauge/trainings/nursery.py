"""Child processes for scripts: a nursery that has loaded the framework once and forks a fresh child for every run.

Loading a framework takes seconds and a proof takes ten runs. Where processes cannot be forked safely, every run gets an
interpreter of its own instead.
"""

import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import BinaryIO

FORKS = sys.platform == "linux"
SOURCE = str(Path(__file__).parents[2])


class Nursery:
    """Starts children, one after the other. The nursery itself ends when it is no longer referred to."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self.process: subprocess.Popen[bytes] | None = None
        self._asking: BinaryIO | None = None
        self._answering: BinaryIO | None = None

    def run(self, request: Path) -> int:
        """Let a fresh child carry out a request, and wait for it.

        Args:
            request: The file of the request.

        Returns:
            The child's exit code; negative where a signal ended it.
        """
        if not FORKS:
            return subprocess.run(
                _command("main", repr(str(request))), check=False, stdin=subprocess.DEVNULL
            ).returncode
        if self._asking is None or self._answering is None:
            self._asking, self._answering = self._start()
        self._asking.write(os.fsencode(request) + b"\n")
        self._asking.flush()
        answer = self._answering.readline()
        return int(answer) if answer else 1

    def _start(self) -> tuple[BinaryIO, BinaryIO]:
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        command = _command("serve", f"{theirs_in}, {theirs_out}")
        self.process = subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        asking, answering = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        weakref.finalize(self, _end, self.process, asking, answering)
        return asking, answering


def _command(function: str, arguments: str) -> list[str]:
    # -P keeps the current folder off the path while lossgauge loads: no file of the user's is taken for a library.
    start = (
        f"import sys; sys.path.append({SOURCE!r}); from lossgauge.trainings import child; child.{function}({arguments})"
    )
    return [sys.executable, "-P", "-c", start]


def _end(process: subprocess.Popen[bytes], asking: BinaryIO, answering: BinaryIO) -> None:
    """Closing the pipe is what tells the nursery that there will be no more requests."""
    try:
        asking.close()
        answering.close()
        process.wait(timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
