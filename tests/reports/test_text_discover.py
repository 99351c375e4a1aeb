from typing import Any

from lossgauge.laws.law import HiddenConstant
from lossgauge.reports.text_discover import render_discovery
from tests.reports.samples import ADAM, RADAM
from tests.reports.test_text_explain import show


def test_a_law():
    shown = show(render_discovery(ADAM))
    assert shown.splitlines()[0].split() == ["torch.optim:Adam", "EXACT"]
    assert "trains the same: eps·α, weight_decay·α" in show(render_discovery({**ADAM, "advice": ""}))
    assert ADAM["advice"] in shown
    assert "equal bit for bit at α = 4096" in shown
    assert "residual 3.1e-10 (a law exists), condition 810" in shown
    assert "planted errors caught in eps, weight_decay, lr" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_contradiction_names_the_line():
    shown = show(render_discovery(RADAM))
    assert "  torch/optim/radam.py:364 needs W = L" in shown
    assert "but torch/optim/radam.py:358 needs W = L/W" in shown
    assert "[red]adaptive[/red]" in shown
    assert "first at step 6 in w0, 812 ulps" in shown
    assert "residual 0.31 (no law)" in shown
    assert "disagreement" in shown
    assert "cannot follow torch.special.zeta" in shown


def test_little_is_known():
    empty: dict[str, Any] = {**ADAM, "verdict": "UNDECIDED", "exponents": {}, "evidence": {}, "inert": [], "advice": ""}
    shown = show(render_discovery(empty))
    assert "could not be established" in shown
    partly = {**ADAM, "evidence": {"infer": None, "probe": {"residual": None}, "certify": None}}
    assert "estimated  no" in show(render_discovery(partly))


def test_hidden_constants_and_many_multipliers():
    constant = vars(HiddenConstant(1e-6, "/x/site-packages/torch/clip.py:3", "n + 1e-6", "L/W"))
    certify = {"alpha": "2**12", "alphas": ["2**12", "2**-12"], "bitwise": True}
    shown = show(render_discovery({**ADAM, "hidden_constants": [constant], "evidence": {"certify": certify}}))
    assert "1e-6 at torch/clip.py:3" in shown
    assert "α = 2**12, 2**-12" in shown
