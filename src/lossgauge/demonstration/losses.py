"""Statements 5 and 8: a factor beside weight decay, and a factor on focal loss."""

from collections.abc import Mapping, Sequence
from typing import Any

from lossgauge.records.statement import Statement


def judge_decay(evidence: Mapping[str, Any]) -> Statement:
    """Statement 5: with L2 a factor shifts the balance, under SGD and Nadam alike.

    Args:
        evidence: What `measure_decay` found.

    Returns:
        The statement; it holds if coupled decay acts as λ/α by bits under both, and λ itself does not.
    """
    places = evidence["places"]
    divided = [name for name, found in places.items() if _only(found, "divided")]
    untouched = [name for name, found in places.items() if _only(found, "untouched")]
    holds = {"SGD, coupled", "NAdam, coupled"} <= set(divided)
    neither = [name for name in places if name not in (*divided, *untouched)]
    if not holds:
        verdict = "false here"
    elif untouched:
        verdict = "true for coupled decay (λ/α); not for every decay"
    else:
        verdict = "true, whatever the decay"
    rest = f"; neither: {'; '.join(neither)}" if neither else ""
    return Statement(
        5,
        "the answer",
        "With L2 regularisation, under SGD and Nadam, the factor shifts the balance between data and penalty.",
        verdict,
        holds,
        f"by bits at 2**17, same as λ/α: {'; '.join(divided) or 'none'}. Same as λ untouched: "
        f"{'; '.join(untouched) or 'none'}{rest}",
        evidence,
    )


def judge_focal(evidence: Mapping[str, Any]) -> Statement:
    """Statement 8: what holds for a factor holds for focal loss.

    Args:
        evidence: What `measure_focal` found.

    Returns:
        The statement; it holds if focal loss obeys the factor laws of SGD and NAdam by bits.
    """
    failed = [title for name, title in (("sgd", "SGD"), ("nadam", "NAdam")) if not evidence[name]["identical"]]
    proof = f"other bits under {' and '.join(failed)}" if failed else "the same bits"
    return Statement(
        8,
        "a later comment",
        "The question concerns focal loss too, which weighs the samples differently.",
        "not as co-scaled here" if failed else "true: the same law, bit for bit",
        not failed,
        f"focal loss (γ = {evidence['gamma']:g}) at 2**17, SGD with lr·α and NAdam with ε·α: {proof}. "
        f"{_say_course(evidence['course'])} (`lossgauge compare`)",
        evidence,
    )


def _say_course(course: Sequence[Mapping[str, Any]]) -> str:
    """How far focal loss is a factor times cross-entropy, at the start and where it is least."""
    first, least = course[0], min(course, key=lambda point: point["cos2"])
    if _mere(course):
        return f"It is cross-entropy times {first['alpha_eff']:.3g} all along the training"
    return (
        f"It is no mere factor: cross-entropy times {first['alpha_eff']:.2f} explains {100 * first['cos2']:.0f} % of "
        f"its gradient at the start, but after {least['step']} steps no factor explains more than "
        f"{100 * least['cos2']:.0f} %"
    )


def _mere(course: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one factor explains everything at every step."""
    factors = [point["alpha_eff"] for point in course]
    return min(point["cos2"] for point in course) >= 1 - 1e-6 and max(factors) - min(factors) <= 1e-3 * max(factors)


def _only(found: Mapping[str, Any], which: str) -> bool:
    """Whether this one agrees by bits and the other does not; if both agreed, λ would be inert and prove nothing."""
    other = "untouched" if which == "divided" else "divided"
    return found[which]["identical"] and not found[other]["identical"]
