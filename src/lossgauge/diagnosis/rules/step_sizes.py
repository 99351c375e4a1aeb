"""Faults of the step's size: coupled decay, learning rates in the wrong units, sums where means were meant."""

import math

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.losses import policy_terms
from lossgauge.diagnosis.rule import FROZEN, HEALTHY, NOT_SCALE, VIOLENT, Page, Rule, blame, percent, round_down
from lossgauge.laws.spelling import spell_value
from lossgauge.records.diagnosis import Finding
from lossgauge.records.treatment import Treatment

OUTWEIGHS = 1.5
"""λ‖w‖/‖g‖ from which on the penalty rules; at an ordinary minimum the two balance, and the ratio is 1."""

LEAPS = 0.1
"""The share of late losses above twice the start from which on the weights are thrown about, though less visibly."""


class L2Dominates(Rule):
    """The finding `l2-dominates`."""

    code = "LG015"
    name = "l2-dominates"
    title = "the coupled weight decay outweighs the gradient of the data"
    rank = 38.0
    every = True
    page = Page(
        "Coupled weight decay adds λw to the gradient. Where λ‖w‖ ≫ ‖g‖, the optimizer shrinks the weights and "
        "little else.",
        "λ has units L/W² (exponent +1): dividing the loss by α is the same as multiplying λ by α. Adam normalises the "
        "sum of both, so a tiny loss with an ordinary λ trains nothing.",
        "λ‖w‖/‖g‖ of at least 1.5 in the first steps, before training could balance the two; and the loss does not "
        "come down.",
        "Multiply λ by the factor the loss was multiplied by, or use decay that is not added to the gradient (AdamW).",
        "At the end of training, where the two balance at a ratio of 1.",
        "Loshchilov & Hutter 2019; van Laarhoven 2017",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is λ‖w‖/‖g‖ at the start."""
        early, late = case.typical(case.decay_ratio, case.first), case.typical(case.decay_ratio)
        ratio = max((r for r in (early, late) if r is not None), default=None)
        if early is None or ratio is None or (early < OUTWEIGHS and ratio < 20 * OUTWEIGHS):
            return None
        value = case.setting("weight_decay") or 0.0
        factor = round_down(1e-2 / max(early, OUTWEIGHS)) if math.isfinite(early) else 1e-6
        message = (
            f"weight_decay = {spell_value(value)} adds a gradient {early:.2g} times that of the data: {case.title} "
            "shrinks the weights instead of fitting"
        )
        treatments = [Treatment("setting", "weight_decay", case.index, f) for f in (factor, factor * 1e-2)]
        evidence = {"weight_decay": value, "decay_to_gradient": early, "later": late}
        advice = (
            f"the same as multiplying the loss by {spell_value(1 / factor)}, or decay that is not added to the gradient"
        )
        return self.finding(blame(case), message, evidence, treatments=treatments, advice=advice)


class LearningRateTooSmall(Rule):
    """The finding `lr-too-small-for-loss`."""

    code = "LG016"
    name = "lr-too-small-for-loss"
    title = "lr·α is too small: the step grows with the loss, and the loss is small"
    rank = 60.0
    every = True
    page = Page(
        "Under SGD and its kin the step is lr·g: the learning rate has units W²/L (exponent −1).",
        "A learning rate from a sum over n elements is n times too small for their mean; multiplying the loss by n is "
        "the same as multiplying lr by n.",
        "The optimizer is SGD-like, the weights change by far less than a thousandth per step, and the loss comes down "
        "too slowly or not at all.",
        "Multiply the learning rate by the factor the loss was divided by.",
        "Fine-tuning, or a schedule's warm-up.",
        "Goyal et al. 2017; fairseq issue 1668",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is a small relative update under an optimizer whose step grows with the loss."""
        update = case.typical(case.relative_update)
        if not case.covariant or case.rate is None or not update or case.progress.state not in ("stalled", "slow"):
            return None
        if update > 10 * HEALTHY[0] or case.progress.noise > 0.3:
            return None
        rate = case.setting(case.rate) or 0.0
        factors = dict.fromkeys(
            2.0 ** round(math.log2(goal / update)) for goal in (3e-3, 5e-4, 2e-2) if goal > 2 * update
        )
        treatments = [Treatment("setting", case.rate, case.index, factor) for factor in factors]
        message = (
            f"the weights change by {update:.1e} of their size per step: under {case.title} the step is lr times the "
            f"gradient, and lr = {spell_value(rate)} is too small for this loss"
        )
        severity = "fault" if update < 1e2 * FROZEN or case.progress.state == "slow" else "warning"
        evidence = {"relative_update": update, "learning_rate": rate, "loss_left": case.progress.left}
        advice = "multiplying the loss by the same factor is the same training"
        return self.finding(severity, message, evidence, treatments=treatments, advice=advice)


class LearningRateTooLarge(Rule):
    """The finding `lr-too-large-for-loss`."""

    code = "LG017"
    name = "lr-too-large-for-loss"
    title = "lr·α is too large: the step grows with the loss, and the loss is large"
    rank = 62.0
    every = True
    page = Page(
        "Under SGD and its kin the step is lr·g: the learning rate has units W²/L (exponent −1).",
        "A learning rate from a mean over n elements is n times too large for their sum: training diverges.",
        "The optimizer is SGD-like, and the loss is not finite, rises, or jitters while the weights change violently; "
        "or it leaps above twice its start time and again.",
        "Divide the learning rate by the factor the loss was multiplied by.",
        "Large learning rates at the edge of stability, where the loss still comes down.",
        "Goyal et al. 2017; Cohen et al. 2021",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is a diverging loss under an optimizer whose step grows with the loss."""
        if not case.covariant:
            return None
        return _too_fast(
            self, case, "under {title} the step is lr times the gradient, and lr = {rate} is too large for this loss"
        )


class LearningRateTooHigh(Rule):
    """The finding `lr-too-high`."""

    code = "LG033"
    name = "lr-too-high"
    title = "the learning rate is too high; the loss multiplier has nothing to do with it"
    group = NOT_SCALE
    rank = 64.0
    every = True
    page = Page(
        "An adaptive optimizer changes each weight by about lr per step, whatever the size of the loss.",
        "It looks like a loss that is too large, but no loss factor changes anything (elasticity 0).",
        "The optimizer is adaptive and not ruled by ε, the weights change violently (or did so until the units were "
        "dead), and the loss does not come down, or leaps above twice its start time and again.",
        "Lower the learning rate, or warm it up.",
        "A short phase of a cyclic schedule.",
        "Smith 2017",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are violent steps under an optimizer that is scale-free."""
        # The second moment of dead units is forgotten, and then ε is all that is left of it.
        share = case.typical(case.dominated, case.samples[:1] if case.killed else None)
        if case.covariant or case.rate is None or (share is not None and share > 0.5):
            return None
        return _too_fast(
            self, case, "lr = {rate} is too high for {title}, whose steps do not depend on the size of the loss"
        )


class AccumulationNotDivided(Rule):
    """The finding `accumulation-not-divided`."""

    code = "LG018"
    name = "accumulation-not-divided"
    title = "the gradients of several micro-batches are summed, not averaged"
    rank = 20.0
    page = Page(
        "backward() adds to the gradient. K micro-batches per step with a mean loss each give K times the gradient.",
        "It is a loss multiplier of K in disguise: the same as K times the learning rate under SGD, nothing under Adam "
        "away from ε, a K times smaller weight decay.",
        "Several backwards per step, each of a mean, no factor 1/K in the graph, and a training that suffers from it.",
        "Divide the loss by the number of accumulation steps.",
        "Under an optimizer that is scale-free, or with a learning rate chosen for the sum.",
        "huggingface/transformers issue 37197",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are backwards per step against the factors read off the graph."""
        count = case.accumulated
        reading = next((r for r in case.readings if r.terms), None)
        if count < 2 or reading is None or not case.covariant:
            return None
        factors = [abs(term.factor) for term in reading.terms if term.reduction != "sum"]
        # Whatever else the loss is multiplied by is its unit; only 1/K itself says that someone divided by K.
        if not factors or any(abs(factor * count - 1) < 1e-3 for factor in factors):
            return None
        if case.progress.state == "fell":
            return None
        message = (
            f"{count} backwards per step, each of a mean and none divided by {count}: the gradient is {count} times "
            f"that of one batch, and so is the step of {case.title}"
        )
        treatments = [Treatment("loss", factor=1 / count)]
        evidence = {
            "backwards_per_step": count,
            "factor": min(factors),
            "relative_update": case.typical(case.relative_update),
        }
        return self.finding(blame(case), message, evidence, treatments=treatments,
                            advice=f"write (loss / {count}).backward()")  # fmt: skip


def _too_fast(rule: Rule, case: Case, text: str) -> Finding | None:
    state, rate = case.progress.state, case.setting(case.rate or "")
    updates = [u for u in map(case.relative_update, case.samples) if u is not None]
    finite = [u for u in updates if math.isfinite(u)]
    largest = max(finite, default=0.0)
    typical = case.typical(case.relative_update)
    leaps = case.progress.erratic > LEAPS and largest > VIOLENT
    fast = (typical or 0.0) > VIOLENT / (10 if leaps else 3) and case.progress.noise > 0.01
    poor = state in ("stalled", "slow") or leaps
    wild = state in ("broken", "diverged", "climbed") or (poor and (case.killed or fast))
    if policy_terms(case) and state != "broken":  # its loss grows with the episodes, and does not say how it fares
        wild = state == "diverged" and (typical or 0.0) > VIOLENT
    first = case.progress.points[0][1] if case.progress.points else math.nan
    if not rate or not wild or not math.isfinite(first) or (largest < VIOLENT / 3 and state != "broken"):
        return None  # a loss that is not finite before the first step was not broken by a step
    first_size = next((u for u in finite if u), largest)  # later steps act on weights that were thrown about
    ladder = [round_down(3e-3 / first_size) if first_size > VIOLENT else 0.1, 1e-1, 1e-2, 1e-3]
    treatments = [Treatment("setting", case.rate or "lr", case.index, f) for f in dict.fromkeys(ladder) if f < 1]
    said = text.format(title=case.title, rate=spell_value(rate))
    size = percent(largest) if largest < 10 else f"{largest:.1e} times their size"
    message = f"the weights change by up to {size} per step: {said}"
    evidence = {"largest_relative_update": largest, "relative_update": typical, "learning_rate": rate, "state": state,
                "elasticity": case.typical(case.elasticity)}  # fmt: skip
    # Large updates of noisy gradients are how many a training begins; that they harm this one, a trial has to show.
    severity = "warning" if state in ("stalled", "slow", "fell") else blame(case)
    return rule.finding(severity, message, evidence, treatments=treatments)
