"""Treatments in words, with the user's own numbers: what is, and what it was changed to."""

from collections.abc import Callable, Mapping
from typing import Any

from lossgauge.diagnosis.case import Case
from lossgauge.laws.spelling import spell_value
from lossgauge.records.treatment import Treatment

Said = tuple[str, dict[str, Any]]
"""A sentence without a full stop, and the change as data: setting → [now, then]."""


def say_treatment(treatment: Treatment, case: Case) -> Said:
    """A treatment as advice.

    Args:
        treatment: The change.
        case: The training it is for; it knows the user's own values.

    Returns:
        What to do, and the change as data.
    """
    return _SAYINGS[treatment.kind](treatment, case)


def _setting(treatment: Treatment, case: Case) -> Said:
    own = case.setting(treatment.name)
    if own is None:
        return f"set {treatment.name} to {spell_value(treatment.value)}", {treatment.name: [None, treatment.value]}
    new = _tidy(treatment.changed(own))
    change = {treatment.name: [own, new]}
    return f"set {treatment.name} of {case.title} from {spell_value(own)} to {spell_value(new)}", change


def _loss(treatment: Treatment, case: Case) -> Said:
    factor = treatment.factor or 1.0
    text = (
        f"multiply the loss by {spell_value(factor)}"
        if factor > 1e-2
        else f"divide the loss by {spell_value(_tidy(1 / factor))}"
    )
    return text, {"loss_factor": [1.0, factor]}


def _term(treatment: Treatment, case: Case) -> Said:
    number = (treatment.index or 0) + 1
    return (
        f"multiply term {number} of the loss by {spell_value(_tidy(treatment.factor or 1.0))}",
        {f"term {number}": [1.0, treatment.factor]},
    )


def _threshold(treatment: Treatment, case: Case) -> Said:
    name = treatment.name or "max_norm"
    own = next((clip.threshold for clip in case.clips if clip.name == name), None)
    if own is None:
        return f"multiply {name} by {spell_value(treatment.factor)}", {}
    new = _tidy(treatment.changed(own))
    if new == float("inf"):
        return f"do not clip ({name} was {spell_value(own)})", {name: [own, None]}
    return f"raise {name} from {spell_value(own)} to {spell_value(new)}", {name: [own, new]}


def _added_clip(treatment: Treatment, case: Case) -> Said:
    text = f"clip the global norm: clip_grad_norm_(parameters, {spell_value(treatment.value)}) before every step"
    return text, {"max_norm": [None, treatment.value]}


def _scaler(treatment: Treatment, case: Case) -> Said:
    return (
        f"use a GradScaler with init_scale={spell_value(treatment.factor)}",
        {"init_scale": [None, treatment.factor]},
    )


def _masters(treatment: Treatment, case: Case) -> Said:
    formats = sorted({t.format for t in case.session.tensors if t.optimizer == case.index})
    own = ", ".join(formats)
    text = f"keep the weights the optimizer works on in {treatment.choice}, and compute in {own} under autocast"
    return text, {"weights": [own, treatment.choice]}


def _plateau(treatment: Treatment, case: Case) -> Said:
    return f"set threshold_mode='{treatment.choice}'", {"threshold_mode": ["abs", treatment.choice]}


def _stop_delta(treatment: Treatment, case: Case) -> Said:
    own = max((float(event.data["value"]) for event in case.events("stop-delta")), default=0.0)
    new = _tidy(treatment.changed(own))
    return f"set min_delta from {spell_value(own)} to {spell_value(new)}", {"min_delta": [own, new]}


def _knee(treatment: Treatment, case: Case) -> Said:
    own = next((term.knee for reading in case.readings for term in reading.terms if term.knee), None)
    new = None if own is None else _tidy(treatment.changed(own))
    text = f"set {treatment.name} of the loss from {spell_value(own)} to {spell_value(new)}"
    return text, {treatment.name: [own, new]}


def _plain(text: str, change: Mapping[str, Any]) -> Callable[[Treatment, Case], Said]:
    return lambda treatment, case: (text, dict(change))


def _tidy(value: float) -> float:
    """A product of decimal numbers without the dust of binary arithmetic."""
    return float(f"{value:.12g}")


_SAYINGS: dict[str, Callable[[Treatment, Case], Said]] = {
    "setting": _setting,
    "loss": _loss,
    "term": _term,
    "threshold": _threshold,
    "exact-clip": _plain("clip with max_norm/‖g‖ itself, without torch's 1e-6", {"clip": ["torch", "exact"]}),
    "unscaled-clip": _plain(
        "call scaler.unscale_(optimizer) before clip_grad_norm_", {"clip_before_unscale": [True, False]}
    ),
    "added-clip": _added_clip,
    "scaler": _scaler,
    "master-weights": _masters,
    "zero-grad": _plain("call optimizer.zero_grad() once per step", {"zero_grad": [False, True]}),
    "grad-output": _plain("multiply by grad_output in backward", {"backward": ["ignores grad_output", "uses it"]}),
    "held-parameters": _plain("give the optimizer the tensors that are trained", {"parameters": ["held", "trained"]}),
    "plateau-mode": _plateau,
    "stop-delta": _stop_delta,
    "knee": _knee,
}
