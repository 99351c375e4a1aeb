import pytest

from lossgauge.laws.table import row_of
from lossgauge.reports.moves import read_move

INSIDE = {name: float(power) for name, power in row_of("adadelta").law.exponents.items()}


@pytest.mark.parametrize(
    ("change", "decades", "sense", "title"),
    [
        ({"kind": "setting", "name": "eps", "factor": 1e-5}, 5, "ε", "eps / 1e5"),
        ({"eps": [1e-8, 1e-13]}, 5, "ε", "eps / 1e5"),
        ({"kind": "loss", "factor": 1e5}, 5, "the loss", "loss × 1e5"),
        ({"loss_factor": [1.0, 0.01]}, -2, "the loss", "loss / 100"),
        ({"kind": "threshold", "factor": 100.0}, -2, "clipping", "max_norm × 100"),
        ({"max_norm": [1.0, 100.0]}, -2, "clipping", "max_norm × 100"),
        ({"kind": "scaler", "factor": 1e4}, 4, "the number format", "scale × 1e4"),
        ({"init_scale": [None, 1e4]}, 4, "the number format", "scale × 1e4"),
        ({"threshold_mode": ["abs", "rel"], "eps": [1e-8, 1e-7]}, -1, "ε", "eps × 10"),
    ],
)
def test_where_a_change_goes(change: dict[str, object], decades: float, sense: str, title: str):
    move = read_move(change)
    assert move is not None
    assert (round(move.decades, 9), move.sense, move.title) == (decades, sense, title)


def test_the_law_says_how_far():
    outside = read_move({"eps": [1e-6, 1e-10]})
    inside = read_move({"eps": [1e-6, 1e-10]}, INSIDE)
    rate = read_move({"lr": [0.1, 1.0]}, INSIDE)
    assert outside
    assert inside
    assert rate
    assert (round(outside.decades, 9), round(inside.decades, 9), round(rate.decades, 9)) == (4, 2, 1)
    assert inside.text == "eps / 1e4: for ε as the loss × 100"


def test_a_new_value_is_compared_with_the_old_one():
    move = read_move({"kind": "setting", "name": "eps", "value": 1e-11}, None, {"eps": 1e-8})
    assert move
    assert round(move.decades, 9) == 3


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"kind": "zero-grad"},
        {"kind": "setting", "name": "betas[1]", "factor": 2.0},
        {"kind": "setting", "name": "eps", "value": 1.0},
        {"kind": "setting", "name": "eps", "factor": 0.0},
        {"kind": "threshold", "factor": float("inf")},
        {"max_norm": [1.0, None]},
        {"max_norm": [1.0, "inf"]},
        {"eps": [0.0, 1e-8]},
        {"zero_grad": [False, True]},
        {"kind": "term", "index": 1, "factor": 10.0},
    ],
)
def test_what_is_no_move(change: dict[str, object]):
    assert read_move(change) is None
