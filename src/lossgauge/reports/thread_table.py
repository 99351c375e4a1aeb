"""The seed thread as a table in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lossgauge.records.statement import Statement, find_statement
from lossgauge.reports.layout import name_verdict

MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}
"""Sign and colour for a claim that holds, does not hold, could not be tested."""


def render_thread(plain: Mapping[str, Any]) -> RenderableType:
    """The report for a person.

    Args:
        plain: The document of `lossgauge thread --json`: `statements`, `pictures` (paths) and `seconds`.

    Returns:
        Something rich can print at 80 columns.
    """
    statements = [Statement.from_dict(entry) for entry in plain["statements"]]
    laws = find_statement(statements, 10)
    parts: list[RenderableType] = [
        Text("A loss multiplied by α: what was said, and what this machine measured", "bold"),
        tabulate_statements(statements),
    ]
    if laws is not None and laws.evidence.get("optimizers"):
        parts += [Text("Statement 10, in full: multiply the loss by α and touch nothing", "bold"), tabulate_laws(laws)]
    return Group(*parts, _close(statements, plain["pictures"], plain["seconds"]))


def tabulate_statements(statements: Sequence[Statement]) -> Table:
    """Who said what, the verdict, and the evidence.

    Args:
        statements: In order.

    Returns:
        A table of three columns: number, claim, verdict with evidence.
    """
    table = _start_table(show_lines=True)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("who: claim", ratio=2)
    table.add_column("verdict and evidence", ratio=3)
    for statement in statements:
        mark, colour = MARKS[statement.holds]
        claim = Text.assemble((f"{statement.who}: ", "italic dim"), statement.claim)
        verdict = Group(Text(f"{mark} {statement.verdict}", f"bold {colour}"), Text(statement.measured))
        table.add_row(str(statement.number), claim, verdict)
    return table


def tabulate_laws(statement: Statement) -> Table:
    """What α does to every optimizer of torch when nothing else is touched.

    Args:
        statement: Statement 10.

    Returns:
        A table with one row per optimizer.
    """
    table = _start_table()
    table.add_column("optimizer", no_wrap=True)
    table.add_column("acts like these settings", ratio=1)
    table.add_column("verdict", no_wrap=True)
    for entry in statement.evidence["optimizers"]:
        lawful = entry["verdict"] in ("EXACT", "CLOSE")
        acts = (
            Text(", ".join(entry["groups"]) or "nothing changes") if lawful else Text("no settings do the same", "dim")
        )
        table.add_row(entry["name"], acts, name_verdict(entry["verdict"]))
    return table


def _start_table(show_lines: bool = False) -> Table:
    return Table(box=SIMPLE_HEAD, show_lines=show_lines, pad_edge=False, header_style="dim", padding=(0, 1))


def _close(statements: Sequence[Statement], pictures: Sequence[str], seconds: float) -> RenderableType:
    tested = [statement for statement in statements if statement.holds is not None]
    right = sum(1 for statement in tested if statement.holds)
    lines = [
        f"{len(tested)} of {len(statements)} statements tested in {seconds:.0f} s; {right} hold as they were made.",
        "Every verdict was computed from what was measured, nothing is hard-coded. λ is weight_decay.",
    ]
    vectors = [path for path in pictures if path.endswith(".svg")]
    if vectors:
        lines += ["Pictures (each also as .png):", *(f"  {path}" for path in vectors)]
    return Text("\n".join(lines))
