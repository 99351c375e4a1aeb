"""Tried treatments: where they take the training, what came of it, and the two curves."""

import math

from lossgauge.records.session import Session, Trial
from lossgauge.reports.html.chart import (
    BLUE,
    GREY,
    ORANGE,
    STROKES,
    Chart,
    at,
    colours,
    layer,
    layered,
    measure_axis,
    tips,
)
from lossgauge.reports.html.thinning import spread_evenly
from lossgauge.reports.moves import Move, read_move, spell_change
from lossgauge.reports.numbers import spell_short

UNTOUCHED, TREATED = "as it is", "with the remedy"
WORDS = {
    "threshold": "max_norm",
    "exact-clip": "clipping without torch's constant",
    "unscaled-clip": "scaler.unscale_ before clipping",
    "added-clip": "added clipping, max_norm",
    "scaler": "scale",
    "master-weights": "weights of the optimizer",
    "zero-grad": "zero_grad at every step",
    "grad-output": "grad_output not ignored",
    "held-parameters": "trained tensors given to the optimizer",
    "plateau-mode": "threshold_mode",
    "stop-delta": "min_delta",
    "knee": "threshold of the loss",
}
"""What the kinds of treatments are called where the user has no name for them."""
MOST = 120
"""Points of each curve."""


def read_trial_move(session: Session, trial: Trial) -> Move | None:
    """Where a tried treatment takes the training on the axis of α.

    Args:
        session: Its optimizer's law says how a setting moves.
        trial: The trial.

    Returns:
        The move; None where it is none.
    """
    index = trial.treatment.get("optimizer") or 0
    optimizer = session.optimizers[index] if 0 <= index < len(session.optimizers) else None
    if optimizer is None:
        return read_move(trial.treatment)
    exponents = {name: float(power) for name, power in optimizer.law.exponents.items()} if optimizer.law else None
    return read_move(trial.treatment, exponents, optimizer.settings[0] if optimizer.settings else None)


def say_trial_result(trial: Trial) -> str:
    """What came of a trial.

    Args:
        trial: The trial.

    Returns:
        Text such as `loss 0.99 → 0.0035`, or why there are no numbers.
    """
    if trial.before is None or trial.after is None:
        return trial.note or "no result"
    return f"{trial.measure} {spell_short(trial.before)} → {spell_short(trial.after)}"


def say_treatment(trial: Trial) -> str:
    """What was changed.

    Args:
        trial: The trial.

    Returns:
        Text such as `eps / 1e5`.
    """
    change = trial.treatment
    kind = str(change.get("kind", "change"))
    name = str(change.get("name") or WORDS.get(kind, kind))
    if change.get("kind") == "term" and "index" in change:
        name = f"term {int(change['index']) + 1} of the loss"
    if "factor" in change:
        return spell_change(name, float(change["factor"]))
    new = change.get("value", change.get("choice"))
    return name if new is None else f"{name} = {spell_short(new)}"


def draw_trial(trial: Trial, number: int) -> Chart | None:
    """The untouched and the treated course.

    Args:
        trial: The trial.
        number: Its place, for the chart's name.

    Returns:
        A small chart; None where there is no curve.
    """
    rows = [
        {"step": step, "value": value, "name": name}
        for step, *pair in spread_evenly(trial.curve, MOST)
        for name, value in zip((UNTOUCHED, TREATED), pair, strict=True)
        if math.isfinite(value)
    ]
    if len(rows) < 2:
        return None
    axis, log = measure_axis([row["value"] for row in rows], trial.measure)
    drawn = [{**row, "at": math.log10(row["value"]) if log else row["value"]} for row in rows]
    first, last = min(row["step"] for row in rows), max(row["step"] for row in rows)
    along = {"field": "step", "type": "quantitative", "title": "step", "axis": {"grid": False, "tickCount": 5},
             "scale": {"domain": [first, last], "nice": False, "zero": False}}  # fmt: skip
    line = layer(
        drawn,
        {"type": "line", "strokeWidth": 2, "clip": True},
        x=along,
        y=at(axis, "at"),
        color=colours("name", [UNTOUCHED, TREATED], [GREY, BLUE if trial.helped else ORANGE], **STROKES),
        tooltip=tips(("name", "nominal", "run"), ("step", "quantitative", "step"), ("value", "quantitative", "value")),
    )
    return Chart(f"trial-{number}", "", "", layered([line], 150))
