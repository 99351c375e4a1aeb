"""Trying remedies: one change at a time, in runs of their own, against the untouched run at the same step."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.checkup import check_all
from lossgauge.diagnosis.progress import Progress, thinned
from lossgauge.diagnosis.remedies import say_treatment
from lossgauge.records.diagnosis import Finding
from lossgauge.records.session import Ending, Session, Trial
from lossgauge.records.treatment import Treatment

Try = Callable[[Sequence[Sequence[Treatment]], int], "list[Session | None]"]
"""Runs the training once for each list of treatments, side by side, for at most so many steps."""
Notify = Callable[[str], None]

FEWEST = 4
"""Points that a course must have to be compared."""
BETTER = 0.8
"""A treated run has to end at no more than this share of the untouched one, and by an amount that matters."""
CALMER = 0.3
"""The same of its highest losses, which are the luck of when it blew up."""
MOST = 16
"""Trials in all, where nobody says otherwise."""
LONGEST = 20_000
"""Steps of a trial, where nobody says otherwise."""


@dataclass(frozen=True)
class _Candidate:
    finding: Finding
    treatment: Treatment
    case: Case


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
    Findings of severity info are tried only where training suffers and nothing else was found. With the first round the
    unchanged training is run once more: what it differs by from the run before is luck, and luck is no cure. Where it
    makes no step either the training cannot be run again, and no further round is begun.

    Args:
        session: The session of the untouched run; the trials are added to it.
        trial: Runs treated trainings.
        notify: Told, before each round, what is being tried.
        most: How many trials there may be.
        steps: How many steps each may take at most.

    Returns:
        The session.
    """
    length = min(steps, session.made) or steps
    control: Session | None = None
    found = check_all(session)
    for turn in range(3):
        candidates = _candidates(found, session, turn)[: max(0, most - len(session.trials))]
        if not candidates:
            continue
        notify("trying " + "; ".join(say_treatment(c.treatment, c.case)[0] for c in candidates))
        plans: list[list[Treatment]] = [[candidate.treatment] for candidate in candidates]
        unchanged: list[list[Treatment]] = [[]] if turn == 0 else []
        outcomes = trial(plans + unchanged, _allowed(candidates, length))
        control = outcomes.pop() if unchanged else control
        for candidate, outcome in zip(candidates, outcomes, strict=True):
            session.trials.append(judge(candidate.finding, candidate.treatment, candidate.case, outcome, control))
        if control is not None and not control.steps:
            break
    return session


def judge(
    finding: Finding, treatment: Treatment, case: Case, outcome: Session | None, control: Session | None = None
) -> Trial:
    """Compare a treated run with the untouched one.

    Args:
        finding: What is to be cured; it says what to compare.
        treatment: What was changed.
        case: The untouched run.
        outcome: The session of the treated run; None where it could not be carried out.
        control: The session of another run of the unchanged training; None where there is none.

    Returns:
        The trial.
    """
    trial = Trial(finding.code, treatment.summary(), finding.measure, conclusive=False)
    if outcome is None or not outcome.steps:
        why = f": {outcome.ending.detail}" if outcome is not None and outcome.ending and outcome.ending.detail else ""
        return replace(trial, note=f"it could not be carried out{why}")
    treated = _seen(outcome, case)
    unchanged = _seen(control, case) if control is not None and control.steps else None
    mine, theirs, measure = _courses(finding.measure, case, treated)
    if not _tells(mine, case) and unchanged is not None:  # a run of its own is looked at more often than the user's
        mine = _courses(finding.measure, unchanged, treated)[0]
    if finding.measure != "loss" and not (_tells(mine, case) and _tells(theirs, treated)):
        # Nor does the loss say it: it is another one with another weight or threshold.
        if _broke(treated):
            return replace(trial, measure=measure, after=math.inf, note="it did not stay finite", conclusive=True)
        return replace(trial, measure=measure, note=f"too few of its steps were looked at to compare the {measure}")
    longer = treatment.kind == "stop-delta" or case.title == "LBFGS"
    step = math.inf if longer else min(_last(mine), _last(theirs))
    before, after, start = mine.at(step), theirs.at(step), mine.start
    count = int(step) if math.isfinite(step) else treated.made
    trial = replace(trial, measure=measure, before=before, start=start, steps=count, curve=_beside(mine, theirs))
    ending = outcome.ending or Ending("killed")
    short = step < 0.5 * _last(mine) and ending.reason != "stopped"  # stopped is what was asked for, after so many
    if short and ending.reason in ("failed", "killed", "interrupted") and not _broke(treated):
        return replace(trial, note=f"it ended after {treated.made} steps: {ending.detail}")
    after = math.inf if short else after
    share = CALMER if finding.measure == "highest" else BETTER
    helped = is_better(before, after, start, finding.matters, share)
    again = None if unchanged is None else _courses(finding.measure, case, unchanged)[1]
    if again is not None and (longer or _last(again) >= step):
        lucky = again.at(step)
        if is_better(lucky, after, start, finding.matters, share) != helped:
            note = f"another run of the unchanged training came to {lucky or math.nan:.3g} by itself"
            return replace(trial, after=after, note=note)
    note = "" if after is not None and math.isfinite(after) else "it did not stay finite"
    return replace(trial, after=after, helped=helped, note=note, conclusive=True)


