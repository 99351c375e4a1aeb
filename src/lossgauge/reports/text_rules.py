"""The rules in the terminal: the list of all, and the page of one."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lossgauge.diagnosis.rule import NOT_SCALE, SCALE, Rule
from lossgauge.reports.layout import label_lines, stack, write_paragraph

HEADINGS = {SCALE: "Faults of scale", NOT_SCALE: "Looks like scale, is not"}
"""In the order in which they are shown."""
PAGE = {
    "what": "what",
    "why": "why",
    "evidence": "evidence",
    "remedy": "remedy",
    "fine": "harmless",
    "source": "source",
}
"""The parts of a rule's page and what they are labelled with."""


def list_rule(rule: Rule) -> dict[str, str]:
    """A rule as one entry of the list.

    Args:
        rule: The rule.

    Returns:
        Its code, name, title and group.
    """
    return {"code": rule.code, "name": rule.name, "title": rule.title, "group": rule.group}


def open_rule(rule: Rule) -> dict[str, str]:
    """A rule with its page.

    Args:
        rule: The rule.

    Returns:
        The entry of the list and the parts of the page.
    """
    return list_rule(rule) | {part: getattr(rule.page, part) for part in PAGE}


def group_rules(rules: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rules under their headings.

    Args:
        rules: Entries of the list.

    Returns:
        Heading → rules, in the order given; a heading without rules is left out.
    """
    listed = list(rules)
    groups = {title: [rule for rule in listed if rule["group"] == group] for group, title in HEADINGS.items()}
    return {title: found for title, found in groups.items() if found}


def render_rules(plain: Mapping[str, Any]) -> RenderableType:
    """The list for a person.

    Args:
        plain: `{"rules": [...]}` with entries as `list_rule` gives them.

    Returns:
        Something rich can print at 80 columns.
    """
    parts = [_list_group(title, rules, plain["rules"]) for title, rules in group_rules(plain["rules"]).items()]
    note = "`lossgauge rule NAME` explains one: what it means, how it is seen, what to do, and when it is fine."
    return stack(*parts, write_paragraph(note, style="dim"))


def render_rule(plain: Mapping[str, Any]) -> RenderableType:
    """The page of a rule for a person.

    Args:
        plain: As `open_rule` gives it.

    Returns:
        Something rich can print at 80 columns.
    """
    head = Text.assemble((plain["name"], "bold"), (f"  {plain['code']}", "dim"))
    lines = [(label, plain[part]) for part, label in PAGE.items()]
    return stack(head, write_paragraph(_begin(plain["title"]), "bold"), label_lines(lines))


def _list_group(title: str, rules: Iterable[Mapping[str, Any]], every: Iterable[Mapping[str, Any]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True, min_width=max(len(rule["name"]) for rule in every))
    grid.add_column(overflow="fold")
    for rule in rules:
        grid.add_row(rule["code"], Text(rule["name"], style="bold"), Text(rule["title"]))
    return Group(Text(title, style="bold"), Padding(grid, (0, 0, 0, 2)))


def _begin(title: str) -> str:
    """A title as a sentence; a symbol at its start stays as it is."""
    first = title.split(" ", 1)[0]
    start = title[0].upper() + title[1:] if first.isalpha() and first.isascii() and first.islower() else title
    return start if start.endswith((".", "!", "?")) else start + "."
