"""What looks like a loss of the wrong size and is not: no factor on the loss can help."""

import math
from statistics import median

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.losses import unexplained
from lossgauge.diagnosis.rule import FROZEN, HEALTHY, NOT_SCALE, Page, Rule, blame, names, percent
from lossgauge.records.diagnosis import Finding
from lossgauge.records.session import Sample, TensorSample
from lossgauge.records.treatment import Treatment

LEARNED = 0.9
"""A loss below this share of that of guessing has learned from the inputs."""
GUESSING = 0.97
"""A loss of at least this share of that of guessing, the entropy of one batch being a little uncertain, has not."""
BEYOND = 1.5
"""A loss of more than this times that of guessing is worse than knowing nothing: something else is the matter."""
APART = 1e-4
"""The ratio of the smallest to the largest gradient per element of the layers below which depth is the trouble."""


class VanishingGradient(Rule):
    """The finding `vanishing-gradient`."""

    code = "LG029"
    name = "vanishing-gradient"
    title = "the first layers' gradients are thousands of times smaller than the last ones'"
    group = NOT_SCALE
    rank = 36.0
    page = Page(
        "Saturating activations or bad initialisation make the gradient shrink from layer to layer.",
        "One factor on the loss multiplies all layers alike: what moves the first blows up the last.",
        "The gradient per element of some layers is below a ten-thousandth of others', none exactly zero, the "
        "optimizer is "
        "SGD-like, and the loss stands still.",
        "ReLU-like activations with He initialisation, residual connections, normalisation layers; or an "
        "adaptive optimizer.",
        "Under adaptive optimizers with a small enough ε, which give every layer its own scale.",
        "Hochreiter 1991; Glorot & Bengio 2010; He et al. 2015",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the ratio of the gradients of different layers."""
        if not case.covariant or case.progress.state not in ("stalled", "slow"):
            return None
        layers = min((self._layers(case, matrices) for matrices in (True, False)), key=_apart)
        apart = _apart(layers)
        if apart > APART:
            return None
        low = [case.session.tensors[index].name for index, size in layers.items() if size < 1e-2 * max(layers.values())]
        message = (
            f"the gradients of the first layers are {apart:.0e} of the last one's: a factor on "
            "the loss that moves the first blows up the last"
        )
        evidence = {"smallest_to_largest": apart, "layers": len(layers), "low_layers": len(low)}
        return self.finding("fault", message, evidence, where=names(low),
                            advice="ReLU with He initialisation, residual connections or normalisation; not a "
                                   "loss factor")  # fmt: skip

    def _layers(self, case: Case, matrices: bool) -> dict[int, float]:
        """The typical size of one element's gradient, for the weights or for the biases of all layers.

        Biases show it best: their gradient is the signal that comes back, not multiplied with activations.

        Returns:
            By the number of the tensor; without those whose gradient is exactly zero.
        """
        sizes: dict[int, list[float]] = {}
        for sample in case.samples:
            for tensor in sample.tensors:
                known, norm = case.tensor(tensor), tensor.gradient_norm
                if (len(known.shape) > 1) == matrices and norm and math.isfinite(norm):
                    sizes.setdefault(tensor.tensor, []).append(norm / math.sqrt(known.elements))
        return {index: median(values) for index, values in sizes.items()}


class DeadUnits(Rule):
    """The finding `dead-units`."""

    code = "LG030"
    name = "dead-units"
    title = "whole tensors get a gradient of exactly zero: dead units"
    group = NOT_SCALE
    rank = 35.0
    page = Page(
        "Units whose activation function is flat for every input (a ReLU with a very negative bias) pass no gradient.",
        "Exactly zero stays zero under any factor: it is no underflow, and the loss multiplier has nothing to do "
        "with it.",
        "A quarter or more of the tensors have gradients that are exactly zero at every sampled step, in a format in "
        "which they would not underflow, and the loss stands still.",
        "Re-initialise, lower the learning rate that killed them, or use a leaky activation.",
        "Frozen or unused parts, sparse embeddings, experts that were not chosen.",
        "Lu et al. 2020, dying ReLU",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are tensors whose gradient norm is exactly zero."""
        if not case.later or case.progress.state not in ("stalled", "slow") or case.killed:
            return None  # units that died when the weights were thrown about are a consequence
        seen: dict[int, list[float]] = {}
        for sample in case.later:
            for tensor in sample.tensors:
                if tensor.gradient_norm is not None:
                    seen.setdefault(tensor.tensor, []).append(tensor.gradient_norm)
        silent = [index for index, norms in seen.items() if not any(norms)]
        flushed = any(max(r.flushed.values(), default=0.0) > 0.05 for r in case.readings if r.flushed)
        mostly = case.typical(case.zeros) or 0.0
        enough = len(silent) >= 0.25 * len(seen) and len(silent) < len(seen)
        if flushed or not seen or not (enough or mostly > 0.8) or len(seen) < 2:
            return None
        held = [case.session.tensors[index].name for index in silent]
        what = f"{len(silent)} of {len(seen)} tensors" if enough else f"{percent(mostly)} of the weights"
        message = (
            f"{what} get a gradient of exactly zero at every step, in a format in which it would not underflow: "
            "the units "
            "behind them are dead, and no loss factor can wake them"
        )
        evidence = {"silent_tensors": len(silent), "tensors": len(seen), "share_of_zero_gradients": mostly}
        return self.finding(blame(case), message, evidence, where=names(held),
                            advice="re-initialise these layers, or use a leaky activation")  # fmt: skip


class MissingZeroGrad(Rule):
    """The finding `missing-zero-grad`."""

    code = "LG031"
    name = "missing-zero-grad"
    title = "gradients are never zeroed: every step adds to all before it"
    group = NOT_SCALE
    rank = 2.0
    page = Page(
        "backward() adds to the gradient. Without optimizer.zero_grad() every step uses the sum of all gradients "
        "so far.",
        "The gradient grows as if the loss were multiplied by the step number, and in old directions too.",
        "At every backward the gradients of the step before were still there, untouched.",
        "Call optimizer.zero_grad() once per step.",
        "Accumulation on purpose, where zeroing happens every few steps.",
        "",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the version counter of the gradients."""
        known = [step.stale for step in case.steps[1:] if step.stale is not None]
        if len(known) < 3 or sum(known) < 0.9 * len(known):
            return None
        message = "gradients are never zeroed: each step uses the sum of all gradients since the first"
        evidence = {"steps_looked_at": len(known), "share_stale": sum(known) / len(known)}
        severity = "fault" if case.progress.state != "fell" else "warning"
        return self.finding(severity, message, evidence, treatments=[Treatment("zero-grad")],
                            advice="call optimizer.zero_grad() once per step")  # fmt: skip


class LabelsUnrelated(Rule):
    """The finding `labels-unrelated`."""

    code = "LG032"
    name = "labels-unrelated"
    title = "everything about the steps is healthy and nothing is learned: the labels may not belong to the inputs"
    group = NOT_SCALE
    rank = 80.0
    page = Page(
        "The loss stays where a constant prediction would put it, though gradients flow and weights move as they "
        "should.",
        "It looks like a loss too small to train. The scale is not the problem: the signal is not in the data as "
        "given.",
        "Healthy relative updates, no progress, nothing else found, and a loss that guessing would reach as well: the "
        "variance of the targets, or the entropy of their classes.",
        "Look at a batch: labels shuffled against inputs, a wrong join, a wrong axis, augmented beyond recognition.",
        "Tasks at their noise floor from the start.",
        "Zhang et al. 2017, on random labels",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is no progress with healthy steps."""
        update = case.typical(case.relative_update)
        if update is None or not 10 * FROZEN / 3 <= update <= 10 * HEALTHY[1]:
            return None
        left = case.progress.left
        if case.progress.state not in ("stalled", "slow") or left is None or left < 0.6 or left > 1.3:
            return None
        share = case.typical(case.dominated)
        unknown = unexplained(case)
        if (share or 0.0) > 0.5 or case.made < 30 or (unknown is not None and unknown < LEARNED):
            return None
        agreement = case.typical(_agreement)
        message = (
            f"weights move as they should ({update:.1e} of their size per step) and {percent(min(left, 1.0))} of "
            "the loss is "
            "left: the scale of the loss is not the problem; the labels may not belong to the inputs"
        )
        evidence = {"relative_update": update, "loss_left": left, "loss_to_guessing": unknown,
                    "gradient_agreement": agreement}  # fmt: skip
        # What an input says of its target may be little: only a loss that a guess would reach says that it is nothing.
        guessing = unknown is not None and GUESSING <= unknown <= BEYOND and case.progress.state == "stalled"
        severity = "fault" if guessing else "warning"
        return self.finding(severity, message, evidence, advice="look at a batch: are the labels those of the inputs?")


class ParamsNotInOptimizer(Rule):
    """The finding `params-not-in-optimizer`."""

    code = "LG034"
    name = "params-not-in-optimizer"
    title = "the tensors that are trained are not the ones the optimizer holds"
    group = NOT_SCALE
    rank = 1.0
    page = Page(
        "The model was moved, copied, re-created or extended after the optimizer was made.",
        "The loss does not move, whatever its size: the gradients go to tensors nobody steps.",
        "The loss reaches trained tensors that no optimizer holds, and the optimizer's own get no gradient, or "
        "training "
        "suffers.",
        "Make the optimizer from the parameters of the model that is trained, last.",
        "Frozen parts that were left out on purpose: then training goes on without them.",
        "",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are the leaves of the graph against what the optimizers hold."""
        late = [reading for reading in case.readings if reading.step > 1]
        strangers = late[-1].strangers if late else {}
        if not strangers or case.optimizer is None:
            return None
        empty = case.typical(_without_gradient) or 0.0
        outside = sum(strangers.values())
        share = outside / max(outside + case.optimizer.elements * (1 - empty), 1)
        if empty < 0.5 and not case.progress.suffers and share < 0.9:
            return None
        message = (
            f"the loss reaches {len(strangers)} tensors with {outside} elements that no optimizer holds "
            f"({percent(share)} of "
            f"what it trains); of the optimizer's own, {percent(empty)} get no gradient"
        )
        evidence = {
            "tensors_outside": len(strangers),
            "elements_outside": outside,
            "share_outside": share,
            "held_without_gradient": empty,
        }
        # Whether parts were left out on purpose nobody can see, as long as what is held does learn.
        lost = empty >= 0.5 or (case.progress.suffers and case.progress.state != "slow")
        severity = "fault" if lost else "warning" if case.progress.poor else "info"
        treatments = [Treatment("held-parameters")]
        advice = (
            "make the optimizer from the model that is trained, after it is complete; where they were left out on "
            "purpose, requires_grad_(False) says so and saves their gradients"
        )
        return self.finding(severity, message, evidence, where=names(strangers), treatments=treatments, advice=advice,
                            most="fault" if lost else "warning")  # fmt: skip


def _apart(layers: dict[int, float]) -> float:
    """The smallest of these sizes against the largest; 1 where there are too few layers to speak of depth."""
    return min(layers.values()) / max(layers.values()) if len(layers) > 2 else 1.0


def _agreement(sample: Sample) -> float | None:
    known = [tensor.signal for tensor in sample.tensors if tensor.signal is not None]
    return median(known) if known else None


def _without_gradient(sample: Sample) -> float | None:
    tensors: tuple[TensorSample, ...] = sample.tensors
    return sum(tensor.gradient_norm is None for tensor in tensors) / len(tensors) if tensors else None
