"""What rules ask about the summands of a loss."""

import math
from statistics import median

from lossgauge.diagnosis.case import Case
from lossgauge.records.loss_reading import Term


def gradient_shares(case: Case) -> dict[int, float]:
    """The gradient norm of each summand, typically.

    Args:
        case: The training.

    Returns:
        Norm in L/W by the number of the term; empty where the loss is no sum or it was not taken.
    """
    norms: dict[int, list[float]] = {}
    for reading in case.readings:
        for term in reading.terms if len(reading.terms) > 1 else ():
            if term.gradient_norm is not None and math.isfinite(term.gradient_norm):
                norms.setdefault(term.index, []).append(term.gradient_norm)
    return {index: median(values) for index, values in norms.items()}


def elbo_terms(case: Case) -> tuple[Term, Term] | None:
    """A reconstruction and a divergence, where the loss has both.

    Args:
        case: The training.

    Returns:
        The two terms of one reading; None where there is no such pair.
    """
    for reading in case.readings:
        divergence = [term for term in reading.terms if term.kind == "divergence"]
        data = [term for term in reading.terms if term.kind in ("regression", "classification")]
        if len(divergence) == 1 and len(data) == 1:
            return data[0], divergence[0]
    return None


def policy_terms(case: Case) -> list[int]:
    """The numbers of the terms that are policy gradients.

    Args:
        case: The training.

    Returns:
        Their numbers; empty where there are none.
    """
    return terms_of_kind(case, "policy")


def terms_of_kind(case: Case, kind: str) -> list[int]:
    """The numbers of the terms of one kind.

    Args:
        case: The training.
        kind: One of the kinds of `Term`.

    Returns:
        Their numbers, rising.
    """
    return sorted({term.index for reading in case.readings for term in reading.terms if term.kind == kind})
