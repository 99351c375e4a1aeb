"""The rows of a sweep, and the cuts through them that can be drawn on a page.

A sweep varies many numbers at once and a picture shows two or three of them, so every picture shows a cut: rows that
differ only in what stands on its axes. Of several possible cuts the one with most rows is shown.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from statistics import median
from typing import TypeVar

from lossgauge.laws.law import Law
from lossgauge.laws.spelling import spell_value
from lossgauge.records.sweep import Value
from lossgauge.reports.sweeping.quantities import carriers, letter, log2_alpha, log2_group, positive
from lossgauge.reports.sweeping.row import Row, finite

Key = TypeVar("Key", bound=Hashable)

STEP_SIZES = ("lr", "learning_rate")
"""What optimizers call their learning rate."""
MAGNITUDES = (*STEP_SIZES, "eps", "epsilon", "weight_decay")
"""What sweeps vary by powers, beside α."""
USUAL = ("float32", "float64", "bfloat16", "float16")
"""Number formats, the most usual first."""
ABOVE = 2.0
"""How many times the loss before training a picture reaches up to."""


def separate(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Rows put together by a key, in the order in which the keys first occur.

    Args:
        rows: The rows.
        key: Row → key.

    Returns:
        Key → its rows.
    """
    together: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        together[key(row)].append(row)
    return dict(together)


def alike(rows: Sequence[Row]) -> list[Row]:
    """The rows of one number format and one seed, so that curves beside each other can be compared.

    Args:
        rows: The rows.

    Returns:
        Those of the format and seed with most rows; of several, the most usual format and the first seed.
    """
    worlds = separate(rows, lambda row: (row.setting.precision, row.setting.seed))

    def rank(world: tuple[str, int]) -> tuple[int, int, int]:
        precision, seed = world
        return -len(worlds[world]), USUAL.index(precision) if precision in USUAL else len(USUAL), seed

    return worlds[min(worlds, key=rank)] if worlds else []


def step_size_of(row: Row) -> str:
    """What a row's optimizer calls its learning rate.

    Args:
        row: The row.

    Returns:
        The name; empty where it has none that can be drawn.
    """
    values = row.setting.hyperparameters
    return next((name for name in STEP_SIZES if positive(values.get(name))), "")


def variety(row: Row) -> Hashable:
    """What makes an optimizer another one, though its class is the same: momentum, flags, decay rates.

    Args:
        row: The row.

    Returns:
        A key of the class and of all settings except the magnitudes that sweeps vary, and except zeros.
    """
    values = row.setting.hyperparameters
    kind = ((name, value) for name, value in sorted(values.items()) if name not in MAGNITUDES and value)
    return row.setting.optimizer, *kind


def rest(row: Row, law: Law | None, free: Sequence[str], held: bool = False, any_precision: bool = False) -> Hashable:
    """What two rows must share to lie in one cut.

    Args:
        row: The row.
        law: Its law.
        free: The hyperparameters on the axes; α is always free.
        held: Whether of the others that carry loss units the group is to be shared, and not the number itself.
        any_precision: Whether the number format may differ.

    Returns:
        A key: optimizer, format, seed, and every other hyperparameter that is not 0.
    """
    carrying = carriers(row.setting, law) if held else {}
    others = tuple(
        (name, round(log2_group(row, name, carrying[name]), 6) if name in carrying else value)
        for name, value in sorted(row.setting.hyperparameters.items())
        if name not in free and value != 0
    )
    return row.setting.optimizer, "" if any_precision else row.setting.precision, row.setting.seed, others


def fullest(rows: Iterable[Row], key: Callable[[Row], Hashable]) -> list[Row]:
    """The largest cut.

    Args:
        rows: The rows.
        key: What the rows of one cut share.

    Returns:
        The cut with most rows; of several, the one in the middle of the sweep, whose numbers occur most often in it;
        of several of these, the one that trained best where α is nearest 1. Empty without rows.
    """
    rows = list(rows)
    often = Counter(pair for row in rows for pair in row.setting.hyperparameters.items())
    cuts = separate(rows, key).values()
    return min(cuts, key=lambda cut: (-len(cut), -_usual(cut, often), _loss_at_one(cut)), default=[])


def _usual(cut: Sequence[Row], often: "Counter[tuple[str, Value]]") -> float:
    """How usual the numbers of a cut are in the sweep."""
    return sum(often[pair] for row in cut for pair in row.setting.hyperparameters.items()) / len(cut)


def span_of_losses(rows: Sequence[Row]) -> tuple[float, float]:
    """Which losses are worth showing.

    Args:
        rows: Rows, at least one of them finished.

    Returns:
        The least final loss, and twice the loss before training, or the largest final loss where that is less.
    """
    finals = [row.outcome.final_loss for row in rows if finite(row)]
    starts = [row.outcome.curve[0] for row in rows if row.outcome.curve and 0 < row.outcome.curve[0] < math.inf]
    low, high = min(finals), max(finals)
    return low, max(min(high, ABOVE * median(starts)) if starts else high, low * (1 + 1e-3))


def name_cuts(cuts: Sequence[Sequence[Row]], free: Sequence[str]) -> list[str]:
    """A short name for each of several cuts that are shown beside each other.

    Args:
        cuts: The cuts, none of them empty.
        free: The hyperparameters on the axes; they name nothing.

    Returns:
        For each the class, followed by those settings in which cuts of the same class differ.
    """
    titles = [cut[0].label or cut[0].setting.optimizer.rpartition(":")[2] for cut in cuts]
    settings = [cut[0].setting for cut in cuts]
    names: list[str] = []
    for title, setting in zip(titles, settings, strict=True):
        beside = [other.hyperparameters for same, other in zip(titles, settings, strict=True) if same == title]
        known = sorted({name for values in beside for name in values} - set(free))
        differing = [name for name in known if len({values.get(name) or 0 for values in beside}) > 1]
        told = [f"{letter(name)} {spell_value(setting.hyperparameters[name])}"
                for name in differing if setting.hyperparameters.get(name)]  # fmt: skip
        names.append(f"{title} ({', '.join(told)})" if told else title)
    return names


def at_one(cut: Sequence[Row]) -> Row:
    """The row of a cut whose loss is nearest its own unit.

    Args:
        cut: At least one row.

    Returns:
        The one with α nearest 1.
    """
    return min(cut, key=lambda row: abs(log2_alpha(row)))


def _loss_at_one(cut: Sequence[Row]) -> float:
    nearest = at_one(cut)
    return nearest.outcome.final_loss if finite(nearest) else math.inf
