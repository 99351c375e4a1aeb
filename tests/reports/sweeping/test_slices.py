"""Cuts through a sweep."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lossgauge.records.sweep import SweepRow
from lossgauge.reports.sweeping import slices
from lossgauge.reports.sweeping.row import Row, law_in_table
from tests.reports.sweeping.samples import ADAM, SGD, adam, adam_epsilon, known, sgd, sweep_row


def key_without(*free: str) -> Callable[[Row], object]:
    return lambda row: slices.rest(row, None, free)


def test_a_cut_holds_everything_else():
    cuts = slices.separate(known(sgd()), lambda row: slices.rest(row, None, []))
    assert len(cuts) == 9
    assert {len(cut) for cut in cuts.values()} == {13}
    assert len(slices.separate(known(sgd()), key_without("lr"))) == 1  # type: ignore[arg-type]


def test_a_held_group_lets_the_number_move_with_alpha():
    moving = known(sweep_row(ADAM, a, 0.0, lr=1.0, eps=2.0 ** (a - 27)) for a in range(5))
    law = law_in_table(moving[0].setting)
    assert len({slices.rest(row, law, [], held=False) for row in moving}) == 5
    assert len({slices.rest(row, law, [], held=True) for row in moving}) == 1


def test_the_fullest_cut_is_shown():
    rows = known([*sgd(rates=[0]), *sgd(rates=[-2], alphas=range(3))])
    cut = slices.fullest(rows, lambda row: slices.rest(row, None, []))
    assert {row.setting.hyperparameters["lr"] for row in cut} == {1.0}
    assert slices.fullest([], lambda row: 0) == []


def test_of_equal_cuts_the_usual_one_is_shown():
    # ε = 2^-14 is the only one that was run with a second learning rate, though not with as many α.
    rows = known([*adam_epsilon(), sweep_row(ADAM, 0, 0.0, lr=0.5, eps=2.0**-14)])
    cut = slices.fullest(rows, lambda row: slices.rest(row, None, []))
    assert {row.setting.hyperparameters["eps"] for row in cut} == {2.0**-14}


def test_of_equally_usual_cuts_the_one_that_trained_best_at_one():
    cut = slices.fullest(known(sgd()), lambda row: slices.rest(row, None, []))
    assert {row.setting.hyperparameters["lr"] for row in cut} == {1.0}


def worlds(rows: list[SweepRow]) -> set[tuple[str, int]]:
    return {(row.setting.precision, row.setting.seed) for row in slices.alike(known(rows))}


def test_formats_and_seeds_are_not_mixed():
    half = [replace(row, setting=replace(row.setting, precision="float16")) for row in sgd()]
    other = [replace(row, setting=replace(row.setting, seed=1)) for row in sgd()]
    assert worlds([*half, *sgd()]) == worlds([*other, *sgd()]) == {("float32", 0)}
    assert worlds([*sgd(), *half, *half[:1]]) == {("float16", 0)}
    assert slices.alike([]) == []


def test_names_tell_cuts_of_one_class_apart():
    plain, fast = known([sweep_row(SGD, 0, 0.0, lr=1.0, momentum=0.0), sweep_row(SGD, 0, 0.0, lr=1.0, momentum=0.9)])
    assert slices.name_cuts([[plain], [fast]], ["lr"]) == ["SGD", "SGD (momentum 0.9)"]
    assert slices.name_cuts([[fast]], ["lr"]) == ["SGD"]
    assert slices.name_cuts([[plain], [fast._replace(label="fast")]], ["lr"]) == ["SGD", "fast"]
    assert slices.variety(plain) != slices.variety(fast)


def test_losses_worth_showing_end_above_the_start():
    low, high = slices.span_of_losses(known(sgd()))
    assert low == pytest.approx(0.01)
    assert high < 2
    wild = [row._replace(outcome=row.outcome.__class__("finished", 1e9, None, (1.0,))) for row in known(adam())[:1]]
    assert slices.span_of_losses([*known(adam()), *wild])[1] == 2.0
