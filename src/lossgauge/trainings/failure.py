"""Failures of the user's own code, with its traceback and nothing of ours."""

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from lossgauge.errors import ScriptError

OWN_CODE = Path(__file__).parents[1]


class ChildFailure(Exception):
    """The traceback of a script that failed in a child process; its text is the whole traceback."""


def failed(title: str, error: BaseException) -> ScriptError:
    """The error to raise when the user's code raised one.

    Args:
        title: What failed: the script, or the name of the function.
        error: What it raised.

    Returns:
        One line; the traceback hangs on it as the cause once it is raised `from error`.
    """
    return ScriptError(f"{title} failed: {describe(error)}")


def describe(error: BaseException) -> str:
    """An error in one line.

    Args:
        error: The error.

    Returns:
        Its class and the first line of its message.
    """
    if isinstance(error, SystemExit):
        return f"it left with exit code {error.code}"
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")


def traceback_of(error: ScriptError) -> str:
    """The user's traceback, as Python would have shown it.

    Args:
        error: What `prove` and its siblings raise when the user's code fails.

    Returns:
        The text; empty when there is none.
    """
    cause = error.__cause__
    if cause is None or isinstance(cause, ChildFailure):
        return str(cause or "")
    return text_of(cause)


def text_of(error: BaseException) -> str:
    """The traceback of an error without the lines that are ours.

    Args:
        error: The error, as caught.

    Returns:
        The text.
    """
    return "".join(traceback.format_exception(type(error), error, _users_part(error.__traceback__)))


def let_python_show(error: BaseException) -> None:
    """Let the interpreter, once this error has ended the process, show the traceback the user's code alone would have.

    Args:
        error: The error, as caught; it is to be raised again.
    """
    tracebacks = [(one, _users_part(one.__traceback__)) for one in _chain(error)]
    hook = sys.excepthook  # the user's own, where there is one

    def show(kind: type[BaseException], shown: BaseException, trace: TracebackType | None) -> None:
        for one, own in tracebacks:
            one.__traceback__ = own
        hook(kind, shown, shown.__traceback__ if shown is error else trace)

    sys.excepthook = show


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that are shown with it."""
    waiting, met = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in met:
            continue
        met.add(id(one))
        yield one
        group = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [other for other in (one.__cause__, one.__context__, *group) if other is not None]


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    entries: list[TracebackType] = []
    while trace is not None:
        if not _ours(trace):
            entries.append(trace)
        trace = trace.tb_next
    own: TracebackType | None = None
    for entry in reversed(entries):
        own = TracebackType(own, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return own


def _ours(trace: TracebackType) -> bool:
    return OWN_CODE in Path(trace.tb_frame.f_code.co_filename).parents
