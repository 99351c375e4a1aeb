"""Sweeps as they would come out if optimizers did exactly what their laws say: the loss is a formula of the groups."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

from lossgauge.records.sweep import DIVERGED, FINISHED, Outcome, Setting, SweepRow
from lossgauge.reports.sweeping.row import Row, law_in_table, rows_of

SGD, ADAM = "torch.optim:SGD", "torch.optim:Adam"
START = 1.0
ALPHAS = range(-6, 7)


def outcome(position: float) -> Outcome:
    """A training that is best at position 0, learns little far below it and diverges above 3."""
    if position > 3:
        return Outcome(DIVERGED, math.nan, 7, (START,), "")
    loss = 0.01 + 0.98 * START * (1 - math.exp(-abs(position) / 4))
    return Outcome(FINISHED, loss, None, (START, loss), f"{position}")


def sweep_row(optimizer: str, alpha: int, position: float, precision: str = "float32", **values: float) -> SweepRow:
    setting = Setting(optimizer, values, Fraction(2) ** alpha, 0, precision)
    return SweepRow(0, "", setting, outcome(position), "", 0)


def mark_reused(rows: Iterable[SweepRow]) -> list[SweepRow]:
    """Of rows that are equal all but the first were not run."""
    seen: set[tuple[str, str]] = set()
    marked: list[SweepRow] = []
    for row in rows:
        assert row.outcome is not None
        key = (row.setting.optimizer, row.outcome.digest)
        marked.append(replace(row, reused="bits") if key in seen and row.outcome.digest else row)
        seen.add(key)
    return marked


def sgd(rates: Iterable[int] = range(-8, 9, 2), alphas: Iterable[int] = ALPHAS) -> list[SweepRow]:
    """SGD depends on lr·α only."""
    return mark_reused(sweep_row(SGD, a, rate + a, lr=2.0**rate) for rate in rates for a in alphas)


def adam(rates: Iterable[int] = range(-8, 9, 2), alphas: Iterable[int] = ALPHAS) -> list[SweepRow]:
    """Adam far above ε: depends on lr only."""
    return [sweep_row(ADAM, a, rate, lr=2.0**rate, eps=2.0**-30) for rate in rates for a in alphas]


def adam_epsilon(epsilons: Iterable[int] = (-20, -14, -8)) -> list[SweepRow]:
    """Adam depends on ε/α, and not on that where it is small."""
    rows = (sweep_row(ADAM, a, -max(eps - a + 8, 0), lr=1.0, eps=2.0**eps) for eps in epsilons for a in ALPHAS)
    return mark_reused(rows)


def formats(windows: Mapping[str, tuple[int, int]], alphas: Iterable[int] = range(-40, 41, 4)) -> list[SweepRow]:
    """Adam with ε co-scaled, which trains as usual within a window of α for each number format."""
    return [
        sweep_row(ADAM, a, 0.0 if low <= a <= high else 9.0 if a > high else -9.0, name, lr=1.0, eps=2.0 ** (a - 27))
        for name, (low, high) in windows.items()
        for a in alphas
    ]


def known(rows: Iterable[SweepRow]) -> list[Row]:
    return rows_of(rows, law_in_table)


def spoilt(rows: list[SweepRow], number: int) -> list[SweepRow]:
    """One training comes out otherwise than it should."""
    row = rows[number]
    assert row.outcome is not None
    other = replace(row.outcome, final_loss=1.5 * row.outcome.final_loss, digest="other")
    return [*rows[:number], replace(row, outcome=other), *rows[number + 1 :]]
