"""One driver at a time: a lock beside the store, which the system lifts when its holder ends, however it ends."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from lossgauge.errors import InputError


class Lock:
    """A lock on a store; held until it is released or the process ends."""

    def __init__(self, store: Path) -> None:
        """Take the lock.

        Args:
            store: The file of the store.

        Raises:
            InputError: When another driver holds it, or the folder cannot be written to.
        """
        self.path = store.with_name(store.name + "-lock")
        self._file = self._take(store)

    def release(self) -> None:
        """Give the lock back; the file goes with it."""
        if self._file >= 0:
            with suppress(OSError):
                self.path.unlink()
            os.close(self._file)
            self._file = -1

    def _take(self, store: Path) -> int:
        while True:
            try:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise InputError(
                    f"the store {str(store)!r} cannot be written: {error.strerror or error}; name a file in a folder "
                    "you may write to"
                ) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The one who held it may have removed the file after it was opened here: then it locks nobody out.
                if os.path.exists(self.path) and os.path.samestat(os.fstat(file), os.stat(self.path)):
                    return file
            except OSError as error:
                os.close(file)
                raise InputError(
                    f"another sweep is at work on the store {str(store)!r}; wait for it to end, or name another store"
                ) from error
            os.close(file)
