import json

from lossgauge.reports.laws_markdown import write_page
from lossgauge.reports.text_laws import render_laws, say_law
from tests.known_laws import TABLE
from tests.reports.test_text_explain import show


def test_every_law_and_variant_has_a_line():
    shown = show(render_laws({"rows": [row.to_dict() for row in TABLE.values()]}))
    lines = {line.split()[0]: line for line in shown.splitlines() if line}
    assert {row.law.title for row in TABLE.values()} <= set(lines)
    assert "lr/α  weight_decay·α" in lines["SGD"]
    assert "eps·α^(3/2)" in lines["Madgrad"]
    assert "no unit for lr" in lines["RAdam"]
    assert "nothing" in lines["Rprop"]
    assert "eta_min like lr" in lines["CosineAnnealingLR"]
    assert "decoupled_weight_decay=True" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_law_read_from_json_says_the_same():
    for row in TABLE.values():
        plain = row.law.to_dict()
        assert say_law(json.loads(json.dumps(plain))) == say_law(plain)


def test_the_page():
    page = write_page(TABLE)
    assert page.endswith("\n")
    assert page.count("\n## ") == 4
    assert "| `Adam` with `decoupled_weight_decay=True` | `eps` +1 | `exp_avg` +1, `exp_avg_sq` +2 | EXACT |" in page
    assert "| `CosineAnnealingLR` | `eta_min` like `lr` | – | EXACT |" in page
    assert "- `clip_grad_norm_`: the constant 1e-06 in `torch/nn/utils/clip_grad.py:166` has units L/W." in page
    assert "- `RAdam`: `torch/optim/radam.py:364` needs 1 and L/W to be equal." in page
    assert "## Why" not in write_page({"torch.optim:SGD": TABLE["torch.optim:SGD"]})
