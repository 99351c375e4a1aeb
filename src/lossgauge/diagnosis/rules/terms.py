"""Faults between the summands of a loss: each has units of its own, and their ratio is a hyperparameter."""

import math
from collections.abc import Sequence
from statistics import median

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.losses import elbo_terms, gradient_shares, policy_terms, terms_of_kind
from lossgauge.diagnosis.progress import Progress
from lossgauge.diagnosis.rule import Page, Rule, percent
from lossgauge.records.diagnosis import Finding
from lossgauge.records.loss_reading import Spread, Term
from lossgauge.records.treatment import Treatment

DROWNED = 1e-2
"""A term with less than this share of the gradient of the largest one is not trained."""
MEANT = 0.1
"""A factor before a term that is less than this share of another's is a weight somebody chose."""
COLLAPSED = 0.1
"""A divergence that is left with less than this share of its first value has collapsed: the latents say nothing."""
BEYOND = 20.0
"""A value error so many times the first outputs of the critic is a reward of another order than the network."""


class TermImbalance(Rule):
    """The finding `term-imbalance`."""

    code = "LG022"
    name = "term-imbalance"
    title = "one summand of the loss gets next to nothing of the gradient"
    rank = 22.0
    page = Page(
        "The loss is a sum of terms with different units; one of them has gradients a hundred times smaller than "
        "another's.",
        "A factor on the whole loss keeps their ratio. It is a change of units of one term that is missing.",
        "The gradient norm of a term is below a hundredth of another's through the run, and the term's own value does "
        "not come down.",
        "Divide each term by the variance of its target, or learn the weights.",
        "Auxiliary terms that are meant to be small; a term that has already come down.",
        "Kendall, Gal & Cipolla 2018; Chen et al. 2018, GradNorm",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are the gradient norms of the terms at sampled steps."""
        shares = gradient_shares(case)
        if len(shares) < 2 or elbo_terms(case) or policy_terms(case):
            return None
        strongest = max(shares, key=lambda index: shares[index])
        drowned = [i for i, share in shares.items() if share < DROWNED * shares[strongest] and not _penalty(case, i)]
        stuck = [index for index in drowned if _stuck(case, index, shares[index] / shares[strongest])]
        if not stuck:
            return None
        weakest = min(stuck, key=lambda index: shares[index])
        ratio = shares[strongest] / max(shares[weakest], 1e-300)
        course = case.term_progress(weakest)
        message = (
            f"term {weakest + 1} of the loss ({_say(case, weakest)}) has {1 / ratio:.0e} of the gradient of term "
            f"{strongest + 1} "
            f"({_say(case, strongest)}), and its own value does not come down"
        )
        factors = [10.0 ** round(math.log10(ratio)), 10.0 ** round(math.log10(ratio) / 2)]
        treatments = [Treatment("term", index=strongest, factor=1 / factor) for factor in dict.fromkeys(factors)]
        treatments.insert(1, Treatment("term", index=weakest, factor=factors[0]))
        evidence = {"gradient_ratio": ratio, "term": weakest + 1, "left": course.left}
        advice = "divide each term by the variance of its target"
        name = f"term {weakest + 1}"
        severity = "info" if _meant(case, weakest) else "fault"
        return self.finding(severity, message, evidence, where=name, treatments=treatments, advice=advice, measure=name)


class ElboReductionMismatch(Rule):
    """The finding `elbo-reduction-mismatch`."""

    code = "LG023"
    name = "elbo-reduction-mismatch"
    title = "the reconstruction is averaged over features while the divergence is summed (or the reverse)"
    rank = 18.0
    page = Page(
        "The evidence lower bound is a sum over features plus a sum over latent dimensions, averaged over the batch.",
        "A mean over D features divides the reconstruction by D: the divergence is D times too heavy, the posterior "
        "collapses, and no factor on the whole loss changes that.",
        "A regression or classification term averaged over more than the batch beside a divergence that is "
        "summed, with "
        "a divergence that vanishes or a reconstruction that does not come down.",
        "Sum the reconstruction over features too; take the mean over the batch only.",
        "A β-VAE with β = D on purpose.",
        "Kingma & Welling 2014; orybkin/sigma-vae-tensorflow issue 2",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal are the reductions of the two terms."""
        found = elbo_terms(case)
        if found is None:
            return None
        data, divergence = found
        if not data.batch or not data.elements or not divergence.batch or not data.items or not divergence.items:
            return None
        features = data.elements / data.batch
        averaged, summed = data.items / data.batch, divergence.items / divergence.batch
        mismatch = averaged / summed if summed else 1.0
        if mismatch < 2 and 1 / mismatch < 2:
            return None
        course = case.term_progress(data.index)
        reached = course.left if course.left is not None else case.progress.left
        kept = case.term_progress(divergence.index).left
        collapsed = kept is not None and kept < COLLAPSED
        if reached is not None and reached < 0.5 and mismatch > 1 and not collapsed:
            return None
        factor, text = (mismatch, "averaged over") if mismatch > 1 else (mismatch, "summed over")
        message = (
            f"the reconstruction is {text} its {features:g} features while the divergence is "
            f"{'summed' if mismatch > 1 else 'averaged'}: the divergence is {max(mismatch, 1 / mismatch):g} times too "
            f"{'heavy' if mismatch > 1 else 'light'}"
        )
        light = [Treatment("term", index=divergence.index, factor=1 / factor)] if factor < 1 else []
        treatments = light + [
            Treatment("term", index=data.index, factor=f) for f in (factor, factor * 8 if factor > 1 else factor / 8)
        ]
        evidence = {"features": features, "reconstruction_divisor": data.items, "divergence_divisor": divergence.items,
                    "reconstruction_left": reached, "divergence_left": kept}  # fmt: skip
        return self.finding("fault", message, evidence, where=f"term {data.index + 1}", treatments=treatments,
                            advice="sum both over everything but the batch, and average both over the batch only",
                            measure="bound")  # fmt: skip


class RewardScale(Rule):
    """The finding `reward-scale`."""

    code = "LG024"
    name = "reward-scale"
    title = "the value loss grows with the square of the reward, and drowns the policy in the shared trunk"
    rank = 17.0
    page = Page(
        "An actor-critic loss adds a policy term, whose advantages are usually normalised, and a squared value error.",
        "The value term has units of the reward squared: rewards of a thousand make its gradient a million times the "
        "policy's. The shared trunk saturates, or a global clip shrinks the policy's gradient to nothing.",
        "A policy term beside a squared value error that is twenty times what the critic puts out at first, and stays.",
        "Normalise rewards or returns, or divide the value coefficient by their variance.",
        "Separate networks without a common clip.",
        "Henderson et al. 2018; van Hasselt et al. 2016, PopArt",
    )

    def check(self, case: Case) -> Finding | None:
        """See `Rule.check`; the signal is the policy's share of the gradient beside a squared term."""
        policy = policy_terms(case)
        for index in terms_of_kind(case, "regression") if policy else ():
            errors = [term for _, term in case.terms(index) if term.residual]
            if not errors:
                continue
            size, reached = (median(_size(t.residual) for t in errors), [_size(t.output) for t in errors if t.output])
            course = Progress(tuple((float(r.step), _size(t.residual)) for r, t in case.terms(index) if t.residual))
            output = reached[0] if reached else None
            if output is None or size < BEYOND * output or (course.left or 0.0) < 0.5:
                continue
            shares = gradient_shares(case)
            ratio = shares[index] / shares[policy[0]] if shares.get(policy[0]) and index in shares else None
            message = (
                f"the critic's target is {size:.3g} away from outputs of size {output:.2g}, and its squared "
                "error grows with the "
                f"square of the reward: it is all of the loss, and it is still {percent(course.left)} of what it was"
            )
            evidence = {"value_error": size, "value_output": output, "gradient_ratio": ratio, "left": course.left}
            return self.finding("fault", message, evidence, where=f"term {index + 1}",
                                advice="normalise rewards or returns, or divide the value coefficient by their "
                                       "variance")  # fmt: skip
        return None


def _size(spread: Spread | None) -> float:
    return math.hypot(spread.mean, spread.deviation) if spread else 0.0


def _meant(case: Case, index: int) -> bool:
    """Whether somebody wrote a small weight before a term that fits no data: a regulariser, meant to be small."""
    seen = [(term, max(abs(other.factor) for other in reading.terms)) for reading, term in case.terms(index)]
    return not any(_fits(term) for term, _ in seen) and all(
        abs(term.factor) < MEANT * largest for term, largest in seen
    )


def _fits(term: Term) -> bool:
    """Whether a term compares an output with data; sizes of activations look like regressions without a target."""
    named = any("Loss" in function for function in term.functions)
    return term.kind == "classification" or (term.kind == "regression" and (named or term.target is not None))


def _penalty(case: Case, index: int) -> bool:
    return any(term.kind == "penalty" for _, term in case.terms(index))


def _stuck(case: Case, index: int, share: float) -> bool:
    """Whether a term's own value does not come down; where it is not known the loss as a whole decides.

    Under Adam even a term that gets next to nothing drifts; the less it gets, the less its drift counts as training.

    Returns:
        True where it is stuck.
    """
    course = case.term_progress(index)
    enough = 0.5 if share > DROWNED**2 else 0.1
    return course.left > enough if course.left is not None else case.progress.suffers


def _say(case: Case, index: int) -> str:
    terms: Sequence[Term] = [term for _, term in case.terms(index)]
    return terms[0].functions[-1].removesuffix("Backward0") if terms and terms[0].functions else percent(None)
