"""The few numbers beside the findings, in words: elasticity, relative update, clipping, the loss."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from lossgauge.reports.numbers import read_number, spell_share, spell_short

HEALTHY = (1e-4, 1e-2)
"""The decades of ‖Δw‖/‖w‖ per step at which most trainings make progress; dimensionless."""
MOST_TERMS = 4
"""Summands of the loss that are written out."""
SMALLEST, MOST_CARRIERS = 0.01, 3
"""Parts of the elasticity from this size on are told apart, the largest so many of them."""


def tell_gauges(gauges: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The gauges for people.

    Args:
        gauges: As in `Diagnosis.to_dict`; those nobody knows words for are left to the JSON document.

    Returns:
        Labels and texts, the known ones in a fixed order.
    """
    told = [
        ("elasticity", _say_elasticity(gauges)),
        ("update", _say_update(gauges)),
        ("clipping", _say_clipping(gauges)),
        ("loss", _say_loss(gauges)),
        ("ending", _say_ending(gauges)),
    ]
    return [(label, text) for label, text in told if text]


def _say_elasticity(gauges: Mapping[str, Any]) -> str:
    elasticity, instant = _number(gauges, "elasticity"), _number(gauges, "elasticity_instant")
    if elasticity is None:
        known = f"{instant:.2f} with the states held fixed; " if instant is not None else ""
        missing = gauges.get("elasticity_missing")
        return f"{known or 'not known: '}{missing}" if isinstance(missing, str) else known.removesuffix("; ")
    like = "like SGD" if 0.9 < elasticity < 1.1 else ""
    meaning = "the loss multiplier cancels" if abs(elasticity) < 0.02 else like
    carriers = gauges.get("carriers")
    guessed = gauges.get("carriers_estimated")
    estimated = cast("Sequence[Any]", guessed) if isinstance(guessed, (list, tuple)) else ()
    parts = _say_carriers(cast("Mapping[str, Any]", carriers), estimated) if isinstance(carriers, Mapping) else ""
    notes = [note for note in (meaning, parts) if note]
    return f"{elasticity:.2f}" + (f" ({'; '.join(notes)})" if notes else "")


def _say_carriers(carriers: Mapping[str, Any], estimated: Sequence[Any]) -> str:
    read = {name: number for name, value in carriers.items() if (number := read_number(value)) is not None}
    large = sorted((name for name in read if abs(read[name]) >= SMALLEST), key=lambda name: -abs(read[name]))
    told = {name: read.pop(name) for name in large[:MOST_CARRIERS]}
    told |= {"others": rest} if told and abs(rest := sum(read.values())) >= SMALLEST else {}
    said = [f"{name} {value:.2f}" + (" (estimated)" if name in estimated else "") for name, value in told.items()]
    return "through " + ", ".join(said) if said else ""


def _say_update(gauges: Mapping[str, Any]) -> str:
    update = _number(gauges, "relative_update")
    if update is None:
        return ""
    low, high = HEALTHY
    place = "below" if update < low else "above" if update > high else "within"
    return f"{spell_short(update, 2)} of the weight per step ({place} the usual 1e-4 to 1e-2)"


def _say_clipping(gauges: Mapping[str, Any]) -> str:
    share, ratio = _number(gauges, "share_clipped"), _number(gauges, "norm_to_threshold")
    if share is None:
        return ""
    norm = f", the norm is {spell_short(ratio, 2)} times the threshold" if ratio is not None and share else ""
    return f"{spell_share(share)} of the steps{norm}"


def _say_loss(gauges: Mapping[str, Any]) -> str:
    terms = gauges.get("loss_terms")
    written = [str(term) for term in cast("Sequence[Any]", terms)] if isinstance(terms, (list, tuple)) else []
    shown = " + ".join(written[:MOST_TERMS]) + (f" + {len(written) - MOST_TERMS} more" * (len(written) > MOST_TERMS))
    start, end = _number(gauges, "loss_start"), _number(gauges, "loss_end")
    course = f"{spell_short(start)} → {spell_short(end)}" if start is not None and end is not None else ""
    return ", ".join(part for part in (shown, course) if part)


def _say_ending(gauges: Mapping[str, Any]) -> str:
    skipped, ending = _number(gauges, "skipped_steps"), gauges.get("ending")
    told = [] if not isinstance(ending, str) or ending == "finished" else [ending]
    told += [f"{skipped:.0f} steps left out by the scaler"] if skipped else []
    return ", ".join(told)


def _number(gauges: Mapping[str, Any], name: str) -> float | None:
    return read_number(gauges.get(name))
