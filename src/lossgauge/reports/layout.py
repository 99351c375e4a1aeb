"""What all terminal reports share: a heading with its verdict, paragraphs, labelled lines, places in code."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.laws.verdict import Verdict

STYLES = {
    Verdict.EXACT: "bold green",
    Verdict.CLOSE: "bold yellow",
    Verdict.BROKEN: "bold red",
    Verdict.INERT: "bold blue",
    Verdict.UNDECIDED: "bold magenta",
}
"""The colour of each verdict."""


def head(title: str, verdict: str) -> RenderableType:
    """The first line of a report.

    Args:
        title: What was looked at, shown as it is.
        verdict: One of the five words.

    Returns:
        The title on the left, the verdict on the right.
    """
    line = Table.grid(expand=True, padding=(0, 2))
    line.add_column(overflow="fold")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(Text(title, style="bold"), name_verdict(verdict))
    return line


def name_verdict(verdict: str) -> Text:
    """A verdict in its colour.

    Args:
        verdict: One of the five words; anything else stays plain.

    Returns:
        The word.
    """
    return Text(verdict, style=STYLES[Verdict(verdict)] if verdict in set(Verdict) else "")


def write_paragraph(text: str, style: str = "") -> RenderableType:
    """A paragraph, indented by two.

    Args:
        text: Plain text; nothing in it is read as markup.
        style: A rich style.

    Returns:
        The paragraph.
    """
    return Padding(Text(text, style=style), (0, 0, 0, 2))


def label_lines(lines: Iterable[tuple[str, str | Text]]) -> RenderableType:
    """Labels in one column and what they stand for in the next.

    Args:
        lines: Label and text; empty texts are left out, repeated labels shown once.

    Returns:
        The lines.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    last = ""
    for label, text in lines:
        if text:
            grid.add_row("" if label == last else label, Text(text) if isinstance(text, str) else text)
            last = label
    return Padding(grid, (0, 0, 0, 2))


def make_table(columns: Sequence[str], numbers: Sequence[int] = ()) -> Table:
    """An empty table with thin rules.

    Args:
        columns: Their headings.
        numbers: Indices of columns that are aligned to the right.

    Returns:
        The table.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for index, heading in enumerate(columns):
        justify = "right" if index in numbers else "left"
        table.add_column(heading, justify=justify, overflow="fold", vertical="top")
    return table


def stack(*parts: RenderableType) -> RenderableType:
    """Parts of a report below each other, an empty line between them.

    Args:
        parts: The parts.

    Returns:
        The report.
    """
    spaced = [piece for part in parts for piece in (part, Text(""))]
    return Group(*spaced[:-1])


def shorten_place(where: str) -> str:
    """`file:line` without the folders of the installation.

    Args:
        where: The place.

    Returns:
        What follows `site-packages/`, or the place as it is.
    """
    return where.rpartition("site-packages/")[2]
