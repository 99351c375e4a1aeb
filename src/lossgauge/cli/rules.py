"""The command `lossgauge rules`."""

from typing import Annotated

import typer

from lossgauge.cli.printing import answer

SCHEMA = "lossgauge.rules/1"


def rules_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print the page of the documentation.")] = False,
) -> None:
    """List everything a diagnosis can find.

    Example:
        lossgauge rules
        lossgauge rules --json

    Args:
        as_json: Whether to print JSON.
        markdown: Whether to print the page `docs/rules.md`.

    Raises:
        InputError: When both formats are asked for.
    """
    from lossgauge.diagnosis.rulebook import RULES
    from lossgauge.errors import InputError
    from lossgauge.reports.text_rules import list_rule, open_rule, render_rules

    if as_json and markdown:
        raise InputError("--json and --markdown were both given, expected at most one of them")
    if markdown:
        from lossgauge.reports.rules_markdown import write_page

        print(write_page(open_rule(rule) for rule in RULES), end="")
        return
    answer({"schema": SCHEMA, "rules": [list_rule(rule) for rule in RULES]}, render_rules, as_json)
