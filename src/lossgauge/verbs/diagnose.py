"""`diagnose`: which findings follow from what was seen, with remedies that were tried."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from lossgauge.diagnosis.checkup import diagnose_session
from lossgauge.errors import InputError
from lossgauge.records.diagnosis import Diagnosis
from lossgauge.records.journal import read_session
from lossgauge.records.session import Session


def diagnose(
    session: Any,
    retry: Any = None,
    *,
    args: Sequence[str] = (),
    trials: int | None = None,
    steps: int | None = None,
    notify: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Say which findings follow from a session. Without `retry` no framework is needed.

    Args:
        session: A session, the file of one, or what `watch` returns.
        retry: The training, to try remedies on: a function without required arguments, `module:name`, or a script. It
            is run once for each remedy.
        args: The script's arguments.
        trials: How many remedies are tried at most.
        steps: How many optimizer steps each trial makes at most; by default as many as the session has.
        notify: Told how far the trials are.

    Returns:
        The diagnosis, the main finding first.

    Raises:
        InputError: When this is no session, or no training.
        KeyboardInterrupt: When the trials are interrupted.

    Example:
        >>> from lossgauge import diagnose
        >>> diagnose("session.jsonl").healthy  # doctest: +SKIP
        True
    """
    seen = _session(session)
    if retry is not None:
        from lossgauge.trainings.training import read_training
        from lossgauge.verbs.run import try_remedies

        if not try_remedies(read_training(retry, args), seen, None, trials, steps, notify):
            raise KeyboardInterrupt
    return diagnose_session(seen)


def _session(given: Any) -> Session:
    if isinstance(given, (str, PathLike)):
        return read_session(given)  # pyright: ignore[reportArgumentType]
    found = getattr(given, "session", given)
    if not isinstance(found, Session):
        raise InputError(
            f"the session is {type(given).__name__} {given!r:.60}, expected a session, its file, or what watch returns"
        )
    return found
