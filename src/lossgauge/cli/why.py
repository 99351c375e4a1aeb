"""The command `lossgauge why`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossgauge.cli.printing import answer, exit_code

if TYPE_CHECKING:
    from lossgauge.records.attribution import Attribution

INTERRUPTED = 130


Target = Annotated[str, typer.Argument(help="The training: script.py or module:name.")]
Alpha = Annotated[str, typer.Option(help="Loss multiplier α, such as 1e5 or 2**17.")]
Arguments = Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="Arguments of the script.")]
Outcome = Annotated[
    str, typer.Option(metavar="NAME", help="What is compared: loss, weights, returned, or a number the script prints.")
]
Jobs = Annotated[int | None, typer.Option(help="Runs side by side; by default one per processor.")]
Runs = Annotated[int | None, typer.Option(help="Runs the parts may take; with fewer, parts are estimates.")]
Module = Annotated[bool, typer.Option("-m", help="The training is a module, run as in python -m.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def why_command(
    target: Target,
    alpha: Alpha,
    arguments: Arguments = None,
    outcome: Outcome = "loss",
    jobs: Jobs = None,
    runs: Runs = None,
    module: Module = False,
    as_json: AsJson = False,
) -> None:
    """Say what carried the change that multiplying the loss by α makes, in parts that add up to all of it.

    The training is run untouched, at α, and at α with every subset of the quantities co-scaled that have units of the
    loss. Interrupted, it keeps the runs that are done; the same command goes on from there.

    Example:
        lossgauge why train.py --alpha 1e5 -- --epochs 1
        lossgauge why train.py --alpha 1e5 --outcome accuracy --jobs 4
        lossgauge why my_package.training:train --alpha 2**17 --outcome weights
        lossgauge why -m my_package.train --alpha 1e5

    Args:
        target: A script, or `module:name` of a function without required arguments.
        alpha: The loss multiplier α as text.
        arguments: Arguments of the script.
        outcome: What is compared.
        jobs: Runs side by side.
        runs: Runs the parts may take.
        module: Whether `target` is a module to run.
        as_json: Whether to print JSON.

    Raises:
        Exit: With 1 where nothing could be established, with 130 where it was interrupted.
    """
    asked = {"args": list(arguments or ()), "module": module, "outcome": outcome, "jobs": jobs}
    asked |= {} if runs is None else {"runs": runs}
    found = _ask(target, alpha, "stderr" if as_json else "stdout", asked)
    from lossgauge.reports.text_why import render_attribution

    answer(found.to_dict(), render_attribution, as_json)
    raise typer.Exit(exit_code(found.verdict))


def _ask(target: str, alpha: str, output: str, asked: dict[str, Any]) -> "Attribution":
    from lossgauge.verbs.why import why

    try:
        with redirect_stdout(sys.stderr) if output == "stderr" else nullcontext(), _bar() as progress:
            return why(target, alpha, output=output, progress=progress, **asked)
    except KeyboardInterrupt:
        print("lossgauge: interrupted; runs that were done are kept, and the same command goes on", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _bar() -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on standard error; silent when that is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total, what: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=escape(what[:44]))
