"""Faults of the second moment itself: what it remembers, and what its format cannot hold."""

import math

from lossgauge.diagnosis.case import THROWN, Case
from lossgauge.diagnosis.rule import VIOLENT, Page, Rule, blame, names, percent, round_down
from lossgauge.laws.spelling import spell_value
from lossgauge.laws.verdict import Verdict
from lossgauge.records.diagnosis import Finding
from lossgauge.records.histogram import Histogram
from lossgauge.records.session import Sample
from lossgauge.records.treatment import Treatment

LAGGING = 20.0
"""√v̂ this many times |g| is a memory of gradients that are no more."""
DROWNED = 0.5
"""Where ε exceeds √v̂ on more than this share of the elements, it is not the memory that makes steps short."""
SPIKE = 20.0
"""A gradient norm this many times the usual one is a spike."""
SUDDEN = 5
"""Steps within which a spike is over; a gradient that shrinks more slowly than that belongs to the training."""
HALF_EPSILON = 2.0**-25
"""Numbers up to half the smallest of float16 round to zero there."""
SQUARED, SQUARED_IN_HALF = 1e-2, 1.0
"""A size of |g| whose square, times 1 − β₂, is well within the format v is kept in: most formats, and float16."""


class SecondMomentSpike(Rule):
    """The finding `second-moment-spike`."""

    code = "LG005"
    name = "second-moment-spike"
    title = "one huge gradient sits in the second moment, and the optimizer stands still until it is forgotten"
    rank = 28.0
    every = True
    page = Page(
        "v̂ is a running mean of g² over about 1/(1−β₂) steps. One huge early gradient keeps √v̂ far above every "
        "later one.",
        "Until then the step is lr·g/√v̂ ≈ 0. No loss factor helps: it multiplies the spike and the rest alike.",
        "√v̂ is at least 20 times |g| through the run, and larger than ε; an early gradient norm was at least 20 times "
        "the later ones and the spike was over within 5 steps; and the loss stands still (a warning where part of it "
        "went).",
        "Clip the global norm at about the usual norm, warm up, or take a smaller β₂; repair the batch.",
        "Where gradients shrink because training converged: then the loss has come down.",
        "Molybog et al. 2023, a theory on Adam instability",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is √v̂/|g| together with an early spike of the norm."""
        ratio = self._memory(case)
        usual = case.typical(case.gradient_norm)
        peaks = [(case.gradient_norm(sample) or 0.0, sample.own) for sample in case.samples]
        if ratio is None or not usual or not peaks:
            return None
        peak, at = max(peaks)
        soon = [norm for norm, own in peaks if at < own <= at + SUDDEN]
        if soon and min(soon) * SPIKE > peak:
            return None
        if any((case.relative_update(sample) or 0.0) > THROWN for sample in case.samples if sample.own < at):
            return None  # the weights were thrown about first, and the gradient is what came of it
        thrown = case.progress.state in ("broken", "diverged", "climbed")
        if ratio < LAGGING or peak < SPIKE * usual or thrown or not case.progress.poor:
            return None
        message = (
            f"the gradient of step {at} was {peak / usual:.1e} times the usual one and still sits in v: √v̂ is "
            f"{ratio:.1e} times |g|, so {case.title} hardly moves"
        )
        evidence = {"spike_to_usual": peak / usual, "spike_step": at, "root_v_to_gradient": ratio,
                    "relative_update": case.typical(case.relative_update)}  # fmt: skip
        treatment = Treatment("added-clip", "max_norm", case.index, value=float(f"{usual:.1g}"))
        severity = "fault" if case.progress.suffers else "warning"
        return self.finding(severity, message, evidence, treatments=[treatment])

    def _memory(self, case: Case) -> float | None:
        """√v̂/|g|, coupled weight decay counted with |g|; None where ε stands in place of √v̂."""
        ratio, decay = case.typical(self._lag), case.typical(case.decay_ratio) or 0.0
        drowned = (case.typical(case.dominated) or 0.0) > DROWNED
        return None if ratio is None or drowned else ratio / (1.0 + decay)

    def _lag(self, sample: Sample) -> float | None:
        ratios = []
        for tensor in sample.tensors:
            low = tensor.gradient.quantile(0.5) if tensor.gradient else None
            high = tensor.denominator.quantile(0.5) if tensor.denominator else None
            if low and high:
                ratios.append(high / low)
        return sorted(ratios)[len(ratios) // 2] if ratios else None


class SecondMomentOverflow(Rule):
    """The finding `second-moment-overflow`."""

    code = "LG006"
    name = "second-moment-overflow"
    title = "g² overflowed: the second moment is infinite and the update is zero for ever"
    rank = 5.0
    every = True
    page = Page(
        "g² is beyond the largest number of the format (|g| > 1.8e19 in float32), v is infinite, lr·m/√v is zero.",
        "Nothing shows a NaN; the weights just never move again. It is a limit on the loss multiplier from above.",
        "The second moment holds infinities while gradients and weights are finite.",
        "Divide the loss, or clip the gradient, so that g² fits.",
        "Never: an infinite second moment does not decay.",
        "Dettmers et al. 2022, 8-bit optimizers, on outliers",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are infinities in the second moment."""
        share = case.typical(lambda s: case.share(s, lambda t: _infinite(t.denominator)))
        usual = case.typical(lambda s: case.gradients(s).quantile(0.99))
        early = [size for size in map(case.relative_update, case.first) if size is not None]
        if any(size > 1 for size in early):  # the weights blew up first, and the gradients with them
            return None
        norm = case.typical(case.gradient_norm)
        if not share or not usual or share < 0.01 or not norm:
            return None
        factor = round_down(1.0 / usual)
        message = (
            f"g² overflowed: the second moment is infinite on {percent(share)} of the weights, whose updates are zero"
        )
        held = [case.tensor(t).name for t in case.later[-1].tensors if (_infinite(t.denominator) or 0) > 0]
        clip = Treatment("added-clip", "max_norm", case.index, value=float(f"{norm:.1g}"))
        loss = Treatment("loss", factor=factor)
        treatments = [loss, clip] if usual > 1e15 else [clip, Treatment("loss", factor=1e-20)]
        evidence = {"share_of_weights": share, "gradient": usual}
        return self.finding(blame(case), message, evidence, where=names(held), treatments=treatments)


class SecondMomentUnderflow(Rule):
    """The finding `second-moment-underflow`."""

    code = "LG007"
    name = "second-moment-underflow"
    title = "g² underflows to zero: ε alone is the denominator, and only a loss factor helps"
    rank = 6.0
    every = True
    page = Page(
        "g² is below the smallest number of the format (|g| < 1e-22 in float32), so v is exactly 0 though g is not.",
        "Then the step is lr·m̂/ε on these weights, whatever ε is; no ε gives back what was lost. It is a limit on the "
        "loss multiplier from below.",
        "Gradients are not zero and their second moments are, on most of the observed elements; and training suffers.",
        "Multiply the loss so that g² can be represented, and ε along with it.",
        "Where these weights are meant to stand still.",
        "",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is g ≠ 0 with v = 0."""
        # The run as a whole, or its first steps where those threw the weights out of the range in which it happens.
        lost = lambda samples: case.typical(lambda s: case.share(s, lambda t: t.unsquared), samples) or 0.0  # noqa: E731
        samples = max(case.later, case.onset, key=lost)
        share, usual = lost(samples), case.typical(lambda s: case.gradients(s).quantile(0.5), samples)
        if share < 0.4 or not usual:
            return None
        half = case.optimizer is not None and "float16" in case.optimizer.state_formats.values()
        factor = round_down((SQUARED_IN_HALF if half else SQUARED) / usual)
        message = (
            f"g² is too small for its format on {percent(share)} of the weights (|g| about "
            f"{spell_value(float(f'{usual:.1g}'))}): "
            "v is zero, the denominator is ε alone, and no ε can bring back what was lost"
        )
        evidence = {"share_of_weights": share, "gradient": usual, "epsilon": case.setting(case.epsilon or "")}
        return self.finding(blame(case), message, evidence, treatments=[Treatment("loss", factor=factor)])


class EpsUnderflowsInHalf(Rule):
    """The finding `eps-underflows-in-half`."""

    code = "LG008"
    name = "eps-underflows-in-half"
    title = "epsilon rounds to zero in float16: 0/0"
    rank = 7.0
    every = True
    page = Page(
        "With float16 weights the optimizer's arithmetic is float16, where everything below 3e-8 is zero: ε = "
        "1e-8 too.",
        "The first weight whose v underflows as well gives 0/0, NaN, and it spreads. The format breaks the symmetry of "
        "units from outside.",
        "Weights or second moments are float16, ε is not zero but rounds to zero there, and the run broke.",
        "Keep the weights in float32 and compute under autocast; ε = 1e-4 is a stop-gap.",
        "Where the implementation computes in float32 inside, and the run stays finite.",
        "pytorch/pytorch issue 8860; optax issue 1754",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is ε against half the smallest number of float16."""
        optimizer = case.optimizer
        value = case.setting(case.epsilon or "")
        if optimizer is None or not value or value > HALF_EPSILON:
            return None
        held = [tensor.name for tensor in case.session.tensors if tensor.format == "float16"]
        states = [name for name, kind in optimizer.state_formats.items() if kind == "float16"]
        if not held and not states:
            return None
        broken = bool(case.events("non-finite"))
        at = min((event.number for event in case.events("non-finite")), default=None)
        tail = f", and the weights are not finite from step {at} on" if broken else ""
        message = f"ε = {spell_value(value)} is 0 in float16, in which {case.title} keeps its numbers{tail}"
        treatments = [
            Treatment("master-weights", optimizer=case.index, choice="float32"),
            Treatment("setting", case.epsilon or "eps", case.index, value=1e-4),
        ]
        evidence = {"epsilon": value, "smallest": 2.0**-24, "broken_at": at}
        return self.finding(blame(case, broken or case.progress.suffers), message, evidence, where=names(held),
                            treatments=treatments)  # fmt: skip


class UnnormalisedWarmup(Rule):
    """The finding `unnormalised-warmup`."""

    code = "LG009"
    name = "unnormalised-warmup"
    title = "the first steps are taken without the second moment, and a large loss wrecks the initialisation"
    rank = 26.0
    every = True
    page = Page(
        "RAdam and its kin take their first steps as plain SGD, lr·m̂, and only then divide by √v̂.",
        "An optimizer that is scale-free later is SGD at first: those steps grow with the loss. There is no "
        "exponent for "
        "the learning rate that suits both (the law is BROKEN).",
        "Elasticity is near 1 at first and near 0 later (or the law is BROKEN), the first updates are far larger than "
        "the later ones and violent for the weights, and training suffers.",
        "Divide the loss, or use Adam or NAdam with a warm-up of the learning rate.",
        "Where gradients are of ordinary size: then the first steps are small.",
        "Liu et al. 2020, RAdam; LiyuanLucasLiu/RAdam issue 54",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are first updates that grow with the loss and dwarf the later ones."""
        early = [sample for sample in case.samples if sample.own <= 6]
        late = [sample for sample in case.samples if sample.own > 8]
        sizes = [size for size in map(case.relative_update, early) if size is not None and math.isfinite(size)]
        if not sizes or case.law is None or max(sizes) < VIOLENT * 3 or "exp_avg_sq" not in case.law.states:
            return None
        first, then = case.typical(self._elasticity, early), case.typical(self._elasticity, late)
        switched = first is not None and then is not None and first > 0.5 and then < 0.3
        broken = case.law.verdict == Verdict.BROKEN and bool(case.law.clashes) and (first is None or first > 0.5)
        usual = _usual(late)
        growth = _largest(early) / usual if usual else math.inf
        if not (switched or broken) or growth < 10:
            return None
        after = f", and every later step is {growth:.0e} times smaller" if usual else ", which the run did not survive"
        message = (
            f"the first steps of {case.title} are not divided by √v̂: they grow with the loss, changed the "
            "weights by up "
            f"to {max(sizes):.1e} times their size{after}"
        )
        # What the very first step did: the later ones act on weights that it has thrown about.
        factor = round_down(1e-2 / sizes[0] if sizes[0] > 1 else 1e-2)
        treatments = [Treatment("loss", factor=f) for f in (factor, factor * 1e-3)]
        evidence = {"largest_relative_update": max(sizes), "later_update": usual, "elasticity_first": first,
                    "elasticity_later": then, "first_to_later": growth}  # fmt: skip
        where = case.law.clashes[0].where.rpartition("site-packages/")[2] if case.law.clashes else ""
        return self.finding(blame(case), message, evidence, where=where, treatments=treatments)

    def _elasticity(self, sample: Sample) -> float | None:
        known = [t.elasticity if t.elasticity is not None else t.instant for t in sample.tensors]
        values = sorted(value for value in known if value is not None)
        return values[len(values) // 2] if values else None


def _largest(samples: list[Sample]) -> float:
    """The largest finite ‖Δw‖ of these samples."""
    norms = [t.update_norm for sample in samples for t in sample.tensors if t.update_norm is not None]
    return max((norm for norm in norms if math.isfinite(norm)), default=0.0)


def _usual(samples: list[Sample]) -> float:
    """The median of the largest ‖Δw‖ of each sample; 0 where none is finite."""
    norms = sorted(size for sample in samples if (size := _largest([sample])))
    return norms[len(norms) // 2] if norms else 0.0


def _infinite(histogram: Histogram | None) -> float | None:
    """The share of elements that are infinite."""
    return histogram.infinite / histogram.elements if histogram is not None and histogram.elements else None
