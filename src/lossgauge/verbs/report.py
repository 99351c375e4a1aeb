"""`report`: show a session that was recorded, on a machine that need not have torch."""

from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.records.diagnosis import Diagnosis
from lossgauge.records.journal import read_session
from lossgauge.records.session import Session


def report(session: Any, path: str | Path | None = None) -> Diagnosis:
    """Diagnose a session and write the report of it: one HTML file that needs no network.

    Args:
        session: A session, the file it was saved to, or what `watch` returns.
        path: The HTML file; what was there is replaced. None writes nothing.

    Returns:
        The diagnosis the report shows.

    Raises:
        InputError: When the session cannot be read, the file cannot be written, or the extra `pictures` is missing.

    Example:
        >>> from lossgauge import report
        >>> report("train.session", "report.html").answer  # doctest: +SKIP
        'eps-dominates: ε = 1e-8 is larger than √v̂ on 98 % of the weights …'
    """
    from lossgauge.diagnosis.checkup import diagnose_session

    read = _read(session)
    diagnosis = diagnose_session(read)
    if path is not None:
        from lossgauge.reports.html import write_report

        write_report(read, diagnosis, path)
    return diagnosis


def _read(session: Any) -> Session:
    if isinstance(session, (str, Path)):
        return read_session(session)
    inside = getattr(session, "session", session)
    if not isinstance(inside, Session):
        raise InputError(
            f"a report was asked of {type(session).__name__}, expected a session, the file it was saved to, "
            "or what watch returns"
        )
    return inside
