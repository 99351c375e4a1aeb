"""The numbers beside the findings: what an optimizer's steps were like, and what the loss did."""

import math
from statistics import median
from typing import Any

from lossgauge.diagnosis.case import Case


def measure_gauges(case: Case) -> dict[str, Any]:
    """The numbers beside the findings.

    Args:
        case: The training.

    Returns:
        By name; what is not known is left out.
    """
    progress, reading = case.progress, next((r for r in case.readings if r.terms), None)
    excess = case.excess()
    gauges: dict[str, Any] = {
        "optimizer": case.title if case.optimizer else None,
        "law": str(case.law.verdict) if case.law else None,
        "elasticity": case.typical(case.elasticity),
        "elasticity_instant": case.typical(case.instant),
        "elasticity_missing": _why_no_elasticity(case),
        "carriers": _carriers(case),
        "carriers_estimated": _estimated(case) or None,
        "relative_update": case.typical(case.relative_update),
        "share_below_epsilon": case.typical(case.dominated),
        "gradient_norm": case.typical(case.gradient_norm),
        "share_clipped": sum(ratio > 1 for ratio in excess) / len(excess) if excess else None,
        "norm_to_threshold": median(excess) if excess else None,
        "decay_to_gradient": case.typical(case.decay_ratio),
        "loss_start": None if progress.start is None else case.sign * progress.start,
        "loss_end": None if progress.end is None else case.sign * progress.end,
        "loss_left": progress.left,
        "state": progress.state,
        "backwards_per_step": case.accumulated or None,
        "loss_terms": [_say_term(term.functions, term.reduction, term.factor) for term in reading.terms]
        if reading
        else None,
        "sampled_steps": len(case.samples),
        "skipped_steps": sum(step.skipped for step in case.steps) or None,
        "ending": case.session.ending.reason if case.session.ending else "unknown",
    }
    return {name: value for name, value in gauges.items() if value is not None}


def _carriers(case: Case) -> dict[str, float] | None:
    """The parts of the typical elasticity by hyperparameter: those of the sample in the middle, or of the two there."""
    known = [(e, sample) for sample in case.later if (e := case.elasticity(sample)) is not None and not math.isnan(e)]
    known.sort(key=lambda pair: pair[0])
    middle = [case.carriers(sample) for _, sample in known[(len(known) - 1) // 2 : len(known) // 2 + 1]]
    names = dict.fromkeys(name for parts in middle for name in parts)
    return {name: sum(parts.get(name, 0.0) for parts in middle) / len(middle) for name in names} or None


def _why_no_elasticity(case: Case) -> str | None:
    """Why the settled elasticity is not known, where it is not."""
    if case.optimizer is None or not case.samples or case.typical(case.elasticity) is not None:
        return None
    if case.optimizer.untried:
        return case.optimizer.untried
    if case.law is None or case.typical(case.instant) is not None:
        return "the law of the optimizer was not known while it ran, so only the step itself was measured"
    return "no step of it could be measured"


def _estimated(case: Case) -> list[str]:
    """The carriers whose part rests on an estimate of what the states hold."""
    return list(dict.fromkeys(n for sample in case.later for tensor in sample.tensors for n in tensor.estimated))


def _say_term(functions: tuple[str, ...], reduction: str, factor: float) -> str:
    name = functions[-1].removesuffix("0").removesuffix("Backward") if functions else "?"
    times = f"{factor:.4g} × " if factor != 1 else ""
    return f"{times}{reduction + ' of ' if reduction else ''}{name}"
