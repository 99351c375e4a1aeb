"""A row of a sweep as the pictures take it, and where the law of its optimizer comes from."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from lossgauge.laws.law import Law
from lossgauge.laws.table import find_row
from lossgauge.records.sweep import FINISHED, Outcome, Setting, SweepRow

DECAY = "weight_decay"
"""What optimizers call their weight decay."""
ROUNDING = "rounding"
"""How a result is marked that is another one's but for rounding."""


class Row(NamedTuple):
    """One training of a sweep and what came of it.

    Args:
        setting: What was trained.
        outcome: What came of it.
        reused: `bits` or `rounding` where it was not run because an equal one was, and how these agree; else empty.
        label: What its optimizer is called; by default as its class.
    """

    setting: Setting
    outcome: Outcome
    reused: str = ""
    label: str = ""


LawOf = Callable[[Setting], Law | None]
"""Where the law of a setting comes from; None where there is none."""


def law_in_table(setting: Setting) -> Law | None:
    """The law of a setting's optimizer, as far as the table shipped with this version knows it.

    Args:
        setting: The setting; its flags choose the variant.

    Returns:
        The law, or None.
    """
    row = _find(setting.optimizer)
    return row.law_for(setting.hyperparameters) if row is not None else None


_find = lru_cache(find_row)


def finite(row: Row) -> bool:
    """Whether a training came to its end with a loss that has a logarithm.

    Args:
        row: The row.

    Returns:
        False where it diverged or failed.
    """
    return row.outcome.status == FINISHED and 0 < row.outcome.final_loss < math.inf


def rows_of(rows: Iterable[SweepRow], law_of: LawOf) -> list[Row]:
    """The rows of a sweep that can be drawn.

    Args:
        rows: All settings of a sweep.
        law_of: Setting → law of its optimizer, or None.

    Returns:
        Those with an outcome; what has units of the loss and was left to the constructor is written out.
    """
    return [
        Row(_settled(row.setting, law_of(row.setting)), row.outcome, row.reused, row.label)
        for row in rows
        if row.outcome is not None
    ]


def _settled(setting: Setting, law: Law | None) -> Setting:
    if law is None:
        return setting
    names = {DECAY, *law.carriers} - set(setting.hyperparameters)
    silent = {name: value for name in sorted(names) if (value := law.defaults.get(name))}
    return replace(setting, hyperparameters={**setting.hyperparameters, **silent}) if silent else setting
