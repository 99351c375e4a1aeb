"""Faults of how a loss is averaged: means of means, weights that cancel, gradients that ignore the loss."""

from statistics import median

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.losses import beside_guessing
from lossgauge.diagnosis.rule import FROZEN, Page, Rule, percent
from lossgauge.laws.spelling import spell_value
from lossgauge.records.diagnosis import Finding
from lossgauge.records.loss_reading import LossReading
from lossgauge.records.treatment import Treatment

UNEVEN = 3.0
"""Micro-batches whose sizes differ by this factor get weights that differ by it."""
BIASED = 0.05
"""The difference between a mean of means and the mean over all items, as a share of it, that matters."""
WORSE = 1.3
"""A cross entropy so many times that of guessing by the classes' frequencies is where no data alone would lead."""
JITTER = 0.3
"""Losses that change by more than this share from step to step may be that bad for the size of the steps."""


class MeanOfMeans(Rule):
    """The finding `mean-of-means`."""

    code = "LG019"
    name = "mean-of-means"
    title = "each micro-batch is averaged by itself, although they hold different numbers of items"
    rank = 14.0
    page = Page(
        "The mean over K micro-batch means weights an item by 1/(K·nᵢ), not by 1/Σn: items of small "
        "micro-batches count more.",
        "It looks like a factor on the loss and is none: each micro-batch has a factor of its own, so no "
        "constant repairs it.",
        "Several backwards per step, each of a mean, over numbers of items that differ by a factor of 3 or more, and "
        "losses that differ with them: the mean of means is more than 5 % off the mean over all items. Or the loss per "
        "item has come to rest well above what guessing would make of it, though the weights move.",
        "Sum over the micro-batch and divide by the number of items in the whole window.",
        "Where sizes hardly differ, or only at the last batch of an epoch.",
        "huggingface/transformers PR 34191 (2024)",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are the numbers of items averaged over in one step."""
        windows: dict[int, list[LossReading]] = {}
        for reading in case.readings:
            if reading.terms and reading.terms[0].items and reading.terms[0].reduction != "sum":
                windows.setdefault(reading.step, []).append(reading)
        uneven = [r for r in map(_unevenness, windows.values()) if r is not None]
        if case.accumulated < 2 or not uneven:
            return None
        ratio, bias = median(ratio for ratio, _ in uneven), median(bias for _, bias in uneven)
        if ratio < UNEVEN:
            return None
        guessing = _beside_guessing(list(windows.values()))
        update = case.typical(case.relative_update) or 0.0
        rests = case.progress.state in ("fell", "stalled") and case.progress.noise < JITTER and update > FROZEN
        # Where one kind of items is as often right as the other is wrong, both kinds of micro-batches lose the same.
        worse = guessing is not None and guessing > WORSE and rests
        if worse and bias <= BIASED:
            harm = (
                f"the loss per item has come to rest at {guessing:.2g} times that of guessing, for the few items of "
                "the small ones count as much as all others"
            )
        else:
            harm = f"the loss is {percent(bias)} off the mean over all items, and no constant repairs that"
        message = (
            f"each of {case.accumulated} micro-batches per step is averaged by itself, though they hold up to "
            f"{ratio:.3g} times different numbers of items: {harm}"
        )
        severity = "fault" if bias > BIASED or worse else "info"
        evidence = {"backwards_per_step": case.accumulated, "item_ratio": ratio, "bias": bias,
                    "loss_to_guessing": guessing}  # fmt: skip
        return self.finding(severity, message, evidence,
                            advice="sum the loss over each micro-batch and divide by the number of items in the "
                                   "whole window")  # fmt: skip


class WeightedMeanCancels(Rule):
    """The finding `weighted-mean-cancels`."""

    code = "LG020"
    name = "weighted-mean-cancels"
    title = "class weights cancel: every batch holds one class, and the weighted mean divides by the weight"
    rank = 15.0
    page = Page(
        "A weighted cross entropy with reduction='mean' divides by the sum of the weights in the batch.",
        "With batch size 1, or batches of one class, that is the very weight the loss was multiplied by: it cancels.",
        "A weighted mean over classes, with weights that differ by a factor of 1.5 or more, in batches of one "
        "class nearly always.",
        "Use reduction='sum' (or 'none') and divide by the number of items.",
        "Where the weights are equal.",
        "torch.nn.CrossEntropyLoss",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are weighted means over batches of one class."""
        seen = [t for r in case.readings for t in r.terms if len(t.class_weights) > 1 and t.one_class is not None]
        weighted = [term for term in seen if term.reduction != "sum"]
        if len(weighted) < 3:
            return None
        pure = sum(bool(term.one_class) for term in weighted) / len(weighted)
        low, high = min(weighted[0].class_weights), max(weighted[0].class_weights)
        if pure < 0.8 or not low or high / low < 1.5:
            return None
        message = (
            f"the class weights ({spell_value(low)} to {spell_value(high)}) cancel: {percent(pure)} of the "
            "batches hold one class, and "
            "the weighted mean divides by its weight again"
        )
        evidence = {
            "share_of_one_class": pure,
            "smallest_weight": low,
            "largest_weight": high,
            "items": weighted[0].items,
        }
        return self.finding("fault", message, evidence,
                            advice="use reduction='sum' and divide by the number of items yourself")  # fmt: skip


class GradOutputIgnored(Rule):
    """The finding `grad-output-ignored`."""

    code = "LG021"
    name = "grad-output-ignored"
    title = "a custom autograd.Function ignores the gradient handed to it: factors on the loss do not reach the weights"
    rank = 3.0
    page = Page(
        "The backward of a custom autograd.Function must multiply by the gradient it is handed (grad_output).",
        "If it does not, no factor on the loss has any effect, and mixed precision divides by a scale that was never "
        "multiplied in: gradients are 65536 times too small.",
        "The function's own backward was called with g and with 2g and returned the same.",
        "Multiply by grad_output in backward.",
        "Functions that are meant to replace the gradient (straight-through tricks, gradient reversal by a constant), "
        "without a scaler and without factors on the loss.",
        "SeanNaren/warp-ctc PR 170",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is a backward that does not answer to its argument."""
        ignoring = sorted({name for reading in case.readings for name, ignored in reading.custom.items() if ignored})
        if not ignoring:
            return None
        scales = [step.scale for step in case.steps if step.scale and step.scale != 1]
        factors = [t.factor for r in case.readings for t in r.terms if t.factor != 1]
        lost = scales or factors
        said = (
            f", so mixed precision's scale of {scales[0]:g} is divided out without having been multiplied in"
            if scales
            else ""
        )
        message = (
            f"{ignoring[0]} returns the same gradient whatever it is handed: no factor on the loss reaches the "
            f"weights{said}"
        )
        severity = (
            "fault"
            if case.progress.suffers or (lost and case.progress.state != "fell")
            else "warning"
            if lost
            else "info"
        )
        evidence = {
            "functions": ignoring,
            "scale": scales[0] if scales else None,
            "factor": factors[0] if factors else None,
        }
        treatments = [Treatment("grad-output", f"{ignoring[0]}Backward")] if lost else []
        return self.finding(severity, message, evidence, where=ignoring[0], treatments=treatments,
                            advice="multiply by grad_output in "
                                   f"{ignoring[0].removesuffix('Backward')}.backward")  # fmt: skip


def _beside_guessing(windows: list[list[LossReading]]) -> float | None:
    """The cross entropy per item over that of guessing, in the later half of the windows; None where unknown."""
    ratios: list[float] = []
    for window in windows[len(windows) // 2 :]:
        terms = [reading.terms[0] for reading in window if reading.terms[0].kind == "classification"]
        known = [(term.items or 0, pair) for term in terms if (pair := beside_guessing(term)) is not None]
        guess = sum(items * pair[1] for items, pair in known)
        ratios += [sum(items * pair[0] for items, pair in known) / guess] if guess else []
    return median(ratios) if ratios else None


def _unevenness(window: list[LossReading]) -> tuple[float, float] | None:
    """How unequal the micro-batches of one step are, and how far off their mean of means is."""
    counts = [reading.terms[0].items or 0 for reading in window]
    if len(counts) < 2 or not min(counts):
        return None
    values = [reading.value for reading in window if reading.value is not None]
    ratio = max(counts) / min(counts)
    if len(values) < len(counts):
        return ratio, 0.0
    plain = sum(values) / len(values)
    weighted = sum(value * count for value, count in zip(values, counts, strict=True)) / sum(counts)
    return ratio, abs(plain - weighted) / max(abs(weighted), 1e-300)
