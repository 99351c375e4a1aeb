import json

import pytest
from rich.console import Console, RenderableType

import lossgauge.laws.table
from lossgauge.reports.text_explain import render_explanation
from lossgauge.verbs.explain import explain
from tests.known_laws import TABLE


@pytest.fixture(autouse=True)
def known_laws(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lossgauge.laws.table, "read_table", lambda: TABLE)


def show(report: RenderableType) -> str:
    console = Console(width=80, color_system=None, highlight=False, markup=False)
    with console.capture() as shown:
        console.print(report)
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


GOLDEN = """\
SGD, loss × 1/256                                                          EXACT

  SGD's steps grow with the gradient, so a loss 1/256 times as large acts like
  multiplying lr by 1/256 and dividing weight_decay by 1/256.

  Multiplying the loss by 1/256 and touching nothing is the same as lr 0.001 →
  3.90625e-6 and weight_decay 0.5 → 128.

  To train as before with the loss multiplied by 1/256, set lr 0.001 → 0.256 and
  weight_decay 0.5 → 0.00195312.

                                   trains the same     if untouched,
  setting        now     carries   with loss × 1/256   acts like
  lr             0.001   1/loss    0.256               3.90625e-6
  weight_decay   0.5     loss      0.00195312          128

  the same          the weights after every step, bit for bit, as long as
                    nothing over- or underflows
  only these count  lr·α   weight_decay/α
  not affected      momentum
  no influence      dampening
  also              In mid-training the state (momentum_buffer) has to move too:
                    use `lossgauge rescale`."""


def test_the_report_as_it_stands():
    said = explain("sgd", before="sum", after="mean", items=256, settings={"weight_decay": 0.5})
    assert show(render_explanation(said.to_dict())) == GOLDEN


@pytest.mark.parametrize("name", list(TABLE))
def test_every_law_fits_80_columns_and_survives_json(name: str):
    plain = explain(name, "2**10").to_dict()
    shown = show(render_explanation(plain))
    assert max(map(len, shown.splitlines())) <= 80
    assert shown == show(render_explanation(json.loads(json.dumps(plain))))
    assert shown.splitlines()[0].endswith(plain["verdict"])


def test_a_setting_without_a_unit_says_so():
    assert "no one unit" in show(render_explanation(explain("radam", 8).to_dict()))


def test_names_are_shown_as_they_are():
    plain = explain("sgd", 8).to_dict()
    plain["summary"] = "eps[0] and [red]names[/red] :smile:"
    assert "eps[0] and [red]names[/red] :smile:" in show(render_explanation(plain))
