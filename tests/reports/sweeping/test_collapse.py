"""Curves that fall onto one over a dimensionless group."""

from dataclasses import replace
from typing import Any

from lossgauge.reports.sweeping.collapse import draw_collapse, draw_collapses, find_collapses
from lossgauge.reports.sweeping.row import law_in_table
from tests.reports.sweeping.samples import ADAM, adam_epsilon, formats, known, sgd, spoilt, sweep_row


def only(rows: list[Any]) -> Any:
    (found,) = find_collapses(known(rows), law_in_table).values()
    return found


def test_what_has_units_of_the_loss_is_found_with_its_group():
    found = find_collapses(known([*sgd(), *adam_epsilon()]), law_in_table)
    assert {name: one.group for name, one in found.items()} == {
        "collapse-sgd-lr": "lr·α",
        "collapse-adam-eps": "ε/α",
    }


def test_one_curve_is_said_to_be_one():
    found = only(sgd())
    assert found.exact()
    assert found.spread() == 0
    title = draw_collapse(found)["title"]
    assert title["text"] == ["SGD: 117 trainings over α and lr, one curve over lr·α"]
    assert "bit for bit" in title["subtitle"][0]


def test_what_was_taken_over_to_rounding_is_not_called_exact():
    rounded = [replace(row, reused=row.reused and "rounding") for row in sgd()]
    found = only(rounded)
    assert not found.exact()
    title = draw_collapse(found)["title"]
    assert "one curve over" in title["text"][0]
    assert "but for rounding" in title["subtitle"][0]
    # Only at which step something diverges may depend on rounding: that breaks no promise about bits.
    gone = [
        replace(row, reused="rounding") if row.outcome and row.outcome.status == "diverged" else row for row in sgd()
    ]
    assert only(gone).exact()


def test_a_single_training_that_comes_out_otherwise_is_noticed():
    number = next(number for number, row in enumerate(sgd()) if row.reused == "bits")
    found = only(spoilt(sgd(), number))
    assert not found.exact()
    assert found.spread() > 0.4
    title = draw_collapse(found)["title"]
    assert "do not fall onto one curve" in title["text"][0]
    assert "bit for bit" not in " ".join(title["subtitle"])


def test_a_curve_of_the_wrong_group_is_noticed():
    # Adam's ε moves the wrong way with α: over ε/α nothing falls together.
    rows = [sweep_row(ADAM, a, -abs(eps + a) / 2, lr=1.0, eps=2.0 ** (eps - 20)) for eps in range(3) for a in range(6)]
    assert "do not fall" in draw_collapse(only(rows))["title"]["text"][0]


def test_reused_results_are_counted():
    (line,) = [text for text in draw_collapse(only(sgd()))["title"]["subtitle"] if "taken over" in text]
    finished = {row.outcome.digest for row in sgd() if row.outcome}
    assert f"{sum(bool(row.reused) for row in sgd())} were taken over" in line
    assert len(finished) > 1


def test_what_moves_with_alpha_is_said():
    rows = [
        sweep_row(ADAM, a, float(min(0, a - decay)), lr=1.0, eps=2.0 ** (a - 27), weight_decay=2.0**decay)
        for decay in (-8, -6, -4)
        for a in range(-3, 4)
    ]
    found = find_collapses(known(rows), law_in_table)["collapse-adam-weight-decay"]
    assert found.group == "λ/α"
    assert "ε moves with α so that ε/α stays." in draw_collapse(found)["title"]["subtitle"]


def test_trainings_of_another_purpose_do_not_get_into_the_curves():
    mixed = [*adam_epsilon(), *formats({"float32": (-99, 99)})]
    assert len(only(mixed).rows) == len(adam_epsilon())


def test_both_panels_show_every_training_once_and_what_diverged_apart():
    left, right = draw_collapse(only(sgd()))["hconcat"]
    for panel in (left, right):
        _, dots, crosses = (layer["data"]["values"] for layer in panel["layer"])
        assert len(dots) + len(crosses) == len(sgd())
        assert all(cross["gone"] for cross in crosses)
    areas = [dot["area"] for dot in right["layer"][1]["data"]["values"]]
    assert areas == sorted(areas, reverse=True), "the smaller dots are drawn later"
    assert len(set(areas)) > 1


def test_without_several_curves_there_is_no_picture():
    assert draw_collapses(known(sgd(rates=[0])), law_in_table) == {}
    assert draw_collapses(known(sgd()), lambda setting: None) == {}
    assert draw_collapses([], law_in_table) == {}
