"""Axes and frames."""

import math

import pytest

from lossgauge.reports.sweeping.axes import (
    binary,
    frame,
    loss_axis,
    loss_ticks,
    power_axis,
    spell_log2,
    spell_loss,
    spell_two,
)


@pytest.mark.parametrize(("power", "text"), [(0, "1"), (1, "2"), (-20, "2⁻²⁰"), (17, "2¹⁷"), (0.5, "1.4")])
def test_powers_of_two_are_written_as_such(power: float, text: str):
    assert spell_two(power) == text


def test_numbers_are_written_as_they_were_chosen():
    tenth = [math.log2(value) for value in (1e-8, 1e-6)]
    assert binary([-27.0, 3.0])
    assert not binary(tenth)
    assert spell_log2(-27, twos=True) == "2⁻²⁷"
    assert spell_log2(tenth[0], twos=False) == "1e-8"


def test_an_axis_has_few_labels_and_covers_everything():
    axis = power_axis("x", "α", [float(power) for power in range(-20, 21)], room=0.5)
    assert axis["scale"]["domain"] == [-20.5, 20.5]
    assert axis["axis"]["values"] == [float(power) for power in range(-20, 21, 5)]
    assert "2⁻²⁰" in axis["axis"]["labelExpr"]
    tens = power_axis("x", "ε", [math.log2(10.0) * power for power in (-8, -6, -4)])
    assert "10⁻⁸" in tens["axis"]["labelExpr"]
    assert power_axis("x", "one", [3.0])["scale"]["domain"] == [3.0, 4.0]


@pytest.mark.parametrize(("low", "high"), [(0.012, 1.1), (1e-9, 3.0), (0.5, 0.6), (1.0, 1.001)])
def test_losses_are_labelled_with_round_numbers_within_reach(low: float, high: float):
    ticks = loss_ticks(low, high)
    assert len(ticks) <= 10
    assert all(low / 1.2 <= tick <= high * 1.2 for tick in ticks)
    axis = loss_axis("loss", low, high)
    assert axis["scale"]["domain"][0] < math.log10(low) < math.log10(high) < axis["scale"]["domain"][1]


def test_round_losses_are_spelled_short():
    assert [spell_loss(value) for value in (0.05, 1.0, 1e-7, 2e-7)] == ["0.05", "1", "10⁻⁷", "2·10⁻⁷"]


def test_headings_are_as_wide_as_their_picture():
    narrow, wide = (frame("word " * 30, ["word " * 30], width, layer=[]) for width in (300, 1200))
    assert len(narrow["title"]["text"]) > len(wide["title"]["text"])
    assert max(map(len, narrow["title"]["text"])) < 60
