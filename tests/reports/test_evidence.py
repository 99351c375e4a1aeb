from typing import Any

import pytest

from lossgauge.reports.evidence import choose_numbers, count_severities, say_trial


def test_the_first_three_numbers_are_shown():
    evidence = {"share_of_weights": 0.981, "epsilon": 1e-8, "nested": {"a": 1}, "ok": True, "fourth": 2, "list": [1]}
    assert choose_numbers(evidence) == [("share of weights", "98 %"), ("epsilon", "1e-8"), ("ok", "yes")]
    assert len(choose_numbers(evidence, 9)) == 4


def test_a_share_above_one_is_no_per_cent():
    assert choose_numbers({"share": 3.5}) == [("share", "3.5")]


@pytest.mark.parametrize(
    ("remedy", "text"),
    [
        ({"text": "x", "verified": None}, "not tried"),
        ({"text": "", "verified": None}, ""),
        ({"verified": True, "before": 0.99, "after": 0.0035, "measure": ""}, "✓ tried: loss 0.99 → 0.0035"),
        ({"verified": True, "before": 1.0, "after": 0.5, "measure": "residual"}, "✓ tried: residual 1 → 0.5"),
        ({"verified": True, "before": None, "after": None}, "✓ tried: it helped"),
        ({"verified": False, "before": None, "after": None}, "✗ tried, did not help"),
        ({"verified": False, "before": 1.0, "after": "inf"}, "✗ tried, did not help: loss 1 → inf"),
    ],
)
def test_what_a_trial_showed(remedy: dict[str, Any], text: str):
    assert say_trial(remedy) == text


def test_counting():
    def findings(*kinds: str) -> list[dict[str, Any]]:
        return [{"severity": kind} for kind in kinds]

    assert count_severities([]) == "no findings"
    assert count_severities(findings("fault", "warning", "warning", "info")) == "1 fault, 2 warnings, 1 for information"
