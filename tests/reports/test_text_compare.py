import json
from typing import Any

import pytest

from lossgauge.records.comparison import Relation
from lossgauge.reports.text_compare import draw_bar, draw_line, render_comparison
from tests.reports.comparison_samples import comparison
from tests.reports.test_text_explain import show

GOLDEN = """\
A cross-entropy  →  B focal:gamma=2                       mostly a factor (75 %)

  At the start B's gradient is 0.8 times A's, which explains 98 % of it; after
  200 steps with A it is 0.4 times A's and 30 %. The rest points elsewhere: that
  is the loss function's real effect.

  To take the factor 0.8 out under Adam, set eps 1e-8 → 8e-9 with B. By step 200
  the factor has moved to 0.4, and it would be eps 1e-8 → 4e-9.

         trained with A                           trained with B
  step   α_eff                explained           α_eff            explained
     0   0.8     ██████████   98 %   █████████▊   0.8     ██████   98 %
   200   0.4     █████        30 %   ███          0.2     █▌       –

           at the start                     later
  layer    α_eff            explained       α_eff   explained
  weight   0.8     ██████   99.9 % ██████   0.4     –
  bias     0.4     ███      50 %   ███      –       –

  batches  α_eff from 0.75 to 0.85; a factor for each would explain 99 %
  share    75 % of B's gradient, mean over all steps in the table
  samples  at the start: weight 0.6 to 1.1 (5 to 95 %), as if 97 % of them
           counted
             easy ▅█ hard: 0.5 to 1
  losses   after 200 steps with A: A = 0.2, B = 0.06
           after 200 steps with B: A = 0.2, B = 0.06
  used     a model; 8 batches, Adam for 200 steps"""


def test_the_report_as_it_stands():
    assert show(render_comparison(comparison())) == GOLDEN


@pytest.mark.parametrize("relation", Relation)
@pytest.mark.parametrize("trained", [True, False])
def test_every_relation_fits_80_columns_and_survives_json(relation: Relation, trained: bool):
    plain = json.loads(json.dumps(comparison(relation, trained)))
    shown = show(render_comparison(plain))
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.splitlines()[0].endswith(plain["verdict_text"])


@pytest.mark.parametrize(
    ("relation", "change", "said"),
    [
        (Relation.PURE, {"alpha_eff": 64.0}, "64 times that of A and nothing else"),
        (Relation.PURE, {"alpha_eff": 1.0000001}, "up to rounding: they train the same"),
        (Relation.IDENTICAL, {}, "bit for bit"),
        (Relation.PER_BATCH, {"alpha_low": 8.0, "alpha_high": 32.0}, "not the same one: from 8 to 32"),
        (Relation.PER_BATCH, {"alpha_low": 8.0, "alpha_high": 8.0}, "the factor moves while the weights do"),
        (Relation.DIFFERENT, {"alpha_eff": -0.5}, "B's gradient points against A's: -0.5 times A's"),
        (Relation.UNDECIDED, {"alpha_eff": None, "notes": ["why so"]}, "could not be established"),
        (Relation.UNDECIDED, {"notes": ["why so"]}, "note"),
    ],
)
def test_the_answer(relation: Relation, change: dict[str, Any], said: str):
    assert said in " ".join(show(render_comparison(comparison(relation) | change)).split())


def test_batches_are_shown_where_each_has_its_own_factor():
    batches = [
        {"name": f"batch {n}", "alpha_eff": 32.0, "cos2": 1.0, "norm_a": 1.0, "norm_b": 1.0} for n in range(1, 15)
    ]
    batches[-1]["alpha_eff"] = 8.0
    plain = comparison(Relation.PER_BATCH) | {"per_batch": batches, "alpha_low": 8.0, "alpha_high": 32.0}
    shown = show(render_comparison(plain | {"batch_sizes": [32] * 13 + [8]}))
    assert "  14            8   8       ██▌          100 %  ██████████" in shown
    assert "and 4 more batches" in shown
    assert "layer" not in shown


def test_many_layers_with_long_names():
    layer = {"alpha_eff": 0.5, "cos2": 0.5, "norm_a": 1.0}
    layers = [{**layer, "name": f"transformer.h.{n}.attention.projection.weight", "norm_b": n} for n in range(30)]
    shown = show(render_comparison(comparison() | {"per_layer": layers, "per_layer_trained": layers}))
    assert max(map(len, shown.splitlines())) <= 80
    assert "and 20 more with smaller gradients" in shown
    assert "29.attenti…tion.weight" in shown
    assert "20.attenti…tion.weight" in shown
    assert "19.attenti…tion.weight" not in shown


def test_a_layer_without_any_gradient_but_rounding_is_not_shown():
    plain = comparison()
    plain["per_layer"].append(plain["per_layer"][0] | {"name": "in.idle", "norm_b": 1e-6})
    assert "idle" not in show(render_comparison(plain))
    plain["per_layer"][-1]["norm_b"] = 1e-4
    assert "idle" in show(render_comparison(plain))


def test_an_optimizer_without_a_law_says_so():
    plain = comparison()
    plain["compensations"] = [plain["compensations"][0] | {"verdict": "BROKEN", "advice": "Use two rates."}]
    assert "Adam is BROKEN, so no settings take a factor out exactly. Use two rates." in " ".join(
        show(render_comparison(plain)).split()
    )


def test_nothing_to_set():
    plain = comparison()
    plain["compensations"] = [plain["compensations"][0] | {"equivalent": plain["compensations"][0]["settings"]}]
    assert "Nothing to set: Adam does not notice a factor" in show(render_comparison(plain))


def test_names_are_shown_as_they_are():
    assert "[red]my[0] :smile:" in show(render_comparison(comparison() | {"loss_b": "[red]my[0] :smile:"}))


def test_bars_and_lines():
    assert draw_bar(1.0, 4) == "████"
    assert draw_bar(0.5, 4) == "██  "
    assert draw_bar(1 / 32, 4) == "▏   "
    assert [draw_bar(value, 2) for value in (0.0, None, -1.0, 7.0)] == ["  ", "  ", "  ", "██"]
    assert draw_line([0.0, 0.5, 1.0]) == "▁▅█"
    assert draw_line([0.0, -1.0]) == "▁▁"


def test_what_a_live_optimizer_holds_is_converted_too():
    plain = comparison()
    plain["compensations"] = [plain["compensations"][0] | {"states": {"exp_avg": "1", "exp_avg_sq": "2"}}]
    shown = " ".join(show(render_comparison(plain)).split())
    assert 'holds exp_avg, exp_avg_sq in units of A: lossgauge.rescale(optimizer, "' in shown
