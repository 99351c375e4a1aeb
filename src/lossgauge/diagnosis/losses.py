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


def unexplained(case: Case) -> float | None:
    """What is left of a loss beside that of the best constant output, which knows the targets and no input.

    Of a regression ⟨residual²⟩/variance of the targets; of a classification its mean cross entropy beside that of
    guessing by the frequencies of the classes. It is 1 where nothing has been learned of the inputs.

    Args:
        case: The training.

    Returns:
        The median over the later half of the readings, of the term that is largest; None where no term is known so.
    """
    readings = [reading for reading in case.readings if reading.terms]
    shares: list[float] = []
    for reading in readings[len(readings) // 2 :]:
        known = [(abs(term.value or 0.0), share) for term in reading.terms if (share := _unexplained(term)) is not None]
        shares += [max(known)[1]] if known else []
    return median(shares) if shares else None


def _unexplained(term: Term) -> float | None:
    found = beside_guessing(term)
    return None if found is None else found[0] / found[1]


def beside_guessing(term: Term) -> tuple[float, float] | None:
    """What a term is per item, and what the best constant output would make of it.

    Args:
        term: The term.

    Returns:
        ⟨residual²⟩ and the variance of the targets, or a mean cross entropy and that of guessing by the frequencies of
        the classes; None for other terms, and where guessing would be perfect.
    """
    if term.residual and term.target:
        variance, square = term.target.deviation**2, term.residual.mean**2 + term.residual.deviation**2
        return (square, variance) if variance else None
    if not term.guess or term.value is None or term.reduction not in ("mean", "sum") or not term.factor:
        return None
    each = term.value / term.factor
    return (each if term.reduction == "mean" else each / (term.elements or 1)), term.guess
