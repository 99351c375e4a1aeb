"""What α alone does to each optimizer of a sweep, as numbers."""

from collections.abc import Sequence

from lossgauge.records.sweep import SweepRow
from lossgauge.records.sweep_demo import Feeling
from lossgauge.reports.sweeping import overview, quantities, slices
from lossgauge.reports.sweeping.row import DECAY, LawOf, Row, finite, law_in_table, rows_of


def find_feelings(rows: Sequence[SweepRow], law_of: LawOf = law_in_table) -> list[Feeling]:
    """Read off where each optimizer does not feel α, where it diverges, and through what α acts.

    Args:
        rows: The settings of a sweep; those without an outcome are left out.
        law_of: Setting → law of its optimizer, or None.

    Returns:
        For each optimizer what there is of: without weight decay, with it.
    """
    panels = overview.untouched(slices.alike(rows_of(rows, law_of))).values()
    names = list(dict.fromkeys(name for curves in panels for name in curves))
    return [_feel(name, curves[name], law_of) for name in names for curves in panels if name in curves]


def _feel(name: str, cut: Sequence[Row], law_of: LawOf) -> Feeling:
    low, high = overview.calm(cut)
    decay = cut[0].setting.hyperparameters.get(DECAY, 0.0)
    last = max((number for number, row in enumerate(cut) if finite(row)), default=-1)
    acting = quantities.carriers(cut[0].setting, law_of(cut[0].setting))
    return Feeling(
        name=name,
        weight_decay=float(decay) if isinstance(decay, (int, float)) else 0.0,
        low=low,
        high=high,
        first=quantities.log2_alpha(cut[0]),
        last=quantities.log2_alpha(cut[-1]),
        diverges=quantities.log2_alpha(cut[last + 1]) if last + 1 < len(cut) else None,
        groups=tuple(quantities.spell_group(name, power) for name, power in acting.items()),
    )
