"""What experiments may not do: overwrite by its full path a file of the project of which they work in a copy."""

import errno
import os
import sys
from typing import Any

from lossgauge.trainings.scratch import OWN

PLACES = {"open": (0,), "os.remove": (0,), "os.truncate": (0,), "os.rename": (0, 1)}
"""Python's names for what is done to files (PEP 578), and which of the arguments are paths."""
REFUSAL = "an experiment works in a copy of the project, and this file belongs to the project itself"


def guard(root: str) -> None:
    """Let this process change no file that is there, from here on; new ones it may make, and hidden ones change.

    Args:
        root: The project.
    """
    real = os.path.realpath(root)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in PLACES or (event == "open" and not _writes(*arguments[1:])):
            return
        for number in PLACES[event]:
            if _belongs(arguments[number], real):
                raise PermissionError(errno.EPERM, REFUSAL, arguments[number])

    sys.addaudithook(look)


def _writes(mode: Any, flags: Any) -> bool:
    written = isinstance(mode, str) and any(letter in mode for letter in "wax+")
    return written or (isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR)))


def _belongs(path: Any, root: str) -> bool:
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    real = os.path.realpath(os.fsdecode(path))
    if real.startswith(OWN) or not real.startswith(root + os.sep) or not os.path.isfile(real):
        return False
    return not any(part.startswith(".") for part in real[len(root) + 1 :].split(os.sep))
