import json
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from lossgauge.diagnosis.checkup import diagnose_session
from lossgauge.diagnosis.confirm import confirm
from lossgauge.records.diagnosis import Diagnosis, Remedy
from lossgauge.reports.text_diagnosis import render_diagnosis
from tests.diagnosis.rules.test_denominators import ruled
from tests.reports.sessions import CASES, clipped, eps_dominated, healthy
from tests.reports.test_text_explain import show


def told(diagnosis: Diagnosis) -> str:
    return show(render_diagnosis(json.loads(json.dumps(diagnosis.to_dict()))))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_fits_into_80_columns(case: Any):
    assert max(map(cell_len, told(case()[1]).splitlines())) <= 80


def test_the_answer_comes_first_then_the_main_finding():
    lines = told(eps_dominated()[1]).splitlines()
    assert lines[0].split()[0] == "train.py"
    assert lines[0].endswith("1 fault, 1 for information")
    assert "ε decides the step of nearly all weights" in lines[2]
    assert lines[5].split() == ["✗", "eps-dominates", "LG001"]
    shown = "\n".join(lines)
    assert "because  dominated share 98 % · elasticity 0.98 · relative update 2.1e-7\n" in shown
    assert "✓ tried: loss 9.75e-7 → 3.55e-9" in shown
    assert "✓ eps / 1e5: for ε as the loss × 1e5 ▲" in shown
    assert "i lr-too-small-for-loss  the learning rate is not" in shown
    assert "--confirm" not in shown


def test_a_message_is_not_told_twice():
    diagnosis = eps_dominated()[1]
    repeated = replace(diagnosis, answer=f"eps-dominates: {diagnosis.findings[0].message}")
    assert " ".join(told(repeated).split()).count(" ".join(diagnosis.findings[0].message.split())) == 1
    assert " ".join(told(diagnosis).split()).count(" ".join(diagnosis.findings[0].message.split())) == 1


def test_it_says_how_to_ask_for_trials_only_where_none_was_made():
    session = ruled()
    untried = told(diagnose_session(session))
    assert untried.count("--confirm") == 1
    assert "--confirm" in " ".join(untried.split()[-12:]), "it is the last thing that is said"
    confirm(session, lambda plans, steps: [None] * len(plans))
    tried_in_no_way = told(diagnose_session(session))
    assert "could not be tried" in tried_in_no_way
    assert "--confirm" not in tried_in_no_way
    assert "--confirm" not in told(healthy()[1])


def test_a_remedy_that_did_not_help_says_so():
    diagnosis = clipped()[1]
    vain = replace(diagnosis.findings[0], remedy=Remedy("x", {"max_norm": [1.0, 200.0]}, False, 3.0, 2.9, "loss"))
    shown = told(replace(diagnosis, findings=(vain,)))
    assert "✗ tried, did not help: loss 3 → 2.9" in shown
    assert "✗ max_norm × 200: for clipping as the loss × 0.005" in shown


def test_the_unit_of_epsilon_inside_the_root_counts_twice():
    diagnosis = eps_dominated()[1]
    inside = replace(diagnosis, gauges={**diagnosis.gauges, "optimizer": "Adadelta"})
    assert "for ε as the loss × 320" in told(inside)


def test_nothing_found_and_nothing_seen():
    assert "no findings" in told(healthy()[1])
    empty = told(Diagnosis("a.py", 1, ()))
    assert empty.splitlines()[0].split()[:3] == ["a.py", "1", "step"]
    assert len(empty.splitlines()) == 3
