"""The SQLite file under a store: opened by one driver at a time, changed as a whole or not at all."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.lock import Lock
from lossgauge.experiments.sweeping.tables import APPLICATION

PREPARATION = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA foreign_keys=ON")


class Database:
    """A file of tables, or tables in memory; what goes wrong with it is said in one line."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, or make it.

        Args:
            path: The file; None for memory.

        Raises:
            InputError: When another driver is at work on it, or it holds something else.
        """
        self.path = path
        self._lock = None if path is None else Lock(path)
        try:
            with self._plainly():
                self._connection = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
                self._check_kind()
                for statement in PREPARATION:
                    self._connection.execute(statement)
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """Close the file and let other drivers in."""
        try:
            with self._plainly():
                self._connection.close()
        finally:
            self._release()

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Read.

        Args:
            query: A statement of SQL.
            values: What stands for its question marks.

        Returns:
            The rows.
        """
        with self._plainly():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All of what is written inside, or nothing.

        Yields:
            The connection.
        """
        with self._plainly():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _check_kind(self) -> None:
        kind = self.ask("PRAGMA application_id")[0][0]
        if kind != APPLICATION and self.ask("SELECT 1 FROM sqlite_master"):
            raise InputError(f"{str(self.path)!r} is a database, but no store of a sweep; name another file")

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        name = repr(str(self.path))
        try:
            yield
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise InputError(
                    f"the disk of the store {name} is full; free some space and go on with --resume: nothing was lost"
                ) from error
            raise InputError(f"the store {name} cannot be used: {error}; name another file") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{name} is no store of a sweep: {error}; name another file") from error

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
