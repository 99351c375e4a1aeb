"""Statements as plain data."""

import json
import math

import pytest

from lossgauge.errors import InputError
from lossgauge.records.statement import Statement, find_statement

STATEMENT = Statement(3, "the answer", "So it is.", "true", True, "seen", {"a": [1.0, {"b": 2.5}], "c": "d"})


def test_a_statement_survives_json():
    text = json.dumps(STATEMENT.to_dict(), allow_nan=False)
    assert Statement.from_dict(json.loads(text)) == STATEMENT


def test_numbers_without_a_text_become_none():
    wild = Statement(1, "", "", "", None, "", {"nan": math.nan, "deep": [{"inf": -math.inf}], "pair": (1, math.inf)})
    assert wild.to_dict()["evidence"] == {"nan": None, "deep": [{"inf": None}], "pair": [1, None]}


def test_anything_else_is_refused():
    with pytest.raises(InputError, match="not a statement of the thread"):
        Statement.from_dict({"number": 1, "colour": "red"})


def test_statements_are_found_by_number():
    assert find_statement([STATEMENT], 3) is STATEMENT
    assert find_statement([STATEMENT], 4) is None
