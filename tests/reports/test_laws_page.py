"""The page of laws in the documentation is the table."""

from pathlib import Path

from lossgauge.laws.table import read_table
from lossgauge.reports.laws_markdown import write_page

PAGE = Path(__file__).parents[2] / "docs" / "laws.md"


def test_the_page_is_generated_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8").strip() == write_page(read_table()).strip(), "run `make laws`"


def test_the_page_names_every_target() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(target.rpartition(":")[2] in page for target in read_table())
