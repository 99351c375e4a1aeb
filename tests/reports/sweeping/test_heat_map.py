"""The map over α and learning rate, and the course of the best learning rate on it."""

from fractions import Fraction
from typing import Any

import pytest

from lossgauge.reports.sweeping.best import Course
from lossgauge.reports.sweeping.heat_map import draw_heat_map, edges
from lossgauge.reports.sweeping.row import law_in_table
from tests.reports.sweeping.samples import adam, known, sgd

GRID = range(-8, 9, 2)


def course(rates: "list[float]", power: "int | None" = 0) -> Course:
    return Course("lr", list(enumerate(rates, -3)), [*GRID], None if power is None else Fraction(power))


def drawn(rows: "list[Any]") -> dict[str, Any]:
    spec = draw_heat_map(known(rows), law_in_table)
    assert spec is not None
    return spec


def test_a_course_is_put_into_words():
    assert course([-2, -2, 0, -2]).say() == "best lr ≈ 2⁻² at every α"
    assert course([6, 4, 4, 2, 2, 0], -1).say() == "best lr ≈ 2³/α"
    assert course([6, 2, -2, -2, -2, -2]).say() == "best lr ≈ 2⁻² for α ≥ 2⁻¹"
    assert course([-2, -2, -2, -2, 2, 6]).say() == "best lr ≈ 2⁻² for α ≤ 1"
    assert course([6, 0, 6, 0]).say() == "best lr moves with α"
    assert course([2, 2]).say() == course([2, 2, 2]).say() == "the grid does not tell the best lr"


@pytest.mark.parametrize(
    ("rates", "gist"),
    [([0, 0, 0, 0], "does not move with α"), ([6, 6, 4, 4, 2], "falls as 1/α"), ([6, 2, 0, 0, 0, 0], "stays over part"),
     ([0, 6, 0, 6], "moves with α"), ([0], "is not told")],
)  # fmt: skip
def test_the_gist_follows_what_was_measured(rates: "list[float]", gist: str):
    assert course(rates).gist().startswith(gist)


def test_lines_of_the_group_have_the_slope_of_the_law():
    assert course([0, 0, 0, 0], None).lines(-3, 3) == []
    flat, falling = course([0, 0, 0, 0], 0).lines(-3, 3), course([4, 3, 2, 1], -1).lines(-3, 3)
    assert len(flat) == len(falling) == 3
    assert all(left[1] == right[1] for left, right in flat)
    assert all(left[1] - right[1] == 6 for left, right in falling)
    assert falling[1][0][1] == 4, "the middle one goes through the best"


def test_titles_follow_what_was_measured():
    spec = drawn([*sgd(), *adam()])
    assert " ".join(spec["title"]["text"]) == (
        "The best learning rate falls as 1/α for SGD; does not move with α for Adam"
    )
    assert [panel["title"]["text"] for panel in spec["concat"]] == [
        "SGD: best lr ≈ 1/α",
        "Adam: best lr ≈ 1 at every α",
    ]
    # Planted: optimizers that exchanged their laws must exchange their sentences.
    rows = [*sgd(), *adam()]
    exchanged = [row.__class__(0, "SGD" if "Adam" in row.setting.optimizer else "Adam", row.setting, row.outcome, "", 0)
                 for row in rows]  # fmt: skip
    assert "falls as 1/α for Adam" in drawn(exchanged)["title"]["text"][0]


def test_every_training_is_a_cell_and_what_diverged_is_hatched():
    (panel,) = drawn(sgd())["concat"]
    cells, gone, hatch, _, best = (layer["data"]["values"] for layer in panel["layer"])
    diverged = sum(row.outcome is not None and row.outcome.status == "diverged" for row in sgd())
    assert diverged
    assert len(gone) == diverged
    assert len(cells) + len(gone) == len(sgd())
    assert len(hatch) == 3 * diverged
    assert all(-1.5 <= point["y"] + point["x"] <= 1.5 for point in best), "the best one is near lr·α = 1"


def test_cells_touch_and_cover_the_grid():
    assert edges({0.0, 1.0, 3.0}) == {0.0: (-0.5, 0.5), 1.0: (0.5, 2.0), 3.0: (2.0, 4.0)}


def test_columns_that_lack_rates_are_left_out():
    (panel,) = drawn([*sgd(), *sgd(rates=[0], alphas=range(20, 23))])["concat"]
    assert sum(len(layer["data"]["values"]) for layer in panel["layer"][:2]) == len(sgd())


def test_without_a_grid_there_is_no_map():
    assert draw_heat_map(known(sgd(rates=[0, 2])), law_in_table) is None
    assert draw_heat_map(known(sgd(alphas=[0, 1])), law_in_table) is None
    assert draw_heat_map([], law_in_table) is None
