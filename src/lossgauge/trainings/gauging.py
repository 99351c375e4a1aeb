"""A training under the gauge: run once, its session complete in a file however it ends."""

import signal
import time
from contextlib import suppress
from pathlib import Path

from lossgauge.errors import InputError
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal, read_session
from lossgauge.records.session import Ending
from lossgauge.trainings.order import GaugedRun, Order
from lossgauge.trainings.recorder import LawOf
from lossgauge.trainings.training import Training


def gauge_training(
    training: Training,
    journal_path: str | Path,
    *,
    injection: Injection = Injection(),
    stop_after: int | None = None,
    output: str = "stdout",
    law_of: LawOf | str | None = None,
    stdin: str = "inherit",
) -> GaugedRun:
    """Run a training once under the gauge: a script in a process of its own, a function in this one.

    Args:
        training: The training.
        journal_path: The file the session is written to, while the training runs.
        injection: What is laid over it; by default nothing, and the training is only observed.
        stop_after: Optimizer steps after which it is ended.
        output: Where its standard output goes: `stdout`, `stderr` or `nowhere`.
        law_of: Finds the law of an optimizer the table does not know, or `module:name` of such a function.
        stdin: What a script reads: `inherit` for the standard input of this process, or `nothing`.

    Returns:
        How it went.

    Raises:
        InputError: When the session cannot be written, or the injection cannot be carried out.
    """
    place = Path(journal_path).absolute()
    Journal(place).close()  # raises where it cannot be written, before anything is run
    start = time.monotonic()
    order = Order(place, injection, stop_after, output, stdin, law_of)
    code, used = training.gauge(order)
    seconds = time.monotonic() - start
    lost = used.get("lost")
    why = f"the session could not be written any further ({lost})" if lost else ""
    ending = complete(place, code, seconds, why, str(used["reason"]) if lost else "killed")
    return GaugedRun(ending.reason, code, place, seconds, used.get("threads"), used.get("accelerator", False))


def complete(path: Path, code: int, seconds: float, why: str = "", reason: str = "killed") -> Ending:
    """Write the ending of a session whose process is gone without one.

    Args:
        path: The file of the session.
        code: The process's exit code, negative where a signal ended it.
        seconds: How long the process ran.
        why: What is known of the reason.
        reason: How the training ended, as in `Ending`.

    Returns:
        The ending, found or written.
    """
    _cut_off_torn_line(path)
    session = read_session(path)
    if session.ending is not None:
        return session.ending
    how = why or f"{_say_code(code)}; the last steps before it may be missing"
    backwards = sum(step.backwards for step in session.steps)
    ending = Ending(reason, how, session.steps[-1].number if session.steps else 0, backwards, seconds)
    with suppress(OSError, InputError):  # on a full disk what could be recorded is there, without an ending
        journal = Journal(path)
        journal.add(ending)
        journal.close()
    return ending


def _say_code(code: int) -> str:
    if code >= 0:
        return f"the process left at once (os._exit) with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the process was ended by {name}"


def _cut_off_torn_line(path: Path) -> None:
    """A process that is killed may leave half a line, after which nothing could be read."""
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
