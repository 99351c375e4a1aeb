import pytest

from lossgauge.laws.verdict import Verdict
from lossgauge.reports.text_prove import render_proof
from tests.reports.samples import BROKEN_PROOF, PROOF
from tests.reports.test_text_explain import show


def test_an_exact_proof():
    shown = show(render_proof(PROOF))
    assert shown.splitlines()[0].endswith("EXACT")
    assert "after every step all weights are equal" in shown
    assert "A wrong exponent of eps and weight_decay would have been seen." in shown
    assert "no influence      max_norm" in shown


def test_a_broken_one_says_why_and_where():
    shown = show(render_proof(BROKEN_PROOF))
    assert "why               clip_grad_norm_ adds 1e-6 to the norm" in shown
    assert "first difference  step 1 in net[0].weight, 3 ulps" in shown


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_its_sentence(verdict: Verdict):
    bare = {"verdict": str(verdict), "alpha": "2**17", "steps": 1, "first_difference": None}
    shown = show(render_proof({**bare, "violations_caught": [], "inert": []}))
    assert shown.splitlines()[0].startswith("1 step with the loss × 2**17")
    assert len(shown.splitlines()) == 3
