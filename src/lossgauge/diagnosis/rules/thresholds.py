"""Faults of thresholds outside the optimizer's formula: when to stop, where a loss bends, the units of targets."""

import math
from statistics import median

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.losses import policy_terms
from lossgauge.diagnosis.progress import LEFT
from lossgauge.diagnosis.rule import FROZEN, HEALTHY, Page, Rule, blame, percent
from lossgauge.laws.spelling import spell_value
from lossgauge.records.diagnosis import Finding
from lossgauge.records.loss_reading import Spread, Term
from lossgauge.records.treatment import Treatment

HEAVY = 6.0
"""The 99th percentile of residuals against their median from which on there are outliers (3.8 for a Gaussian)."""
LINEAR = 30.0
"""Residuals so many times the threshold lie on the linear side of the loss."""
FAR = 8.0
"""Residuals whose mean is so many times their spread are an offset nobody fitted."""
RESOLUTION = 2.0**-20
"""A tolerance below this share of what it is compared with ends a search where float32 could not go on anyway."""
ORDINARY = 1.0
"""What a freshly initialised network puts out, in order of magnitude; targets of that order are within its reach."""


class AbsoluteStopThreshold(Rule):
    """The finding `absolute-stop-threshold`."""

    code = "LG026"
    name = "absolute-stop-threshold"
    title = "an absolute threshold in units of the loss declares the end of progress"
    rank = 8.0
    page = Page(
        "tolerance_grad and tolerance_change of L-BFGS, min_delta of an early stop, and threshold of "
        "ReduceLROnPlateau in "
        "mode 'abs' are compared with losses or gradients.",
        "They have units of the loss (exponent +1). With a small loss every improvement is below them: the "
        "search stops "
        "at once, the run ends, or the learning rate is cut to nothing.",
        "The line search ended by a tolerance before its last iteration; the learning rate was cut although the loss "
        "improved; or the run ended early with improvements below min_delta.",
        "Multiply the threshold by the factor the loss was multiplied by, or compare relatively.",
        "Where the loss really has come to rest.",
        "marin-community/marin PR 749; Besiroglu et al. 2024, on the Chinchilla fit",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is who gave up, and how the loss stood then."""
        return self._line_search(case) or self._plateau(case) or self._early_stop(case)

    def _line_search(self, case: Case) -> Finding | None:
        events = [event.data for event in case.events("line-search")]
        if not events or case.index or not case.steps:
            return None
        last = events[-1]
        before = events[-2]["iterations"] if len(events) > 1 else 0
        made = last["iterations"] - before
        if made >= last["max_iter"] or last["gradient"] == 0.0:
            return None
        by_gradient = last["gradient"] <= last["tolerance_grad"]
        name = "tolerance_grad" if by_gradient else "tolerance_change"
        first = events[0]["gradient"] if len(events) > 1 else None
        message = (
            f"{case.title} stopped after {made} of {last['max_iter']} iterations because of {name} = "
            f"{spell_value(last[name])}, an absolute number in units of the loss (the largest gradient was "
            f"{last['gradient']:.1e})"
        )
        other = "tolerance_change" if by_gradient else "tolerance_grad"
        treatments = [
            Treatment("setting", name, case.index, 1e-6),
            Treatment("loss", factor=1e6),
            Treatment("setting", other, case.index, 1e-6),
        ]
        evidence = {**last, "stopped_by": name, "iterations_made": made, "first_gradient": first}
        rests = last[name] <= RESOLUTION * abs((first if by_gradient else case.progress.end) or 0.0)
        return self.finding("info" if rests else "warning", message, evidence, where=name, treatments=treatments,
                            advice=f"and {other} by the same factor", matters=1e-4)  # fmt: skip

    def _plateau(self, case: Case) -> Finding | None:
        events = [event.data for event in case.events("plateau") if event.data.get("mode") == "abs"]
        if not events:
            return None
        first, last = events[0], events[-1]
        if first["threshold"] <= 0 or abs(first["best"]) > 20 * first["threshold"]:
            return None
        cut = last["after"][0] / first["before"][0] if first["before"][0] else 1.0
        message = (
            f"ReduceLROnPlateau asks for improvements of {spell_value(first['threshold'])} in units of a loss that is "
            f"itself {first['best']:.1e}: it saw no progress and cut the learning rate by {1 / max(cut, 1e-300):.0e}"
        )
        treatments = [Treatment("plateau-mode", "threshold_mode", choice="rel")]
        evidence = {"threshold": first["threshold"], "loss": first["best"], "cuts": len(events), "rate_left": cut}
        return self.finding(blame(case, case.progress.poor), message, evidence, where="threshold_mode='abs'",
                            treatments=treatments)  # fmt: skip

    def _early_stop(self, case: Case) -> Finding | None:
        found = [event.data for event in case.events("stop-delta") if event.data["value"] > 0]
        start, end = case.progress.start, case.progress.end
        if not found or start is None or end is None:
            return None
        delta = max(event["value"] for event in found)
        if end < LEFT * start and delta <= end:  # however short the run was cut
            return None
        gained = max(abs(start - end), 0.0)
        if delta < 0.01 * abs(start) or delta < 0.1 * gained:
            return None
        where = next(str(event["where"]) for event in found if event["value"] == delta)
        message = (
            f"an early stop asks for improvements of {spell_value(delta)} (min_delta) in units of a loss that is "
            f"{end:.1e}: the run ended after {case.made} steps while the loss was coming down"
        )
        factor = 10.0**-6 * min(1.0, abs(end) / delta)
        evidence = {"min_delta": delta, "loss": end, "steps": case.made, "late_progress": case.progress.late}
        treatments, advice = [Treatment("stop-delta", "min_delta", factor=factor)], "or compare with the loss itself"
        severity = "fault" if end >= LEFT * start else "warning"
        return self.finding(severity, message, evidence, where=where, treatments=treatments, advice=advice)


class LossKneeUnit(Rule):
    """The finding `loss-knee-unit`."""

    code = "LG027"
    name = "loss-knee-unit"
    title = "the threshold of a Huber or smooth-L1 loss does not fit the units of the targets"
    rank = 19.0
    page = Page(
        "δ (or β) is where the loss bends from quadratic to linear, in units of the targets.",
        "Far above all residuals the loss is a plain square and outliers rule; far below all of them it is an absolute "
        "error. A factor on the loss moves neither.",
        "All residuals lie on one side of δ by a wide margin; on the quadratic side there are outliers besides (the "
        "99th percentile is 6 times the median); on the linear side they are lopsided, or the optimizer is SGD-like "
        "and the loss stands still, for no gradient grows beyond δ.",
        "Take a robust spread of the residuals for δ, or standardise the targets.",
        "Where residuals have no outliers: then a large δ does no harm.",
        "Huber 1964; Girshick 2015",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is δ against the residuals."""
        seen = [
            (r.step, t, t.residual, t.knee)
            for r in case.readings
            for t in r.terms
            if t.residual and t.knee and math.isfinite(t.residual.largest)
        ]
        if not seen:
            return None
        late = [entry[1:] for entry in seen if entry[0] >= seen[-1][0] / 2]
        knee = late[-1][2]
        above = [knee / spread.largest for _, spread, _ in late if spread.largest]
        below = [spread.median / knee for _, spread, _ in late]
        tails = [spread.high / spread.median for _, spread, _ in late if spread.median]
        if not above or not tails:
            return None
        middle = median(spread.median for _, spread, _ in late)
        evidence = {
            "knee": knee,
            "median_residual": middle,
            "largest_residual": knee / median(above),
            "tail": median(tails),
        }
        if median(above) > 1 and median(tails) > HEAVY and (knee / middle if middle else 0) > 16:
            message = (
                f"the threshold {spell_value(knee)} of the loss is above every residual (largest "
                f"{knee / median(above):.2g}, "
                f"median {middle:.2g}): it is a plain square, and the outliers rule"
            )
            factors = [median(above) ** -1 * 0.02, middle / knee * 0.5]
            return self._found(case, message, evidence, factors, late[-1][0])
        lopsided = median(abs(spread.mean) / spread.median for _, spread, _ in late if spread.median)
        if median(below) > LINEAR and case.covariant and case.progress.state in ("stalled", "slow"):
            return self._bounded(case, evidence, late[-1][0], middle, knee)
        if median(below) > LINEAR and lopsided > 0.5 and case.progress.poor:
            message = (
                f"the threshold {spell_value(knee)} of the loss is far below the residuals (median "
                f"{middle:.2g}): it is an "
                "absolute error, which fits the median, and here the mean is elsewhere"
            )
            enough = spell_value(float(f"{10 * middle:.0e}"))
            advice = f"if the mean is wanted, a threshold above the residuals: {enough}"
            return self.finding("warning", message, evidence, where=f"term {late[-1][0].index + 1}", advice=advice)
        return None

    def _bounded(self, case: Case, evidence: dict[str, float], term: Term, middle: float, knee: float) -> Finding:
        """A gradient that cannot grow beyond δ for each sample, under an optimizer whose step is the gradient's."""
        message = (
            f"the threshold {spell_value(knee)} of the loss is far below the residuals (median {middle:.2g}): the "
            f"gradient is cut off there, and {case.title} goes as far for a residual of {middle:.2g} as for one of "
            f"{spell_value(knee)}"
        )
        # β divides the square as well, so that a larger one makes no gradient larger; δ does not.
        delta = not any("Smooth" in function for function in term.functions)
        factors = [float(f"{middle / knee * share:.1g}") for share in (3.0, 0.3)] if delta else []
        treatments = [Treatment("knee", "delta", factor=factor, index=term.index) for factor in factors]
        return self.finding(blame(case), message, evidence, where=f"term {term.index + 1}", treatments=treatments,
                            advice="standardise the targets", measure="residual", matters=0.0)  # fmt: skip

    def _found(self, case: Case, message: str, evidence: dict[str, float], factors: list[float], term: Term) -> Finding:
        name = "beta" if any("Smooth" in function for function in term.functions) else "delta"
        treatments = [Treatment("knee", name, factor=float(f"{factor:.1g}"), index=term.index) for factor in factors]
        return self.finding("fault", message, evidence, where=f"term {term.index + 1}", treatments=treatments,
                            advice="or standardise the targets", measure="residual", matters=0.0)  # fmt: skip


class TargetUnit(Rule):
    """The finding `target-unit`."""

    code = "LG028"
    name = "target-unit"
    title = "targets are far from what the network puts out at first, and no loss factor brings it there"
    rank = 46.0
    page = Page(
        "The network starts with outputs around zero and of order one; the targets are at 1000, or of size 1000.",
        "An adaptive step has units of the weight whatever the loss: the outputs move by about lr per step, and "
        "thousands of steps go into an offset. No factor on the loss can help.",
        "A regression whose residuals stay far larger than the outputs or far from zero on average, under an optimizer "
        "that is scale-free or a loss whose gradient does not grow with them (absolute errors), with weights that do "
        "move.",
        "Standardise the targets, or start the last bias at their mean.",
        "Where the run is long enough to get there.",
        "LeCun et al. 1998, efficient backprop",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are residuals against outputs, and how slowly they shrink."""
        if policy_terms(case):
            return None
        terms: dict[int, list[Term]] = {}
        for term in (t for r in case.readings for t in r.terms if t.kind == "regression" and t.residual):
            terms.setdefault(term.index, []).append(term)
        told = [seen for seen in terms.values() if len(seen) > 2 and (not case.covariant or _is_bounded(seen[-1]))]
        return next((found for seen in told if (found := self._look(case, seen))), None)

    def _look(self, case: Case, seen: list[Term]) -> Finding | None:
        """The finding that one summand of the loss gives rise to."""
        first, last = seen[0].residual, seen[-1].residual
        update = case.typical(case.relative_update)
        if first is None or last is None or update is None or update < FROZEN:
            return None
        size, left = _size(first), _size(last) / max(_size(first), 1e-300)
        offset = abs(first.mean) / first.deviation if first.deviation else 0.0
        output = next((_size(t.output) for t in seen if t.output), None)
        spread = next((t.target.deviation for t in seen if t.target), None)
        far = offset > FAR or (output is not None and size > FAR * output and size > 20 * _reach(case))
        thrown = case.progress.state in ("broken", "diverged", "climbed")
        if not far or size < FAR * ORDINARY or left < 0.3 or thrown or not case.progress.poor:
            return None
        message = (
            f"the targets are {size:.3g} away from what the network puts out at first"
            + (f" (of size {output:.2g})" if output is not None else "")
            + (
                ", and the gradient of this loss is the same however far they are"
                if case.covariant
                else f", and {case.title} moves weights by about lr per step whatever the loss"
            )
            + f": {percent(left)} of the way is left"
        )
        evidence = {"distance": size, "offset_to_spread": offset, "output": output, "target_spread": spread,
                    "left": left, "relative_update": update}  # fmt: skip
        severity = "fault" if update >= HEALTHY[0] / 10 and case.progress.suffers else "warning"
        return self.finding(severity, message, evidence, where=f"term {seen[0].index + 1}",
                            advice="standardise the targets (or start the last bias at their mean); no loss "
                                   "factor can help")  # fmt: skip


def _is_bounded(term: Term) -> bool:
    """Whether the gradient of a loss does not grow with the residual: an absolute error, or one beyond its knee."""
    if term.residual and term.knee:
        return term.residual.median > LINEAR * term.knee
    return term.functions[-1:] in (("L1LossBackward0",), ("AbsBackward0",))


def _size(spread: Spread | None) -> float:
    return math.hypot(spread.mean, spread.deviation) if spread else 0.0


def _reach(case: Case) -> float:
    """How far one bias can go in this run: lr per step."""
    return (case.setting(case.rate or "") or 0.0) * case.made / 20
