"""The command `lossgauge report`."""

from typing import Annotated

import typer

from lossgauge.cli.printing import answer


def report_command(
    session: Annotated[str, typer.Argument(help="The file that lossgauge run --session wrote.")],
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write one offline HTML file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show a recorded session: in the terminal, or as one HTML file that needs no network.

    Example:
        lossgauge report train.session
        lossgauge report train.session -o report.html

    Args:
        session: The recorded session.
        output: The HTML file, instead of the report in the terminal.
        as_json: Whether to print JSON.

    Raises:
        Exit: With 1 when there is a finding of severity fault.
    """
    from lossgauge.verbs.report import report

    diagnosis = report(session, output)
    if output is not None and not as_json:
        print(f"{output}: {' '.join(diagnosis.answer.split())}")
    else:
        from lossgauge.reports.text_diagnosis import render_diagnosis

        answer(diagnosis.to_dict(), render_diagnosis, as_json)
    raise typer.Exit(int(not diagnosis.healthy))
