"""The command `lossgauge diagnose`."""

from typing import Annotated

import typer

from lossgauge.cli.printing import answer


def diagnose_command(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="A file that run --session or watch wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write a report to this file.")] = None,
) -> None:
    """Say which findings follow from a session that was recorded. It needs no framework, and runs nothing.

    Example:
        lossgauge diagnose session.jsonl
        lossgauge diagnose session.jsonl --json

    Args:
        session: The file of the session.
        as_json: Whether to print JSON.
        html: The file of a report.

    Raises:
        Exit: With 1 for a finding of severity fault.
    """
    from lossgauge.records.journal import read_session
    from lossgauge.reports.text_diagnosis import render_diagnosis
    from lossgauge.verbs.diagnose import diagnose

    seen = read_session(session)
    diagnosis = diagnose(seen)
    answer(diagnosis.to_dict(), render_diagnosis, as_json)
    if html is not None:
        from lossgauge.reports.html.page import write_report

        write_report(seen, diagnosis, html)
    raise typer.Exit(int(not diagnosis.healthy))
