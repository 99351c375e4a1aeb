import math

import pytest

from lossgauge.experiments.printed import last_digit, names_printed, read_printed_number

TEXT = """epoch 1 step 10 | loss: 0.5 acc=0.5
epoch 2 step 20 | loss: 0.25 acc=0.75 (93.1%)
{"val_loss": 1.5e-3, "top-5": 88}
error after 1200 steps: 0.9960 of the targets' variance
Final Accuracy: 93.4%
blown = nan; larger: -inf
version 1.2.3
Test score 0.4213.
"""


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("loss", 0.25),
        ("acc", 0.75),
        ("epoch", 2),
        ("val_loss", 1.5e-3),
        ("top-5", 88),
        ("error after 1200 steps", 0.996),
        ("Final Accuracy", 93.4),
        ("accuracy", 93.4),
        ("larger", -math.inf),
        ("Test score", 0.4213),
        ("version", None),
        ("missing", None),
        ("targets", None),
    ],
)
def test_the_last_number_under_a_name_is_read(name: str, number: float | None):
    assert read_printed_number(TEXT, name) == number


def test_a_number_may_be_none():
    assert math.isnan(read_printed_number(TEXT, "blown") or 0)


def test_case_matters_only_where_both_are_printed():
    assert read_printed_number("Loss: 1\nloss: 2\n", "Loss") == 1
    assert read_printed_number("Loss: 1\n", "loss") == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\x1b[32mloss: 0.125\x1b[0m", "loss"),
        ("\x1b[1mloss\x1b[0m = \x1b[33m0.125\x1b[0m", "loss"),
        ("loss tensor(0.1250, grad_fn=<MseLossBackward0>)", "loss"),
        ("loss=tensor([0.1250])", "loss"),
        ("loss: np.float32(0.125)", "loss"),
        ("{'loss': array([0.125])}", "loss"),
        ("| loss | 0.125 |", "loss"),
        ("loss|0.125|", "loss"),
        ("loss -> 0.125", "loss"),
        ("loss => 0.125", "loss"),
        ("loss → 0.125", "loss"),
        ("größe = 0.125", "größe"),
        ("λ-mass 0.125", "λ-mass"),
    ],
)
def test_colours_tensors_and_letters_of_any_language(text: str, name: str):
    assert read_printed_number(text, name) == 0.125
    assert names_printed(text) == [name]


def test_thousands_may_be_set_apart():
    assert read_printed_number("total: 506,669.28 (max 1,000)", "total") == 506669.28
    assert read_printed_number("sizes: 1,2,3", "sizes") == 1
    assert last_digit("total: 506,669.28", "total") == 0.01


def test_a_heading_has_no_number_in_the_next_line():
    assert read_printed_number("epoch,loss\n10,0.5\n", "loss") is None
    assert read_printed_number("epoch loss\n10 0.5\n", "loss") is None


def test_a_name_does_not_begin_within_a_number():
    assert names_printed("y=1_000 z=3") == ["z"]


def test_names_with_signs_of_a_regular_expression():
    assert read_printed_number("recall@(5): 0.5", "recall@(5)") == 0.5


def test_the_names_that_are_there_are_listed():
    names = names_printed(TEXT)
    assert {"loss", "acc", "val_loss", "error after 1200 steps", "Final Accuracy"} <= set(names)
    assert "version" not in names
    assert names_printed("nothing to see") == []


@pytest.mark.parametrize(
    ("text", "digit"), [("x: 0.2500", 1e-4), ("x: 2.5e-07", 1e-8), ("x: 88", 1.0), ("x: nan", 0.0), ("y: 1", 0.0)]
)
def test_the_last_digit(text: str, digit: float):
    assert last_digit(text, "x") == pytest.approx(digit, rel=1e-12)
