"""The page of rules in the documentation is the rules."""

import re
from pathlib import Path

from lossgauge.diagnosis.rulebook import RULES, find_rule
from lossgauge.reports.rules_markdown import write_page
from lossgauge.reports.text_rules import open_rule

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_is_generated_from_the_rules():
    page = write_page(open_rule(rule) for rule in RULES)
    assert PAGE.read_text(encoding="utf-8") == page, "run: lossgauge rules --markdown > docs/rules.md"


def test_every_link_leads_to_a_heading():
    page = write_page(open_rule(rule) for rule in RULES)
    headings = {line[4:].lower().replace(" ", "-") for line in page.splitlines() if line.startswith("### ")}
    links = re.findall(r"\]\(#([^)]*)\)", page)
    assert len(links) == len(RULES)
    assert set(links) == headings


def test_a_bar_does_not_end_a_cell():
    plain = {**open_rule(find_rule("LG001")), "title": "‖g‖ | ε"}
    assert "| ‖g‖ \\| ε |" in write_page([plain])
