"""Statements 5 and 8: a factor beside weight decay, and a factor on focal loss."""

from collections.abc import Mapping
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
        f"focal loss (γ = 2) at 2**17, SGD with lr·α and NAdam with ε·α: {proof}; focal loss itself is no mere factor "
        f"on cross-entropy (cosine of the gradients {evidence['cosine']:.3f}, length ×{evidence['length']:.2f})",
        evidence,
    )


def _only(found: Mapping[str, Any], which: str) -> bool:
    """Whether this one agrees by bits and the other does not; if both agreed, λ would be inert and prove nothing."""
    other = "untouched" if which == "divided" else "divided"
    return found[which]["identical"] and not found[other]["identical"]
