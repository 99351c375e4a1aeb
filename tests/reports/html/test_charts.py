"""What the charts show, read from their specifications."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Session, Step, TensorSample
from lossgauge.reports.html.chart import Chart, steps_axis
from lossgauge.reports.html.course import draw_course
from lossgauge.reports.html.elasticity import draw_elasticity
from lossgauge.reports.html.histograms import ALL, draw_histograms
from lossgauge.reports.html.stacking import last_until, order_parts, stack_parts
from lossgauge.reports.html.terms import OTHERS, draw_terms, share_gradients
from lossgauge.reports.html.trials import draw_trial, say_treatment, say_trial_result
from lossgauge.reports.html.updates import draw_updates, sample_colours
from tests.reports.sessions import CASES, bell, clipped, eps_dominated, half_underflow, healthy

DRAW: dict[str, Callable[[Session], Chart | None]] = {
    "course": draw_course, "elasticity": draw_elasticity, "updates": draw_updates, "terms": draw_terms,
}  # fmt: skip


def rows(chart: Chart | None, place: int) -> list[dict[str, Any]]:
    assert chart is not None
    return chart.spec["layer"][place]["data"]["values"]


def drawn(session: Session) -> list[Chart]:
    charts = [draw(session) for draw in DRAW.values()] + [*draw_histograms(session)]
    charts += [draw_trial(trial, number) for number, trial in enumerate(session.trials)]
    return [chart for chart in charts if chart is not None]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_specifications_are_plain_finite_data(case: Any):
    charts = drawn(case()[0])
    assert len(charts) >= 6
    for chart in charts:
        assert json.loads(json.dumps(chart.spec, allow_nan=False)) == chart.spec
        assert json.loads(json.dumps(chart.choices, allow_nan=False)) == chart.choices
    assert len({chart.name for chart in charts}) == len(charts)


def test_an_empty_session_has_no_charts():
    assert drawn(Session()) == []


def test_a_training_that_broke_at_once_is_drawn_without_its_infinities():
    session = healthy(("a",), 5)[0]
    session.steps = [Step(number, 0, (math.nan,)) for number in range(1, 6)]
    broken = TensorSample(
        0, math.nan, math.inf, math.nan, bell(0, 1, 9), elasticity=math.nan, carriers={"lr": math.nan}
    )
    session.samples = [replace(sample, tensors=(broken,)) for sample in session.samples]
    assert draw_course(session) is None
    assert draw_elasticity(session) is None
    assert draw_updates(session) is None
    assert [chart.name for chart in draw_histograms(session)] == ["sizes-gradient"]


def test_blocks_are_stacked_to_both_sides():
    course = [(1, {"lr": 1.0, "max_norm": -0.9, "tiny": 1e-9}), (11, {"lr": 1.0, "weight_decay": 0.5})]
    names = order_parts(course, 9)
    assert names == ["lr", "max_norm", "weight_decay"]
    blocks = stack_parts(course, names, 30)
    assert [(b["step"], b["end"], b["name"], b["foot"], b["top"]) for b in blocks] == [
        (1, 11, "lr", 0.0, 1.0), (1, 11, "max_norm", 0.0, -0.9), (11, 21, "lr", 0.0, 1.0),
        (11, 21, "weight_decay", 1.0, 1.5),
    ]  # fmt: skip
    assert stack_parts([], [], 50) == []


def test_what_was_seen_last_is_not_drawn_to_the_end():
    assert last_until([1, 2, 4, 20], 1000) == [2, 4, 20, 36]
    assert last_until([1, 500], 600) == [500, 600]
    assert last_until([600], 600) == [601]
    assert last_until([1], 600) == [600]
    assert last_until([], 600) == []


def test_steps_are_logarithmic_where_most_samples_are_early():
    assert steps_axis(1000, [1, 2, 3, 4, 500])["scale"]["type"] == "log"
    assert "type" not in steps_axis(1000, [1, 250, 500, 750, 1000])["scale"]
    assert steps_axis(1000)["scale"]["domain"] == [0, 1000]


def test_the_blocks_add_up_to_the_line():
    chart = draw_elasticity(clipped()[0])
    blocks, line = rows(chart, 0), rows(chart, 3)
    for point in line[:-1]:
        assert sum(b["share"] for b in blocks if b["step"] == point["step"]) == pytest.approx(point["value"], abs=1e-9)


def test_the_course_marks_what_happened():
    session = half_underflow()[0]
    chart = draw_course(session)
    assert chart is not None
    assert [text for _, text in chart.legend] == ["steps the scaler left out", "steps whose loss was not finite"]
    skipped, events = rows(chart, 2), rows(chart, 4)
    assert (skipped[0]["from"], skipped[0]["share"]) == (1, 1.0)
    assert sum(row["share"] * (row["to"] - row["from"] + 1) for row in skipped) == pytest.approx(7)
    assert [(event["step"], event["text"]) for event in events] == [(3, "the loss is nan")]
    assert all(math.isfinite(row["loss"]) for row in rows(chart, 0))
    legend = draw_course(clipped()[0])
    assert legend is not None
    assert [text for _, text in legend.legend] == ["clipped steps"]


def test_a_long_run_is_thinned_but_keeps_its_peaks():
    session = Session(steps=[Step(number, 0, (100.0 if number == 777 else 1.0,)) for number in range(1, 20_001)])
    chart = draw_course(session)
    points = rows(chart, 0)
    assert len(points) == 300
    assert max(point["high"] for point in points) == 100.0
    assert chart is not None
    assert chart.spec["layer"][0]["encoding"]["y"]["scale"]["domain"][1] > 2, "the axis reaches the peak, in decades"


def test_updates_are_drawn_by_powers_of_ten_over_the_usual_decades():
    chart = draw_updates(healthy()[0])
    assert rows(chart, 0) == [{"at": -4.0, "high": -2.0}]
    assert len({row["tensor"] for row in rows(chart, 1)}) == 24
    assert chart is not None
    assert "24 of 36 tensors" in chart.caption
    assert all(row["at"] == pytest.approx(math.log10(row["value"])) for row in rows(chart, 1))


def test_colours_run_through_all_tensors():
    assert len(set(sample_colours(24))) == 24
    assert sample_colours(1) == ["#6854B2"]
    assert all(len(colour) == 7 for colour in sample_colours(7))


def test_shares_of_summands():
    terms = [Term(index, ("ABackward0",), gradient_norm=float(index == 0) + 0.1) for index in range(9)]
    shares = share_gradients(LossReading(1, terms=tuple(terms)))
    assert shares is not None
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["0: (A)"] == pytest.approx(1.1 / 1.9)
    session = Session(readings=[LossReading(1, terms=tuple(terms))], steps=[Step(1)])
    blocks = rows(draw_terms(session), 0)
    assert blocks[-1]["name"] == OTHERS
    assert blocks[-1]["top"] == pytest.approx(1)


@pytest.mark.parametrize(
    "terms",
    [(), (Term(0, gradient_norm=1.0),), (Term(0, gradient_norm=1.0), Term(1)),
     (Term(0, gradient_norm=0.0), Term(1, gradient_norm=0.0)),
     (Term(0, gradient_norm=1.0), Term(1, gradient_norm=math.inf))],
)  # fmt: skip
def test_no_shares_without_norms(terms: tuple[Term, ...]):
    assert share_gradients(LossReading(1, terms=terms)) is None


def test_heatmaps_offer_every_tensor_and_know_the_limits():
    charts = {chart.name: chart for chart in draw_histograms(half_underflow()[0])}
    assert set(charts) == {"sizes-gradient", "sizes-denominator", "sizes-update"}
    gradient = charts["sizes-gradient"].choices
    assert list(gradient)[:2] == [ALL, "features.0.weight"]
    assert gradient[ALL]["lines"][0][1].startswith("smallest float16 number ÷ scale 8")
    assert gradient[ALL]["lines"][0][0] == pytest.approx(math.log10(2.0**-24 / 8), abs=1e-3)
    assert charts["sizes-denominator"].choices[ALL]["lines"][0] == [-8.0, "ε (eps = 1e-8): below, it decides the step"]
    lines = charts["sizes-update"].choices["features.0.weight"]["lines"]
    typical = 5.0 / math.sqrt(128 * 64)
    assert lines[0][0] == pytest.approx(math.log10(2.0 ** (math.floor(math.log2(typical)) - 24)), abs=1e-3)


def test_columns_hold_shares():
    columns = draw_histograms(half_underflow()[0])[0].choices["features.0.weight"]["columns"]
    for step, end, _, shares, zero, median in columns:
        assert step < end
        assert sum(shares) + zero == pytest.approx(1000, abs=len(shares))
        assert median == pytest.approx(-27 * math.log10(2), abs=0.5)
    assert columns[-1][4] > columns[0][4]


def test_heatmaps_stay_small():
    session = healthy([f"layer{index}" for index in range(60)], 400)[0]
    wide = [
        replace(t, gradient=bell(-20, 60, 10**6), denominator=bell(-20, 60, 10**6)) for t in session.samples[0].tensors
    ]
    session.samples = [replace(sample, tensors=tuple(wide)) for sample in session.samples]
    charts = draw_histograms(session)
    cells = sum(len(column[3]) for c in charts for choice in c.choices.values() for column in choice["columns"])
    assert 50_000 < cells <= 250_000
    assert len(charts[0].choices) == 25


def test_trials_in_words_and_curves():
    helped, _, vain = eps_dominated()[0].trials
    assert [say_treatment(trial) for trial in (helped, vain)] == ["eps / 1e5", "lr × 10"]
    assert say_trial_result(helped) == "loss 9.75e-7 → 3.55e-9"
    chart = draw_trial(helped, 3)
    assert chart is not None
    assert chart.name == "trial-3"
    assert {row["name"] for row in rows(chart, 0)} == {"as it is", "with the remedy"}
    assert draw_trial(replace(helped, curve=()), 0) is None
    assert say_trial_result(replace(helped, after=None, note="it could not be carried out")).startswith("it could not")
    choice = replace(helped, treatment={"kind": "plateau-mode", "choice": "rel"})
    assert say_treatment(choice) == "threshold_mode = rel"
    assert (
        say_treatment(replace(helped, treatment={"kind": "term", "index": 1, "factor": 10.0}))
        == "term 2 of the loss × 10"
    )
    assert say_treatment(replace(helped, treatment={"kind": "zero-grad"})) == "zero_grad at every step"


def test_a_diverged_trial_ends_where_it_did():
    diverged = half_underflow()[0].trials[1]
    treated = [row for row in rows(draw_trial(diverged, 0), 0) if row["name"] == "with the remedy"]
    assert max(row["step"] for row in treated) <= 200
