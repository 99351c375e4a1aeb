"""Faults of what stands under the fraction of an adaptive step beside √v̂: epsilon, and where accumulators begin."""

import math
from statistics import median

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rule import VIOLENT, Page, Rule, blame, names, percent, round_down
from lossgauge.laws.spelling import spell_value
from lossgauge.records.diagnosis import Finding
from lossgauge.records.treatment import Treatment

DOMINATED = 0.4
"""The share of elements with √v̂ ≤ ε from which on epsilon rules."""
ROOM = 1e-2
"""What a new epsilon leaves to the smallest typical √v̂."""
PLACEMENTS = (10.0**1.5, 10.0**3)
"""√ε/ε for the epsilons people carry from one framework to the next: 1e-3 and 1e-6."""
LATE = 0.8
"""√v̂ below this share of what it was in the beginning has begun to vanish; its median lags behind single weights."""


class EpsDominates(Rule):
    """The finding `eps-dominates`."""

    code = "LG001"
    name = "eps-dominates"
    title = "epsilon is larger than √v̂ on most weights: the adaptive optimizer is SGD with learning rate lr/ε"
    rank = 40.0
    every = True
    page = Page(
        "An adaptive step is lr·m̂/(√v̂+ε). Where √v̂ ≤ ε on most weights, the denominator is ε, a constant.",
        "There the step is lr·m̂/ε: it grows with the loss (elasticity 1 instead of 0), so multiplying the loss "
        "by α is "
        "the same as dividing ε by α. With a small loss the weights stand still, and a larger learning rate does not "
        "help where some layers are above ε and others below.",
        "√v̂ ≤ ε on at least 40 % of the observed elements through the run, and a training that gets nowhere.",
        "Choose ε well below the smallest typical √v̂, or multiply the loss by the same factor: the two are the same "
        "training, exactly.",
        "Where the learning rate was chosen for it (SGD with lr/ε on purpose), and the loss comes down.",
        "Kingma & Ba 2015, Adam; Cross Validated 346299",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the share of elements with √v̂ ≤ ε."""
        share = case.typical(case.dominated)
        if case.epsilon is None or share is None or share < DOMINATED:
            return None
        value = case.setting(case.epsilon) or 0.0
        ratios = self._ratios(case)
        if not ratios:
            return None
        power = float(case.exponent(case.epsilon) or 1)
        factor = round_down(min(1e-1, ROOM * min(ratios)) ** power)
        message = self._say(case, value, power, share)
        low = [case.tensor(t).name for t in case.later[-1].tensors if (t.dominated or 0.0) > 0.5]
        treatments, advice = self._cure(case, value, factor, power, ratios)
        evidence = {
            "epsilon": value,
            "share_of_weights": share,
            "median_ratio": median(ratios),
            "smallest_ratio": min(ratios),
            "elasticity": case.typical(case.elasticity),
            "relative_update": case.typical(case.relative_update),
        }
        return self.finding(blame(case), message, evidence, where=names(low), treatments=treatments, advice=advice)

    def _cure(
        self, case: Case, value: float, factor: float, power: float, ratios: list[float]
    ) -> tuple[list[Treatment], str]:
        """A smaller ε; where the learning rate has units of the loss too, both at once, which is a factor on it."""
        multiplier, rate = round_down((1 / factor) ** (1 / power)), case.rate or ""
        carried = float(case.exponent(rate) or 0)
        if not carried:
            treatments = [Treatment("setting", case.epsilon or "", case.index, f) for f in (factor, factor * 1e-3)]
            return treatments, (
                f"the same as multiplying the loss by {spell_value(multiplier)}, which is why a "
                f"large factor on the loss helps; it is no mistake in the implementation, and {_about_rate(ratios)}"
            )
        own = case.setting(rate) or 0.0
        return [Treatment("loss", factor=multiplier), Treatment("loss", factor=multiplier * 1e3)], (
            f"the same as {case.epsilon} = {spell_value(value * multiplier**-power)} together with {rate} = "
            f"{spell_value(own * multiplier**-carried)}: {case.title} needs both, for both have units of the loss"
        )

    def _say(self, case: Case, value: float, power: float, share: float) -> str:
        root = "√v̂" if any(tensor.denominator for tensor in case.later[-1].tensors) else "the gradient"
        floor, beside = "ε", ""
        if power != 1:
            floor, beside = f"ε^{1 / power:g}", f" ({value ** (1 / power):.2g} beside a gradient)"
        # Where ε stands in the numerator as well, its powers cancel, and the rate carries the units.
        plain = "plain SGD" if case.exponent(case.rate or "") else f"SGD with learning rate lr/{floor}"
        return (
            f"ε = {spell_value(value)}{beside} is larger than {root} on {percent(share)} of the weights, so "
            f"{case.title} is {plain} there, and its step grows with the loss"
        )

    def _ratios(self, case: Case) -> list[float]:
        """√v̂/ε of each tensor, typically, ε in the units of √v̂."""
        floor, medians = case.floor() or case.setting(case.epsilon or "") or math.inf, dict[int, list[float]]()
        for sample in case.later:
            for tensor in sample.tensors:
                middle = case.root(tensor)
                if middle:
                    medians.setdefault(tensor.tensor, []).append(middle / floor)
        return [median(values) for values in medians.values()]


def _about_rate(ratios: list[float]) -> str:
    """Whether a larger learning rate is the same: only where ε rules all layers, and by how much they differ."""
    if max(ratios) < 0.1:
        return "a larger learning rate does the same only as long as √v̂ stays below ε in every layer"
    between = f"from {min(ratios):.1g} to {max(ratios):.1g} times ε, depending on the layer"
    return f"no learning rate replaces it: √v̂ is {between}"


class EpsPlacement(Rule):
    """The finding `eps-placement`."""

    code = "LG002"
    name = "eps-placement"
    title = "epsilon was tuned for the other side of the square root"
    rank = 34.0
    every = True
    page = Page(
        "Some frameworks add ε inside the square root, √(v+ε), others outside, √v+ε. An ε carried over with its recipe "
        "means √ε on the other side.",
        "Inside the root ε has units of the squared gradient (exponent +2), outside of the gradient (+1). With "
        "ε = 1e-3 the floor of the denominator is 0.03 on one side and 0.001 on the other, so steps where gradients "
        "are small are up to 30 times longer than the learning rate was tuned for.",
        "ε is not negligible beside √v̂ but does not rule it; updates are violent for the weights; and training "
        "suffers.",
        "Set ε to √ε (from inside to outside), or use the optimizer the recipe was written for.",
        "Where the learning rate was tuned with this very optimizer.",
        "pytorch/pytorch issue 23796; TensorFlow's RMSprop",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is an ε between a thousandth of √v̂ and √v̂, and violent steps."""
        if case.epsilon is None or case.exponent(case.epsilon) != 1 or not case.progress.suffers:
            return None
        value = case.setting(case.epsilon) or 0.0
        # What √v̂ is once the weights were thrown about says nothing about the ε they started with.
        calm = case.onset if len(case.onset) < len(case.first) else case.samples
        middles = [case.denominators(sample).quantile(0.5) for sample in calm]
        updates = [size for size in map(case.relative_update, case.first) if size is not None and math.isfinite(size)]
        if not any(middles) or not updates:
            return None
        ratio, update = max(middle for middle in middles if middle) / value, max(updates)
        if not 1e-2 <= ratio <= 1e4 or update < VIOLENT:
            return None
        message = (
            f"ε = {spell_value(value)} stands outside the root in {case.title}; √v̂ is {ratio:.2g} times that, and the "
            f"weights change by {percent(update)} per step, as if the learning rate had been tuned where the floor of "
            "the denominator is √ε"
        )
        treatments = [Treatment("setting", case.epsilon, case.index, factor) for factor in PLACEMENTS]
        evidence = {
            "epsilon": value,
            "root_of_epsilon": math.sqrt(value),
            "median_ratio": ratio,
            "relative_update": update,
        }
        advice = f"√ε = {spell_value(float(f'{math.sqrt(value):.2g}'))} is what a recipe with ε inside the root means"
        return self.finding("warning", message, evidence, treatments=treatments, advice=advice)


class InitialAccumulator(Rule):
    """The finding `initial-accumulator`."""

    code = "LG003"
    name = "initial-accumulator"
    title = "the accumulator's starting value outweighs everything accumulated"
    rank = 30.0
    every = True
    page = Page(
        "Adagrad divides by √(a₀ + Σg²). The starting value a₀ (0.1 in Keras) is a squared gradient.",
        "Where Σg² stays far below a₀, the denominator is the constant √a₀ and the optimizer is SGD with lr/√a₀: "
        "multiplying the loss by α is the same as dividing a₀ by α².",
        "√(a₀ + Σg²) is within a factor of 1.4 of √a₀ on most of the observed elements, and the loss hardly moves.",
        "Divide a₀ by the square of the factor the loss was divided by, or set it to 0.",
        "Where lr/√a₀ is a good learning rate for the gradients at hand.",
        "Duchi, Hazan & Singer 2011; tensorflow/recommenders issue 213",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the share of denominators that are still about √a₀."""
        value = case.setting("initial_accumulator_value")
        if not value or not case.later:
            return None
        sample = case.later[-1]
        share = case.denominators(sample).share_below(math.sqrt(2 * value))
        size = case.typical(lambda s: case.gradients(s).quantile(0.9))
        if share < 0.5 or not size:
            return None
        ratio = size**2 * sample.own / value
        factor = round_down(min(1e-1, 1e-2 * size**2 / value))
        message = (
            f"initial_accumulator_value = {spell_value(value)} outweighs all squared gradients so far on "
            f"{percent(share)} of the weights: {case.title} is SGD with learning rate lr/√{spell_value(value)}"
        )
        evidence = {"initial_accumulator_value": value, "share_of_weights": share, "accumulated_to_initial": ratio}
        treatments = [Treatment("setting", "initial_accumulator_value", case.index, factor)]
        advice = f"the same as multiplying the loss by {spell_value(round_down(factor**-0.5))}"
        return self.finding(blame(case), message, evidence, treatments=treatments, advice=advice)


class LateBlowup(Rule):
    """The finding `eps-too-small-late-blowup`."""

    code = "LG004"
    name = "eps-too-small-late-blowup"
    title = "near the optimum √v̂ vanishes, lr/√v̂ passes the stability limit, and the loss climbs again"
    rank = 32.0
    every = True
    page = Page(
        "As gradients vanish near the optimum, so does √v̂, and the step lr·m̂/√v̂ does not. ε sets a floor under it.",
        "The effective learning rate lr/(√v̂+ε) must stay below 2/curvature. Both ε and the curvature's gradients have "
        "units of the loss: a larger loss with the same ε lowers the floor.",
        "The loss came down to a tenth and climbed to ten times its best again, √v̂ was shrinking, and ε is far below "
        "√v̂ even then.",
        "Raise ε to a hundredth or a tenth of the early √v̂, or let the learning rate decay.",
        "Where the learning rate decays towards the end, or the best weights are kept.",
        "Reddi, Kale & Kumar 2018; Wortsman et al. 2023, small-scale proxies",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is a loss that climbed again while √v̂ had vanished."""
        start, best, peak = case.progress.start, case.progress.best, case.progress.peak
        if case.epsilon is None or start is None or best is None or peak is None:
            return None
        if best <= 0 or peak < 10 * best or best > 0.1 * start:
            return None
        early = case.typical(lambda s: case.denominators(s).quantile(0.5), case.first)
        middles = [case.denominators(sample).quantile(0.5) for sample in case.later]
        known = [middle for middle in middles if middle]
        value = case.setting(case.epsilon) or 0.0
        power = float(case.exponent(case.epsilon) or 1)
        floor = value ** (1 / power)
        if not early or not known or min(known) > LATE * early or floor > 0.1 * min(known):
            return None
        message = (
            f"the loss came down to {best:.2g} and climbed to {peak:.2g} again: √v̂ fell to {min(known) / early:.1g} of "
            f"what it was and ε = {spell_value(value)} is far below even that, so lr/√v̂ outgrew the stability limit"
        )
        factors = [round_down((share * early / floor) ** power) for share in (0.1, 0.01, 1.0)]
        treatments = [Treatment("setting", case.epsilon, case.index, factor) for factor in factors if factor > 1]
        evidence = {"best_loss": best, "climbed_to": peak, "epsilon": value, "smallest_to_early": min(known) / early}
        end = case.progress.end or peak
        severity = "fault" if case.progress.suffers else "warning" if end > 1e-4 * start else "info"
        # Between its blow-ups the loss may be as low as it ever was; where the run happened to end says nothing.
        return self.finding(severity, message, evidence, treatments=treatments, measure="highest", matters=1e-4)
