"""Magnitudes by their logarithm, and groups."""

from dataclasses import replace
from fractions import Fraction

import pytest

from lossgauge.records.sweep import Outcome, Setting
from lossgauge.reports.sweeping import quantities
from lossgauge.reports.sweeping.row import Row, finite, law_in_table, rows_of
from tests.reports.sweeping.samples import ADAM, adam, known, sgd, sweep_row


def row(**values: object) -> Row:
    return Row(Setting(ADAM, values, Fraction(8)), Outcome("finished", 1.0))  # type: ignore[arg-type]


def test_groups_are_exact_for_any_power():
    assert quantities.log2_group(row(eps=2.0**-27), "eps", Fraction(1)) == -30
    assert quantities.log2_group(row(lr=0.5), "lr", Fraction(-1)) == 2
    assert quantities.log2_group(row(lr=0.5), "lr", Fraction(1, 3)) == -2
    assert quantities.log2_group(row(lr=0.5), "lr", Fraction(1, 2)) == pytest.approx(-2.5)


def test_logarithms_of_numbers_no_float_holds():
    assert quantities.log2_of(Fraction(2) ** 5000) == 5000


def test_groups_are_spelled_by_their_letters():
    assert quantities.spell_group("lr", Fraction(-1)) == "lr·α"
    assert quantities.spell_group("eps", Fraction(1)) == "ε/α"
    assert quantities.spell_group("weight_decay", Fraction(2)) == "λ/α²"
    assert quantities.spell_group("lr", Fraction(-1, 2)) == "lr·α^(1/2)"


def test_only_numbers_above_0_have_a_logarithm():
    assert [quantities.positive(value) for value in (1e-3, 2, 0.0, -1.0, True, None, (1.0, 2.0))] == [
        *(True, True),
        *(False,) * 5,
    ]


def test_carriers_come_from_the_law_and_are_not_0():
    held = row(lr=0.1, eps=1e-8, weight_decay=0.0)
    assert quantities.carriers(held.setting, law_in_table(held.setting)) == {"eps": 1}
    assert quantities.carriers(held.setting, None) == {}


def test_the_law_follows_the_flags():
    coupled, lr_scaled = (
        Setting(ADAM, {"weight_decay": 0.1, "decoupled_weight_decay": flag}) for flag in (False, True)
    )
    assert set(quantities.carriers(coupled, law_in_table(coupled))) == {"weight_decay"}
    assert set(quantities.carriers(lr_scaled, law_in_table(lr_scaled))) == set()
    assert law_in_table(Setting("my.package:Mine")) is None


def test_rows_without_an_outcome_are_left_out():
    rows = adam()
    assert len(rows_of([*rows, replace(rows[0], outcome=None)], law_in_table)) == len(rows)


def test_what_the_constructor_fills_in_is_written_out():
    bare = sweep_row("torch.optim:AdamW", 0, 0.0, lr=0.1)
    (settled,) = rows_of([bare], law_in_table)
    assert settled.setting.hyperparameters == {"lr": 0.1, "eps": 1e-8, "weight_decay": 0.01}
    (given,) = rows_of([sweep_row("torch.optim:AdamW", 0, 0.0, lr=0.1, eps=1.0, weight_decay=0.0)], law_in_table)
    assert given.setting.hyperparameters == {"lr": 0.1, "eps": 1.0, "weight_decay": 0.0}
    assert rows_of([bare], lambda setting: None)[0].setting == bare.setting


def test_what_diverged_is_not_finite():
    kinds = {finite(one) for one in known(sgd())}
    assert kinds == {True, False}
    assert all(finite(one) == (quantities.log2_group(one, "lr", Fraction(-1)) <= 3) for one in known(sgd()))
