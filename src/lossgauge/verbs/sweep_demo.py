"""`sweep --demo`: the question of the seed thread as an experiment, with its pictures."""

import time
from pathlib import Path

from lossgauge.demonstration.question import plan_question
from lossgauge.errors import InputError
from lossgauge.records.sweep import Plan
from lossgauge.records.sweep_demo import SweepDemo
from lossgauge.reports.pictures import save_pictures
from lossgauge.reports.sweep_pictures import FORMATS, OVERVIEW, RATES, Spec, draw_sweep
from lossgauge.reports.sweeping.feelings import find_feelings
from lossgauge.reports.text_sweep_demo import render_demo
from lossgauge.verbs.sweep import Watcher, sweep

AUDITS = 40
"""How many of the results that symmetry gives are checked by a training of their own."""

__all__ = ["render_demo", "sweep_demo"]


def sweep_demo(
    output: str | Path | None = "out",
    *,
    jobs: int | None = None,
    watcher: Watcher | None = None,
    plan: Plan | None = None,
    audit: int = AUDITS,
) -> SweepDemo:
    """SGD, momentum, Adam, NAdam and AdamW with 41 loss multipliers: who feels them, and through what?

    Args:
        output: The folder for the pictures (SVG and PNG); None draws none.
        jobs: How many processes; by default one per core.
        watcher: Told how far it is.
        plan: Another plan than that of the demonstration.
        audit: How many of the results that symmetry gives are checked, a count.

    Returns:
        What was found, with the numbers of the sweep.

    Raises:
        InputError: When torch is not installed.
        ModuleNotFoundError: When some other part of the installation is missing.
    """
    begin = time.perf_counter()
    try:
        result = sweep(plan or plan_question(), jobs=jobs, audit=audit, watcher=watcher)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise InputError(
            "sweep trains with torch, which is missing; install it: pip install 'lossgauge[torch]'"
        ) from None
    pictures = draw_sweep(result.rows)
    files, note = _save(pictures, output)
    return SweepDemo(
        summary=result.summary,
        feelings=tuple(find_feelings(result.rows)),
        findings=tuple(_title(pictures[name]) for name in (OVERVIEW, RATES, FORMATS) if name in pictures),
        pictures=files,
        seconds=round(time.perf_counter() - begin, 2),
        note=note,
    )


def _save(pictures: dict[str, Spec], output: str | Path | None) -> tuple[tuple[str, ...], str]:
    """The files, or why there are none: a minute of results is worth more than its pictures."""
    if output is None:
        return (), ""
    try:
        return tuple(str(path) for path in save_pictures(pictures, Path(output))), ""
    except InputError as error:
        return (), f"none: {error}"


def _title(picture: Spec) -> str:
    return " ".join(picture["title"]["text"]).replace("\u00a0", " ")
