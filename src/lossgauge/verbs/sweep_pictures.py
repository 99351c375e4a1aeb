"""Pictures of a sweep that was run."""

from pathlib import Path

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.lookup import LawLookup
from lossgauge.reports.pictures import save_pictures
from lossgauge.reports.sweep_pictures import draw_sweep
from lossgauge.verbs.laws import law_of_name
from lossgauge.verbs.sweep import SweepResult


def picture_sweep(result: SweepResult, output: str | Path) -> list[str]:
    """Draw what a sweep showed: who feels α, the best learning rates, the collapse, the ends of number formats.

    Args:
        result: What `sweep` returned.
        output: The folder; made if missing.

    Returns:
        The files written, SVG and PNG of each picture.

    Raises:
        InputError: When the sweep has no rows for any picture, the extra `pictures` is missing, or the folder cannot be
            written to.
    """
    pictures = draw_sweep(result.rows, LawLookup(law_of_name).find)
    if not pictures:
        raise InputError(
            "nothing can be drawn of this sweep; expected at least 3 loss multipliers for several optimizers, or for "
            "several learning rates, epsilons or weight decays"
        )
    return [str(path) for path in save_pictures(pictures, Path(output))]
