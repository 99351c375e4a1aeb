"""The command `lossgauge rule`."""

from typing import Annotated

import typer

from lossgauge.cli.printing import answer

SCHEMA = "lossgauge.rule/1"


def rule_command(
    name: Annotated[str, typer.Argument(help="Code such as LG001, or name such as eps-dominates.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Explain one finding: what it means, how it is seen, what to do, and when it is fine.

    Example:
        lossgauge rule eps-dominates
        lossgauge rule LG001 --json

    Args:
        name: Code or name of the rule, in any case.
        as_json: Whether to print JSON.
    """
    from lossgauge.diagnosis.rulebook import find_rule
    from lossgauge.reports.text_rules import open_rule, render_rule

    answer({"schema": SCHEMA, **open_rule(find_rule(name))}, render_rule, as_json)
