import importlib
import re

import pytest
import typer

from tests.house.commands import mentioned, pages, registered, spelled
from tests.house.source import ROOT


@pytest.fixture(scope="module")
def commands() -> set[str]:
    names = registered(importlib.import_module("lossgauge.cli.main").app)
    assert names
    return names


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [page.read_text(encoding="utf-8") for page in pages(ROOT)]


def test_every_command_is_documented(commands: set[str], texts: list[str]):
    assert not commands - spelled(texts)


def test_every_command_in_the_documentation_exists(commands: set[str], texts: list[str]):
    assert not mentioned(texts) - commands


def test_the_table_of_verbs_lists_the_commands_that_exist(commands: set[str]):
    table = re.findall(r"^\| `([a-z]+)`", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(table) <= commands


def test_an_undocumented_and_a_missing_command_are_caught():
    app = typer.Typer()
    for name in ("explain", "planted"):
        app.command(name)(lambda: None)
    app.command("secret", hidden=True)(lambda: None)
    page = "planted is prose. `lossgauge explain sgd`\n\n```\n$ .venv/bin/lossgauge gone --help\nlossgauge lost\n```\n"
    assert registered(app) == {"explain", "planted"}
    assert registered(app) - spelled([page]) == {"planted"}
    assert mentioned([page]) - registered(app) == {"gone", "lost"}
