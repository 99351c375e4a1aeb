"""Commands of the program and their mention in the documentation."""

import re
from collections.abc import Iterable
from pathlib import Path

import typer
from typer.main import get_command

CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
CALL = re.compile(r"^(?:```\w*\n)?[`$ \t]*(?:\S*/)?lossgauge[ ]+([a-z][a-z-]*)", re.MULTILINE)


def registered(app: typer.Typer) -> set[str]:
    """The names of the commands that are shown to users."""
    commands = getattr(get_command(app), "commands", {})
    return {name for name, command in commands.items() if not command.hidden}


def pages(root: Path) -> list[Path]:
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def mentioned(texts: Iterable[str]) -> set[str]:
    """Commands that code in the texts calls: `lossgauge explain …` at the start of a line or span.

    >>> sorted(mentioned(["Ask `lossgauge explain sgd`, not lossgauge itself; `import lossgauge as lg`."]))
    ['explain']
    """
    return {call for text in texts for code in CODE.findall(text) for call in CALL.findall(code)}


def spelled(texts: Iterable[str]) -> set[str]:
    """All words that stand in code in the texts, such as the names in the table of verbs."""
    return {word for text in texts for code in CODE.findall(text) for word in re.findall(r"[a-z][a-z-]*", code)}
