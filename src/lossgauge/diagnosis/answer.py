"""The answer: what a diagnosis says first."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.progress import STATES
from lossgauge.diagnosis.rule import percent
from lossgauge.records.diagnosis import Finding

FELT = 0.05
"""Elasticities below this are not felt: twice the loss changes a step by 3 %."""


def answer(findings: Sequence[Finding], case: Case, gauges: Mapping[str, Any]) -> str:
    """The answer in one sentence, or in two where nothing is wrong.

    Args:
        findings: All that was found, the main one first.
        case: The training.
        gauges: The numbers beside the findings, as `measure_gauges` gives them.

    Returns:
        What is wrong; where nothing is, what a loss multiplier would do all the same.
    """
    if not case.steps:
        return "No optimizer step was seen, so there is nothing to diagnose."
    main = findings[0] if findings else None
    if main is not None and main.severity != "info":
        return f"{main.name}: {main.message}."
    state, left = case.progress.state, case.progress.left
    course = f" ({percent(left)} of it is left)" if left is not None and left < 1 else ""
    if state == "unknown":
        return "No fault was found, but too little is known of the loss to say more."
    if state == "fell":
        fine = f"The scale of your loss is not a problem: {STATES[state]}{course}, and no finding does harm."
        return f"{fine} {_say_reach(case, gauges)}".rstrip()
    if state == "broken":
        return f"{_say_broken(case)}, and no known cause fits."
    seen = f"{STATES[state]}{course}, and no known cause fits"
    return f"The scale of your loss is not the problem, as far as can be seen: {seen}."


def _say_broken(case: Case) -> str:
    """Since when the loss is not finite, and what that says of where to look."""
    gone = next((step.number for step in case.steps if step.loss is not None and not math.isfinite(step.loss)), None)
    if gone == 1:
        return (
            "The loss is not finite from the first step on, before the optimizer changed anything, so its scale is not "
            "the cause: look at the data and at the forward pass (torch.autograd.detect_anomaly names the operation)"
        )
    return f"The loss is not finite from step {gone} on" if gone else STATES["broken"].capitalize()


def _say_reach(case: Case, gauges: Mapping[str, Any]) -> str:
    """What multiplying the loss would do to the steps; empty where that is not known."""
    elasticity: float | None = gauges.get("elasticity")
    carriers: Mapping[str, float] = gauges.get("carriers", {})
    if elasticity is None or not math.isfinite(elasticity):
        return ""
    main = max(carriers, key=lambda name: abs(carriers[name]), default="")
    if max(abs(elasticity), abs(carriers.get(main, 0.0))) < FELT:
        return "A factor on it would hardly reach the weights."
    if case.rate and main == case.rate and abs(elasticity - 1) < FELT:
        return "A factor on it would act as the same factor on the learning rate."
    through = f", mostly through {main}" if main else ""
    return f"A factor on it would reach the weights{through} (elasticity {elasticity:.2f})."