def _seen(run: Session, case: Case) -> Case:
    """Another run through the same optimizer, where it got so far as to have it."""
    return Case(run, case.index if case.index < len(run.optimizers) else None)


def _broke(treated: Case) -> bool:
    """Whether its numbers went beyond the format before it ended, which is what a cure must not do."""
    gone = any(step.loss is not None and not math.isfinite(step.loss) for step in treated.steps)
    return gone or bool(treated.events("non-finite"))


def is_better(
    before: float | None, after: float | None, start: float | None, matters: float = 0.02, share: float = BETTER
) -> bool:
    """Whether a treated run got clearly further.

    Args:
        before: Where the untouched run ended, in any unit.
        after: Where the treated run ended.
        start: Where both began.
        matters: The smallest difference that counts, as a share of the start.
        share: The largest share of `before` that is clearly less.

    Returns:
        True where the end is at least a fifth lower, or as much as is asked for, and by an amount that matters beside
        the start.

    >>> is_better(0.99, 0.004, 1.0), is_better(1e-9, 1e-12, 1.0), is_better(float("inf"), 0.5, 1.0)
    (True, False, True)
    """
    if after is None or not math.isfinite(after):
        return False
    if before is None or not math.isfinite(before):
        return start is None or after < 0.9 * abs(start)
    scale = abs(start) if start is not None and math.isfinite(start) else abs(before)
    if before > 0 and after >= 0:
        return after <= share * before and before - after >= matters * scale
    return before - after >= (1 - share) * max(abs(before), abs(after))


def _candidates(found: Sequence[Finding], session: Session, turn: int) -> list[_Candidate]:
    """The next treatment of every finding that nothing has helped yet."""
    found = sorted(found, key=lambda finding: finding.rank)
    serious = [finding for finding in found if finding.severity != "info"]
    if not serious and Case(session).progress.suffers:
        serious = found
    helped = {trial.code for trial in session.trials if trial.helped}
    return [
        _Candidate(finding, finding.treatments[turn], Case(session, finding.optimizer))
        for finding in serious
        if finding.code not in helped and turn < len(finding.treatments)
    ]


def _allowed(candidates: Sequence[_Candidate], length: int) -> int:
    """A run that stopped too early has to be allowed more steps than it made."""
    return length * 20 if any(c.treatment.kind == "stop-delta" for c in candidates) else length


def _courses(measure: str, case: Case, treated: Case) -> tuple[Progress, Progress, str]:
    """What to compare: what the finding asks for."""
    if measure == "residual":
        return case.residual_progress(), treated.residual_progress(), "median residual"
    if measure == "bound":
        return case.bound_progress(), treated.bound_progress(), "evidence lower bound (its negative)"
    if measure == "highest":
        return case.progress.highest(), treated.progress.highest(), "highest loss of a fifth of the run"
    if measure.startswith("term "):
        index = int(measure.removeprefix("term ")) - 1
        return case.term_progress(index), treated.term_progress(index), measure
    return case.progress, treated.progress, "loss"


def _tells(course: Progress, case: Case) -> bool:
    """Whether enough of a run was looked at, and late enough, to compare where it came to."""
    return len(course.points) >= FEWEST and _last(course) >= 0.5 * case.made


def _last(course: Progress) -> float:
    return course.points[-1][0] if course.points else 0.0


def _beside(mine: Progress, theirs: Progress) -> tuple[tuple[float, float, float], ...]:
    known = dict(theirs.points)
    both = [(step, value) for step, value in mine.points if step in known]
    return tuple((step, value, known[step]) for step, value in thinned(both, 150))
