"""The command `lossgauge run`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lossgauge.cli.printing import answer, status

if TYPE_CHECKING:
    from lossgauge.verbs.run import RunResult

Script = Annotated[str, typer.Argument(metavar="SCRIPT", help="The script; with -m the name of a module.")]
Arguments = Annotated[
    list[str] | None, typer.Argument(metavar="[ARGS]...", help="What follows SCRIPT belongs to it, untouched.")
]
Module = Annotated[bool, typer.Option("-m", help="SCRIPT is a module, as in python -m.")]
Confirm = Annotated[
    bool, typer.Option("--confirm", help="Try the remedies: run the script again for each, in a copy of its folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document; the script prints to standard error.")]
Kept = Annotated[str | None, typer.Option("--session", metavar="FILE", help="Keep the session in this file.")]
Html = Annotated[str | None, typer.Option(metavar="FILE", help="Write a report to this file.")]
Trials = Annotated[int | None, typer.Option(help="Remedies to try at most.")]
Steps = Annotated[int | None, typer.Option(help="Optimizer steps of a trial at most.")]


def run_command(
    script: Script,
    arguments: Arguments = None,
    module: Module = False,
    confirm: Confirm = False,
    as_json: AsJson = False,
    session: Kept = None,
    html: Html = None,
    trials: Trials = None,
    steps: Steps = None,
) -> None:
    """Run a script as python would, and say what the scale of its loss does in it.

    The script is not edited, and its result is the same bit for bit. Options of lossgauge come before SCRIPT.

    Example:
        lossgauge run train.py --epochs 1
        lossgauge run --confirm --html report.html train.py
        lossgauge run --json -m my_package.train

    Args:
        script: The script, or the name of a module.
        arguments: Its arguments.
        module: Whether `script` is a module.
        confirm: Whether remedies are tried.
        as_json: Whether to print JSON.
        session: The file to keep the session in.
        html: The file of a report.
        trials: Remedies to try at most.
        steps: Optimizer steps of a trial at most.
    """
    if html is not None:  # a report that cannot be written is better known of before the training than after it
        from lossgauge.reports.html.page import check_place

        check_place(html)
    from lossgauge.verbs.run import run

    asked = {"module": module, "confirm": confirm, "session": session, "trials": trials, "steps": steps}
    with status() as notify:
        result = run(script, arguments or (), **asked, output="stderr" if as_json else "stdout", notify=notify)
    _tell(script, result, as_json, html)


def _tell(script: str, result: "RunResult", as_json: bool, html: str | None) -> None:
    from lossgauge.reports.text_diagnosis import render_diagnosis

    answer(result.diagnosis.to_dict(), render_diagnosis, as_json)
    sys.stdout.flush()
    if result.ending:
        kept = f"; what was recorded is in {result.path}" if result.path else ""
        print(f"lossgauge: {script}: {result.ending}{kept}", file=sys.stderr)
    if html is not None:
        from lossgauge.reports.html.page import write_report

        write_report(result.session, result.diagnosis, html)
    raise typer.Exit(result.code)
