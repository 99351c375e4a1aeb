"""Faults of clipping: thresholds are gradients, and carry units of the loss."""

import math
from statistics import median

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.losses import policy_terms
from lossgauge.diagnosis.rule import Page, Rule, blame, percent
from lossgauge.laws.spelling import spell_value
from lossgauge.records.diagnosis import Finding
from lossgauge.records.session import Clip
from lossgauge.records.treatment import Treatment

HIDDEN = 1e-6
"""What torch's clip_grad_norm_ adds to the norm before it divides."""

EQUAL = 1e-4
"""Norms that differ by less than this share are the same number, but for rounding."""
MOVED = 1e-3
"""Weights that moved by less than this share of their size in a whole run have not moved."""


def round_up(factor: float) -> float:
    """The power of two above a factor.

    Args:
        factor: Any positive number.

    Returns:
        2^⌈log2 factor⌉.

    >>> round_up(3.0), round_up(256.0)
    (4.0, 256.0)
    """
    return 2.0 ** math.ceil(math.log2(factor) - 1e-9)


class ClipSaturated(Rule):
    """The finding `clip-saturated`."""

    code = "LG012"
    name = "clip-saturated"
    title = "every step is clipped: its length is lr·max_norm, whatever the loss"
    rank = 42.0
    page = Page(
        "Global-norm clipping replaces g by g·max_norm/‖g‖ where ‖g‖ > max_norm. Where that is always so, every "
        "step of "
        "SGD has the same length.",
        "max_norm has units of the gradient (exponent +1): a threshold from a mean loss is 256 times too small "
        "for a sum "
        "over 256. Beyond it the loss multiplier has no effect at all.",
        "At least 90 % of the steps are clipped, typically by a factor of two or more, and training suffers.",
        "Multiply max_norm by the factor the loss was multiplied by.",
        "Normalised SGD by design, with a learning rate made for it; under Adam a constant factor cancels.",
        "Pascanu, Mikolov & Bengio 2013; wandb/senpai PR 978",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is norm/max_norm, step by step."""
        if not case.clips:
            return self._by_hand(case)
        calls = [clip for clip in case.clips if clip.stage == "unscaled"]
        excess = sorted(ratio for ratio in case.excess(calls) if math.isfinite(ratio))
        if len(excess) < 3:
            return None
        bound = sum(ratio > 1 for ratio in excess) / len(excess)
        middle = median(excess)
        if bound < 0.9 or middle < 1.5:
            return None
        high = excess[int(0.9 * (len(excess) - 1))]
        threshold = calls[0].threshold
        message = (
            f"{percent(bound)} of the steps are clipped: the norm is typically {middle:.3g} times {calls[0].name} = "
            f"{spell_value(threshold)}, so the step does not depend on the size of the gradient"
        )
        factors = dict.fromkeys((round_up(high), round_up(middle), round_up(middle**0.5)))
        name = calls[0].name
        treatments = [Treatment("threshold", name, factor=factor) for factor in factors if factor > 1]
        evidence = {"share_clipped": bound, "norm_to_threshold": middle, "max_norm": threshold,
                    "relative_update": case.typical(case.relative_update)}  # fmt: skip
        severity = blame(case)
        if severity == "fault" and not case.covariant:  # under Adam and its kin a constant factor cancels
            severity = "warning"
        return self.finding(severity, message, evidence, treatments=treatments)

    def _by_hand(self, case: Case) -> Finding | None:
        """A clip in the user's own code shows in gradient norms that are all the same number."""
        norms = [norm for norm in map(case.gradient_norm, case.samples) if norm and math.isfinite(norm)]
        if len(norms) < 8 or case.rate is None or not case.covariant or not case.progress.suffers:
            return None
        middle = median(norms)
        same = sum(abs(norm - middle) < EQUAL * middle for norm in norms) / len(norms)
        update = case.typical(case.relative_update)
        # The same batch and weights that stand still have the same gradient at every step without any clipping.
        still = case.progress.noise < EQUAL and (update or 0.0) * case.made < MOVED
        if same < 0.9 or not update or still:
            return None
        message = (
            f"{percent(same)} of the gradients have the very same norm, {spell_value(float(f'{middle:.4g}'))}: "
            "they are "
            "clipped (or normalised) by the script's own code, and the step does not depend on their size"
        )
        factors = dict.fromkeys(round_up(goal / update) for goal in (3e-3, 5e-4) if goal > 2 * update)
        treatments = [Treatment("setting", case.rate, case.index, factor) for factor in factors]
        if not treatments:  # the steps are long enough as they are
            return None
        evidence = {"share_of_equal_norms": same, "norm": middle, "relative_update": update}
        advice = "while every step is clipped, raising the threshold by the same factor is the same step"
        return self.finding("fault", message, evidence, treatments=treatments, advice=advice)


class ClipBeforeUnscale(Rule):
    """The finding `clip-before-unscale`."""

    code = "LG013"
    name = "clip-before-unscale"
    title = "the clip threshold is applied to gradients that still carry mixed precision's scale"
    rank = 4.0
    page = Page(
        "Between scaler.scale(loss).backward() and scaler.step(optimizer) the gradients are multiplied by the scale. "
        "Clipping them there makes the effective threshold max_norm/scale.",
        "Mixed precision's scale must cancel; here it does not, and the threshold is 65536 times too small.",
        "The clip function was called while the gradients were scaled, and it bound.",
        "Call scaler.unscale_(optimizer) before clip_grad_norm_.",
        "Where the threshold was multiplied by the scale on purpose.",
        "PyTorch AMP examples, gradient clipping; milesial/Pytorch-UNet issue 468",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the stage of the gradients when they were clipped."""
        calls = [clip for clip in case.clips if clip.stage == "scaled"]
        if len(calls) < max(1, len(case.clips) // 2):
            return None
        excess = case.excess(calls)
        bound = sum(ratio > 1 for ratio in excess) / len(excess) if excess else 0.0
        if bound < 0.5:
            return None
        scales = [step.scale for step in case.steps if step.scale]
        scale = median(scales) if scales else 1.0
        message = (
            f"clip_grad_norm_ sees gradients that are still multiplied by mixed precision's scale of {scale:g}: the "
            f"effective max_norm is {spell_value(float(f'{calls[0].threshold / scale:.3g}'))}, not "
            f"{spell_value(calls[0].threshold)}"
        )
        evidence = {"share_scaled": len(calls) / len(case.clips), "share_clipped": bound, "scale": scale}
        return self.finding(blame(case), message, evidence, treatments=[Treatment("unscaled-clip", "max_norm")],
                            advice="call scaler.unscale_(optimizer) before clip_grad_norm_")  # fmt: skip


class ClipHiddenConstant(Rule):
    """The finding `clip-hidden-constant`."""

    code = "LG014"
    name = "clip-hidden-constant"
    title = "clip_grad_norm_ adds 1e-6 to the norm, and shrinks gradients that are below the threshold"
    rank = 16.0
    page = Page(
        "torch multiplies by max_norm/(‖g‖+1e-6), at most 1. With norms near or below 1e-6 that is a shrinking "
        "factor of its own.",
        "The 1e-6 is a gradient that nobody can set: a hidden constant with units of the loss. No exponents make the "
        "run the same under another loss multiplier.",
        "The factor torch applies is less than half of min(1, max_norm/‖g‖) on most steps, and training suffers.",
        "Multiply the loss and max_norm by the same large factor, or clip with a function of your own.",
        "Where norms are far above 1e-6; under Adam with a small ε a constant factor cancels.",
        "torch.nn.utils.clip_grad_norm_",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the factor torch applies against the exact one."""
        known = [clip for clip in case.clips if clip.name == "max_norm" and clip.threshold > 0]
        calls = [(clip, clip.norm) for clip in known if clip.norm and math.isfinite(clip.norm)]
        shrunk = [_applied(clip, norm) / min(1.0, clip.threshold / norm) for clip, norm in calls]
        if len(shrunk) < 3 or median(shrunk) > 0.5:
            return None
        message = (
            f"gradient norms (typically {spell_value(float(f'{median(n for _, n in calls):.2g}'))}) are as small "
            "as the 1e-6 that "
            f"clip_grad_norm_ adds to them: it shrinks the gradient to {percent(median(shrunk))} of what it should be"
        )
        evidence = {"norm": median(norm for _, norm in calls), "max_norm": calls[0][0].threshold,
                    "applied_to_exact": median(shrunk)}  # fmt: skip
        treatments = [Treatment("exact-clip", "max_norm"), Treatment("threshold", "max_norm", factor=math.inf)]
        return self.finding(blame(case), message, evidence, treatments=treatments,
                            advice="multiply the loss and max_norm by the same large factor")  # fmt: skip


class ClipThenEps(Rule):
    """The finding `clip-then-eps`."""

    code = "LG025"
    name = "clip-then-eps"
    title = "one huge term drives the global clip, which pushes the other gradients below epsilon"
    rank = 16.5
    page = Page(
        "Global-norm clipping divides all gradients by the same ‖g‖/max_norm. Where one part of the model makes that "
        "ratio huge, the other parts' gradients end below ε.",
        "Two numbers with units of the gradient, max_norm and ε, are both at odds with the loss; each alone would do "
        "no harm (PPO's defaults: max_norm 0.5, ε 1e-5).",
        "Clipping binds hard; √v̂ ≤ ε on many elements; and before clipping these would have been above ε.",
        "Raise max_norm to the size of the norms (or normalise the huge term), and lower ε.",
        "Where the elements below ε do not matter.",
        "Schulman et al. 2017, PPO; Huang et al. 2022, implementation details of PPO",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is what of √v̂ lies between ε/(‖g‖/max_norm) and ε."""
        excess = [ratio for ratio in case.excess() if math.isfinite(ratio)]
        value = case.setting(case.epsilon or "")
        if not excess or not value or median(excess) < 5:
            return None
        power = float(case.exponent(case.epsilon or "") or 1)
        floor, middle = value ** (1 / power), median(excess)
        below = case.typical(lambda s: case.denominators(s).share_below(floor))
        anyway = case.typical(lambda s: case.denominators(s).share_below(floor / middle))
        if below is None or anyway is None or below - anyway < 0.2:
            return None
        message = (
            f"clipping divides all gradients by {middle:.2g}, which puts √v̂ of {percent(below)} of the weights below "
            f"ε = {spell_value(value)}; without it {percent(anyway)} would be"
        )
        high = round_up(sorted(excess)[int(0.9 * (len(excess) - 1))])
        treatments = [
            Treatment("threshold", "max_norm", factor=high),
            Treatment("setting", case.epsilon or "eps", case.index, factor=10.0 ** -math.ceil(math.log10(middle) + 2)),
        ]
        if policy_terms(case):  # what a policy loses does not show in its loss, so no trial could tell
            treatments = []
        evidence = {
            "norm_to_threshold": middle,
            "share_below_epsilon": below,
            "share_without_clip": anyway,
            "epsilon": value,
        }
        advice = f"raise max_norm to the size of the norms (× {high:g}), or normalise the huge term; and lower ε"
        severity = "fault" if policy_terms(case) else blame(case)
        return self.finding(severity, message, evidence, treatments=treatments, advice=advice)


def _applied(clip: Clip, norm: float) -> float:
    return min(1.0, clip.threshold / (norm + HIDDEN))
