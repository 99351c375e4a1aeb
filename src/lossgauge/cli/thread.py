"""The command `lossgauge thread`."""

from typing import TYPE_CHECKING, Annotated

import typer

from lossgauge.cli.printing import answer

if TYPE_CHECKING:
    from lossgauge.records.statement import Statement

SCHEMA = "lossgauge.thread/1"


def thread_command(
    output: Annotated[str, typer.Option(help="The folder for the pictures; made if missing.")] = "out",
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Draw pictures, or none.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Test every statement of the well-known thread on this question, on this machine.

    Who said what, the verdict, and the numbers behind it; about half a minute. Pictures are saved as SVG and PNG.

    Example:
        lossgauge thread
        lossgauge thread --json --no-pictures

    Args:
        output: The folder for the pictures.
        pictures: Whether to draw them.
        as_json: Whether to print JSON.

    Raises:
        Exit: With 1 when a statement could not be tested.
    """
    import time

    begin = time.perf_counter()
    statements = _try_behind_bar()
    files = _save(statements, output) if pictures else []
    document = {
        "schema": SCHEMA,
        "statements": [statement.to_dict() for statement in statements],
        "pictures": files,
        "seconds": round(time.perf_counter() - begin, 2),
    }
    from lossgauge.reports.thread_table import render_thread

    answer(document, render_thread, as_json)
    raise typer.Exit(int(any(statement.holds is None for statement in statements)))


def _try_behind_bar() -> "list[Statement]":
    """Run the session behind a progress bar on stderr, which shows only on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from lossgauge.verbs.thread import thread

    errors = Console(stderr=True)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("loading torch", total=1.0)
        return thread(None, lambda done, title: bar.update(task, completed=done, description=title))


def _save(statements: "list[Statement]", output: str) -> list[str]:
    """Draw the pictures; without the means to do so, one line on stderr says why there are none."""
    from pathlib import Path

    from lossgauge.errors import InputError
    from lossgauge.reports.pictures import draw_thread, save_pictures

    try:
        return [str(path) for path in save_pictures(draw_thread(statements), Path(output))]
    except InputError as error:
        typer.echo(f"lossgauge: no pictures: {error}", err=True)
        return []
