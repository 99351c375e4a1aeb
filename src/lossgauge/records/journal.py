"""Sessions on disk: one JSON line per record, appended as it happens, readable up to the last whole line."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO, cast

from lossgauge.errors import InputError
from lossgauge.records.loss_reading import LossReading
from lossgauge.records.plain import from_plain, to_plain
from lossgauge.records.session import (
    SCHEMA,
    Clip,
    Ending,
    Event,
    Optimizer,
    Sample,
    Session,
    Step,
    Tensor,
    Trial,
)

Row = tuple[Any, ...]
"""A step as the values of `Step`, in the order of its fields; `clip` as the values of `Clip` or None."""


class Journal:
    """The file a session is written to while the training runs."""

    def __init__(self, path: str | Path) -> None:
        """Open it; what is there already is kept, and what follows is appended.

        Args:
            path: The file.

        Raises:
            InputError: When it cannot be written.
        """
        self.path = Path(path)
        self.lost = ""
        self._give_up: Callable[[str], None] | None = None
        try:
            self._file: TextIO = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"the session cannot be written to {str(path)!r}: {error.strerror}; choose a folder you may write to"
            ) from error

    def give_up(self, tell: Callable[[str], None]) -> None:
        """Let a failure to write end the journal and nothing else: not the training that is recorded.

        Args:
            tell: Told the reason, once, when nothing can be written any more. From then on nothing is, and `lost` says
                why.
        """
        self._give_up = tell

    def begin(self, script: str, args: Sequence[str], versions: dict[str, str]) -> None:
        """Write the first line.

        Args:
            script: What is observed.
            args: Its arguments.
            versions: Of Python, torch and lossgauge.
        """
        self._write({"schema": SCHEMA, "script": script, "args": list(args), "versions": versions})

    def add(self, record: Optimizer | Tensor | Sample | LossReading | Event | Trial | Ending) -> None:
        """Append one record; once this returns, it survives the end of the process.

        Args:
            record: Any record of a session except a step.
        """
        self._write({"kind": type(record).__name__, "record": to_plain(record)})

    def add_steps(self, rows: Iterable[Row]) -> None:
        """Append steps.

        Args:
            rows: The steps, oldest first.
        """
        line: dict[str, Any] = {"kind": "steps", "rows": list(rows)}
        try:
            self._write(line)
        except ValueError:  # JSON has no infinity and no NaN; most rows have none either
            self._write(to_plain(line))

    def replace(self, index: int, record: Optimizer | Tensor) -> None:
        """Say again, and better, what an optimizer or a tensor is.

        Args:
            index: Its number among those of its kind.
            record: What takes the place of the earlier record.
        """
        self._write({"kind": type(record).__name__, "index": index, "record": to_plain(record)})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        if self.lost:
            return
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        try:
            self._file.write(text + "\n")
            self._file.flush()
        except OSError as error:
            if self._give_up is None:
                raise
            self.lost = error.strerror or str(error)
            with suppress(OSError):  # what is left in its buffer cannot be written either
                self._file.close()
            self._give_up(f"the session cannot be written to {str(self.path)!r} any more ({self.lost})")


def read_session(path: str | Path) -> Session:
    """Read a session, however its writer ended.

    Args:
        path: The file a journal wrote.

    Returns:
        The session; what follows the last whole line is left out.

    Raises:
        InputError: When there is no such file or it is no session.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(
            f"no session can be read from {str(path)!r}: {error.strerror}; expected a file that lossgauge run wrote"
        ) from error
    read = list(_whole(lines))
    if not read or read[0].get("schema") != SCHEMA:
        raise InputError(f"{str(path)!r} is no session; expected a file whose first line says {SCHEMA}")
    head = read[0]
    session = Session(str(head["script"]), tuple(head["args"]), dict(head["versions"]))
    for line in read[1:]:
        _take(session, line)
    return session


def write_session(session: Session, path: str | Path) -> None:
    """Write a whole session.

    Args:
        session: The session.
        path: The file; what was there is replaced.
    """
    Path(path).unlink(missing_ok=True)
    journal = Journal(path)
    journal.begin(session.script, session.args, session.versions)
    for record in (*session.optimizers, *session.tensors):
        journal.add(record)
    journal.add_steps(as_row(step) for step in session.steps)
    for record in (*session.samples, *session.readings, *session.events, *session.trials):
        journal.add(record)
    if session.ending is not None:
        journal.add(session.ending)
    journal.close()


def as_row(step: Step) -> Row:
    """A step as the values of its fields.

    Args:
        step: The step.

    Returns:
        A tuple, its clip a tuple too.
    """
    clip = None if step.clip is None else tuple(getattr(step.clip, f.name) for f in fields(Clip))
    return tuple(clip if f.name == "clip" else getattr(step, f.name) for f in fields(Step))


def from_row(row: Sequence[Any]) -> Step:
    """Read what `as_row` writes.

    Args:
        row: The values.

    Returns:
        The step.
    """
    number, optimizer, losses, backwards, clip, scale, skipped, stale = row
    losses = tuple(float(loss) for loss in losses)
    own = None
    if clip is not None:
        name, threshold, norm, stage, order = clip
        own = Clip(name, float(threshold), None if norm is None else float(norm), stage, float(order))
    return Step(number, optimizer, losses, backwards, own, None if scale is None else float(scale), skipped, stale)


def _whole(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            read = json.loads(line)
        except ValueError:
            return  # the writer was cut off here
        if isinstance(read, dict):
            yield read


_KINDS: dict[str, tuple[type, Callable[[Session], list[Any]]]] = {
    "Optimizer": (Optimizer, lambda session: session.optimizers),
    "Tensor": (Tensor, lambda session: session.tensors),
    "Sample": (Sample, lambda session: session.samples),
    "LossReading": (LossReading, lambda session: session.readings),
    "Event": (Event, lambda session: session.events),
    "Trial": (Trial, lambda session: session.trials),
}


def _take(session: Session, line: dict[str, Any]) -> None:
    kind = line.get("kind")
    if kind == "steps":
        session.steps.extend(from_row(row) for row in line["rows"])
    elif kind == "Ending":
        session.ending = from_plain(Ending, line["record"])
    elif kind in _KINDS:
        record, place = _KINDS[kind]
        value: Any = from_plain(cast("type[Any]", record), line["record"])
        index = line.get("index")
        if index is None:
            place(session).append(value)
        else:
            place(session)[index] = value
