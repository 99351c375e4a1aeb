"""Pictures of a sweep, as Vega-Lite specifications; `reports.pictures.save_pictures` writes them as SVG and PNG.

Each title is a finding, computed from the rows. What a sweep has no rows for is not drawn.
"""

from collections.abc import Sequence
from typing import Any

from lossgauge.records.sweep import SweepRow
from lossgauge.reports.sweeping import slices
from lossgauge.reports.sweeping.collapse import draw_collapses
from lossgauge.reports.sweeping.formats import draw_formats
from lossgauge.reports.sweeping.heat_map import draw_heat_map
from lossgauge.reports.sweeping.overview import draw_overview
from lossgauge.reports.sweeping.row import LawOf, law_in_table, rows_of

Spec = dict[str, Any]

OVERVIEW, RATES, FORMATS = "who-feels-alpha", "best-learning-rate", "number-formats"


def draw_sweep(rows: Sequence[SweepRow], law_of: LawOf = law_in_table) -> dict[str, Spec]:
    """All pictures these rows have the numbers for.

    Args:
        rows: The settings of a sweep; those without an outcome are left out.
        law_of: Setting → law of its optimizer, or None; by default as far as the table of known laws goes.

    Returns:
        File name without ending → Vega-Lite specification.
    """
    known = rows_of(rows, law_of)
    alike = slices.alike(known)
    single = {
        OVERVIEW: draw_overview(alike),
        RATES: draw_heat_map(alike, law_of),
        FORMATS: draw_formats(known, law_of),
    }
    return {name: spec for name, spec in single.items() if spec is not None} | draw_collapses(alike, law_of)
