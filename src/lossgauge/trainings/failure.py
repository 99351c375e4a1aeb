"""Failures of the user's own code, with its traceback and nothing of ours."""

import traceback
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
    """The traceback of an error, from the first line that is not ours.

    Args:
        error: The error, as caught.

    Returns:
        The text.
    """
    trace = error.__traceback__
    while trace is not None and _ours(trace):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _ours(trace: TracebackType) -> bool:
    return OWN_CODE in Path(trace.tb_frame.f_code.co_filename).parents
