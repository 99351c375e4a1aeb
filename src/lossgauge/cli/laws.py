"""The command `lossgauge laws`."""

from typing import Annotated

import typer

from lossgauge.cli.printing import answer


def laws_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print the page of the documentation.")] = False,
) -> None:
    """Print the table of all known laws.

    Example:
        lossgauge laws
        lossgauge laws --json

    Args:
        as_json: Whether to print JSON.
        markdown: Whether to print the page `docs/laws.md`.

    Raises:
        InputError: When both formats are asked for.
    """
    from lossgauge.errors import InputError
    from lossgauge.laws.table import SCHEMA, read_table

    if as_json and markdown:
        raise InputError("--json and --markdown were both given, expected at most one of them")
    rows = read_table()
    if markdown:
        from lossgauge.reports.laws_markdown import write_page

        print(write_page(rows), end="")
        return
    from lossgauge.reports.text_laws import render_laws

    answer({"schema": SCHEMA, "rows": [row.to_dict() for row in rows.values()]}, render_laws, as_json)
