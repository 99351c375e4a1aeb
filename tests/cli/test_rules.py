"""The commands `lossgauge rules` and `lossgauge rule`."""

import json

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from lossgauge.cli.rule import rule_command
from lossgauge.cli.rules import rules_command
from lossgauge.diagnosis.rulebook import RULES
from lossgauge.errors import InputError

app = Typer()
app.command("rules")(rules_command)
app.command("rule")(rule_command)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_all_rules_are_listed():
    shown = call("rules").stdout
    assert all(f"{rule.code}  {rule.name}" in shown for rule in RULES)


def test_the_list_as_json():
    document = json.loads(call("rules", "--json").stdout)
    assert document["schema"] == "lossgauge.rules/1"
    assert [rule["code"] for rule in document["rules"]] == [rule.code for rule in RULES]
    assert {rule["group"] for rule in document["rules"]} == {"scale", "not scale"}


def test_markdown_and_json_exclude_each_other():
    assert call("rules", "--markdown").stdout.startswith("# The rules")
    assert isinstance(call("rules", "--markdown", "--json").exception, InputError)


@pytest.mark.parametrize("name", ["LG001", "lg001", "eps-dominates", "EPS-Dominates"])
def test_a_rule_by_code_or_name(name: str):
    shown = call("rule", name).stdout
    assert shown.splitlines()[0].split() == ["eps-dominates", "LG001"]
    assert "remedy" in shown


def test_a_rule_as_json():
    document = json.loads(call("rule", "LG001", "--json").stdout)
    assert document["schema"] == "lossgauge.rule/1"
    assert {"code", "name", "title", "group", "what", "why", "evidence", "remedy", "fine", "source"} < set(document)


def test_an_unknown_rule_names_the_nearest():
    error = call("rule", "eps-dominate").exception
    assert isinstance(error, InputError)
    assert "eps-dominates" in str(error)
