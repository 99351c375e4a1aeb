"""The command `lossgauge discover`."""

from typing import Annotated

import typer

from lossgauge.cli.printing import answer, exit_code, working
from lossgauge.cli.values import read_settings


def discover_command(
    target: Annotated[str, typer.Argument(help="Name such as adam, module:Class, or file.py:factory.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="H=VALUE", help="A setting; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Find the law of an optimizer never seen before, three ways.

    Its code is run with unit-carrying numbers (derived), its trajectory is differentiated (estimated), and two
    co-scaled runs are compared bit for bit (certified).

    Example:
        lossgauge discover adagrad
        lossgauge discover my_package.optimizers:Mine --set momentum=0.9

    Args:
        target: Name, `module:Class` or `file.py:factory`.
        settings: Texts `name=value`.
        as_json: Whether to print JSON.

    Raises:
        Exit: With 1 when the law is broken or could not be established.
    """
    from lossgauge.verbs.discover import discover

    chosen = read_settings(settings or ())
    with working(f"studying {target}"):
        discovery = discover(target, settings=chosen)
    from lossgauge.reports.text_discover import render_discovery

    answer(discovery.to_dict(), render_discovery, as_json)
    raise typer.Exit(exit_code(discovery.verdict))
