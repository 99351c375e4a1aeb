"""Trying remedies: one change at a time, in runs of their own, against the untouched run at the same step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.checkup import check
from lossgauge.diagnosis.progress import Progress, thinned
from lossgauge.diagnosis.remedies import say_treatment
from lossgauge.records.diagnosis import Finding
from lossgauge.records.session import Session, Trial
from lossgauge.records.treatment import Treatment

Try = Callable[[Sequence[Sequence[Treatment]], int], "list[Session | None]"]
"""Runs the training once for each list of treatments, side by side, for at most so many steps."""
Notify = Callable[[str], None]

BETTER = 0.8
"""A treated run has to end at no more than this share of the untouched one, and by an amount that matters."""
MOST = 16
"""Trials in all, where nobody says otherwise."""
LONGEST = 20_000
"""Steps of a trial, where nobody says otherwise."""


@dataclass(frozen=True)
class _Candidate:
    finding: Finding
    treatment: Treatment


def confirm(
    session: Session,
    trial: Try,
    *,
    notify: Notify = lambda text: None,
    most: int = MOST,
    steps: int = LONGEST,
) -> Session:
    """Try the remedies of what was found, and add what came of it to the session.

    The best treatment of every finding is tried first, then the second best of those that nothing has helped yet.
    Findings of severity info are tried only where training suffers and nothing else was found.

    Args:
        session: The session of the untouched run; the trials are added to it.
        trial: Runs treated trainings.
        notify: Told, before each round, what is being tried.
        most: How many trials there may be.
        steps: How many steps each may take at most.

    Returns:
        The session.
    """
    case = Case(session)
    length = min(steps, session.made) or steps
    for turn in range(3):
        candidates = _candidates(case, session, turn)[: max(0, most - len(session.trials))]
        if not candidates:
            continue
        notify("trying " + "; ".join(say_treatment(c.treatment, case)[0] for c in candidates))
        allowed = _allowed(candidates, length)
        outcomes = trial([[candidate.treatment] for candidate in candidates], allowed)
        for candidate, outcome in zip(candidates, outcomes, strict=True):
            session.trials.append(judge(candidate.finding, candidate.treatment, case, outcome))
    return session


def judge(finding: Finding, treatment: Treatment, case: Case, outcome: Session | None) -> Trial:
    """Compare a treated run with the untouched one.

    Args:
        finding: What is to be cured; it says what to compare.
        treatment: What was changed.
        case: The untouched run.
        outcome: The session of the treated run; None where it could not be carried out.

    Returns:
        The trial.
    """
    change = treatment.summary()
    if outcome is None or not outcome.steps:
        return Trial(finding.code, change, finding.measure, note="it could not be carried out")
    treated = Case(outcome, case.index if case.index < len(outcome.optimizers) else None)
    mine, theirs, measure = _courses(finding.measure, case, treated)
    longer = treatment.kind == "stop-delta" or case.title == "LBFGS"
    step = math.inf if longer else min(_last(mine), _last(theirs))
    before, after, start = mine.at(step), theirs.at(step), mine.start
    if step < 0.5 * _last(mine):  # it broke off, or broke down
        after = math.inf
    broken = after is None or not math.isfinite(after)
    helped = not broken and is_better(before, after, start, finding.matters)
    curve = _beside(mine, theirs)
    note = "it did not stay finite" if broken else ""
    count = int(step) if math.isfinite(step) else treated.made
    return Trial(finding.code, change, measure, before, after, start, helped, count, note, curve)


def is_better(before: float | None, after: float | None, start: float | None, matters: float = 0.02) -> bool:
    """Whether a treated run got clearly further.

    Args:
        before: Where the untouched run ended, in any unit.
        after: Where the treated run ended.
        start: Where both began.
        matters: The smallest difference that counts, as a share of the start.

    Returns:
        True where the end is at least a fifth lower, and by an amount that matters beside the start.

    >>> is_better(0.99, 0.004, 1.0), is_better(1e-9, 1e-12, 1.0), is_better(float("inf"), 0.5, 1.0)
    (True, False, True)
    """
    if after is None or not math.isfinite(after):
        return False
    if before is None or not math.isfinite(before):
        return start is None or after < 0.9 * abs(start)
    scale = abs(start) if start is not None and math.isfinite(start) else abs(before)
    if before > 0 and after >= 0:
        return after <= BETTER * before and before - after >= matters * scale
    return before - after >= 0.2 * max(abs(before), abs(after))


def _candidates(case: Case, session: Session, turn: int) -> list[_Candidate]:
    """The next treatment of every finding that nothing has helped yet."""
    found = sorted(check(case), key=lambda finding: finding.rank)
    serious = [finding for finding in found if finding.severity != "info"]
    if not serious and case.progress.suffers:
        serious = found
    helped = {trial.code for trial in session.trials if trial.helped}
    return [
        _Candidate(finding, finding.treatments[turn])
        for finding in serious
        if finding.code not in helped and turn < len(finding.treatments)
    ]


def _allowed(candidates: Sequence[_Candidate], length: int) -> int:
    """A run that stopped too early has to be allowed more steps than it made."""
    return length * 20 if any(c.treatment.kind == "stop-delta" for c in candidates) else length


def _courses(measure: str, case: Case, treated: Case) -> tuple[Progress, Progress, str]:
    """What to compare: what the finding asks for where both runs know it, else the loss."""
    if measure == "residual":
        mine, theirs = case.residual_progress(), treated.residual_progress()
        if mine.points and theirs.points:
            return mine, theirs, "median residual"
    if measure == "bound":
        mine, theirs = case.bound_progress(), treated.bound_progress()
        if len(mine.points) > 3 and len(theirs.points) > 3:
            return mine, theirs, "evidence lower bound (its negative)"
    if measure.startswith("term "):
        index = int(measure.removeprefix("term ")) - 1
        mine, theirs = case.term_progress(index), treated.term_progress(index)
        if len(mine.points) > 3 and len(theirs.points) > 3:
            return mine, theirs, measure
    return case.progress, treated.progress, "loss"


def _last(course: Progress) -> float:
    return course.points[-1][0] if course.points else 0.0


def _beside(mine: Progress, theirs: Progress) -> tuple[tuple[float, float, float], ...]:
    known = dict(theirs.points)
    both = [(step, value) for step, value in mine.points if step in known]
    return tuple((step, value, known[step]) for step, value in thinned(both, 150))
