"""Faults of number formats: gradients that flush to zero, updates that are rounded away."""

from dataclasses import replace
from statistics import mean

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.rule import Page, Rule, blame, names, percent
from lossgauge.laws.spelling import spell_value
from lossgauge.records.diagnosis import Finding
from lossgauge.records.treatment import Treatment

FLUSHED = 0.25
"""The share of gradient elements flushed to zero from which on training must notice."""
LOST = 0.4
"""The share of updates rounded away from which on training must notice."""
AFTERMATH = 58.0
"""The rank of updates lost in float32 or float64: those are so short that something else has made them so."""
NARROW = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


class Fp16GradientUnderflow(Rule):
    """The finding `fp16-gradient-underflow`."""

    code = "LG010"
    name = "fp16-gradient-underflow"
    title = "gradients flush to zero in float16"
    rank = 10.0
    page = Page(
        "In a float16 backward everything below 6e-8 (2^-24) is zero.",
        "A small loss, or a mean over many elements, makes activation gradients smaller than that. It is a limit "
        "on the "
        "loss multiplier from below; mixed precision's scaler multiplies the loss for this reason alone.",
        "Gradient elements that are zero in this backward and are not zero when the same backward starts from the loss "
        "times 2^24: zeros that are zero in any format do not count.",
        "Use a GradScaler (or a larger scale), bfloat16, or multiply the loss.",
        "Where only a small share is flushed.",
        "Micikevicius et al. 2018, mixed precision training",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the counterfactual of the readings."""
        seen = [reading for reading in case.readings if reading.flushed]
        shares = [mean(reading.flushed.values()) for reading in seen if reading.flushed]
        if not shares or mean(shares) < FLUSHED:
            return None
        share, last = mean(shares), seen[-1]
        held = [
            case.session.tensors[int(n)].name for n, s in (last.flushed or {}).items() if s > FLUSHED and int(n) >= 0
        ]
        scale = f" (at mixed precision's scale of {last.scale:g})" if last.scale != 1 else ""
        message = (
            f"{percent(share)} of the observed gradient elements flush to zero in float16{scale}; with the loss "
            f"multiplied by 2^{last.flushed_at} they do not"
        )
        treatments = [Treatment("scaler", factor=factor) for factor in (2.0**16, 2.0**24)]
        evidence = {"share_flushed": share, "largest_share": max(shares), "scale": last.scale}
        severity = blame(case, case.progress.poor)
        advice = "torch.amp.GradScaler does this, and takes it back; bfloat16 needs none"
        return self.finding(severity, message, evidence, where=names(held), treatments=treatments, advice=advice)


class WeightUlpStagnation(Rule):
    """The finding `weight-ulp-stagnation`."""

    code = "LG011"
    name = "weight-ulp-stagnation"
    title = "updates are smaller than half an ulp of the weight and are rounded away"
    rank = 12.0
    page = Page(
        "A weight of 1 in bfloat16 has neighbours 0.004 above and 0.008 below; a smaller change is rounded away.",
        "The optimizer works and nothing moves. Under SGD a larger loss makes larger updates; under Adam it does not.",
        "The optimizer's own step on float64 copies moves the weight, by less than half an ulp, on at least 40 % "
        "of the "
        "observed elements, through the run.",
        "Keep master weights in float32, round stochastically, or use a larger learning rate.",
        "At the very end of a schedule.",
        "Zamirai et al. 2020, revisiting bfloat16 training",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the share of intended updates that were lost."""
        share = case.typical(lambda s: case.share(s, lambda t: t.lost))
        if share is None or share < LOST:
            return None
        formats = sorted({tensor.format for tensor in case.session.tensors if tensor.optimizer == case.index})
        narrow = [kind for kind in formats if kind in NARROW]
        wide = "float32" if narrow else "float64"
        message = (
            f"{percent(share)} of the updates are below half an ulp of their weight in {', '.join(narrow or formats)} "
            "and are rounded away"
        )
        held = [case.tensor(t).name for t in case.later[-1].tensors if (t.lost or 0.0) > LOST]
        treatment = Treatment("master-weights", optimizer=case.index, choice=wide)
        evidence = {"share_lost": share, "formats": formats, "relative_update": case.typical(case.relative_update),
                    "learning_rate": case.setting(case.rate or "")}  # fmt: skip
        rate = spell_value(case.setting(case.rate or ""))
        severity, advice = blame(case, case.progress.poor), f"or a larger learning rate than {rate}"
        found = self.finding(severity, message, evidence, where=names(held), treatments=[treatment], advice=advice)
        return found if narrow else replace(found, rank=AFTERMATH)
