"""From a session to a diagnosis: every rule is asked, trials have the last word, the main finding comes first."""

import math
from dataclasses import replace
from typing import Any

from lossgauge.diagnosis.answer import answer
from lossgauge.diagnosis.case import Case
from lossgauge.diagnosis.gauges import measure_gauges
from lossgauge.diagnosis.remedies import say_treatment
from lossgauge.diagnosis.rulebook import RULES
from lossgauge.diagnosis.window import find_windows
from lossgauge.records.diagnosis import SEVERITIES, Diagnosis, Finding, Remedy
from lossgauge.records.session import Session, Trial
from lossgauge.records.treatment import Treatment

CURE = 0.5
"""A trial that brings this share of the best trial's gain is a cure too; of cures the more specific comes first."""
FASTER = 0.5
"""A cure that leaves more than this share of the untreated end only made faster what was coming down anyway."""
SYMPTOM = 34.5
"""The rank from which on a finding no number can cure may be the symptom of another that was cured."""
LAST_RESORT = 80.0
"""The rank from which on a finding is concluded from the absence of others."""


def diagnose_session(session: Session) -> Diagnosis:
    """What follows from a session.

    Args:
        session: What was seen, trials included.

    Returns:
        The diagnosis: findings (the main one first), gauges, windows, an answer in one sentence.
    """
    case, found = Case(session), check_all(session)
    cases = {None: case} | {index: Case(session, index) for index in {f.optimizer for f in found} - {None}}
    settled = [settle(finding, session, cases[finding.optimizer]) for finding in found]
    findings = sorted(_without_last_resorts(settled), key=_order(session))
    gauges = measure_gauges(case)
    return Diagnosis(
        session.script,
        session.made,
        tuple(findings),
        gauges,
        find_windows(case),
        answer(findings, case, gauges),
        tuple(_notes(findings, session)),
    )


def check(case: Case, own: bool = False) -> list[Finding]:
    """Ask every rule of one optimizer.

    Args:
        case: The training, seen through that optimizer.
        own: Whether only the rules are asked that look at the optimizer's own numbers.

    Returns:
        What they found, in the order of their codes, before any trial is considered.
    """
    if not case.steps:
        return []
    rules = [rule for rule in RULES if rule.every or not own]
    return [finding for rule in rules if (finding := rule.check(case)) is not None]


def check_all(session: Session) -> list[Finding]:
    """Ask every rule of the main optimizer, and those that look at an optimizer's own numbers of the others as well.

    Args:
        session: What was seen.

    Returns:
        The findings of the main optimizer, then what only others have; each rule once.
    """
    main = Case(session)
    found = check(main)
    for index in sorted({step.optimizer for step in session.steps} - {main.index}):
        case, known = Case(session, index), {finding.code for finding in found}
        others = [finding for finding in check(case, own=True) if finding.code not in known]
        place = f"{case.title}, optimizer {index + 1} of {len(session.optimizers)}"
        found += [
            replace(other, optimizer=index, where=f"{place}: {other.where}" if other.where else place)
            for other in others
        ]
    return found


def settle(finding: Finding, session: Session, case: Case) -> Finding:
    """Give a finding its remedy, and its severity by what the trials showed.

    Args:
        finding: As its rule made it.
        session: Where the trials are.
        case: The training.

    Returns:
        The finding. What helped is recommended and verified; a signal whose every cure changed nothing is info.
    """
    advice = finding.remedy.text
    trials = [trial for trial in session.trials if trial.code == finding.code]
    helped = [trial for trial in trials if trial.helped]
    if helped:
        best = helped[0]
        text, change = say_treatment(_treatment(best), case)
        remedy = Remedy(_join(text, advice), change, True, best.before, best.after, best.measure)
        return replace(finding, severity="warning" if _only_faster(best, case) else finding.most, remedy=remedy)
    told = [trial for trial in trials if trial.conclusive]
    if told:
        tried = "; ".join(say_treatment(_treatment(trial), case)[0] for trial in told[:2])
        first = told[0]
        remedy = Remedy(f"nothing to do: tried in vain: {tried}", {}, False, first.before, first.after, first.measure)
        return replace(finding, severity="info", remedy=remedy)
    if trials:
        text, change = say_treatment(_treatment(trials[0]), case)
        return replace(finding, remedy=Remedy(f"{text}; could not be tried: {trials[0].note}", change))
    if not finding.treatments:
        return finding
    text, change = say_treatment(finding.treatments[0], case)
    return replace(finding, remedy=Remedy(_join(text, advice), change))


def _only_faster(trial: Trial, case: Case) -> bool:
    """Whether the training was coming down without the cure as well, and not so much more slowly."""
    if case.progress.state not in ("slow", "fell") or trial.measure != "loss":
        return False
    return trial.before is not None and trial.after is not None and trial.after > FASTER * trial.before > 0


def _without_last_resorts(findings: list[Finding]) -> list[Finding]:
    """What is concluded only because nothing else was found is left out where something was.

    And what could not be tried, beside a more specific cause whose cure was tried and helped, is its consequence.

    Returns:
        The findings that are left, consequences as info.
    """
    cured = min((finding.rank for finding in findings if finding.remedy.verified), default=math.inf)
    findings = [
        replace(finding, severity="info") if finding.remedy.verified is None and _follows(finding, cured) else finding
        for finding in findings
    ]
    others = any(finding.severity != "info" and finding.rank < LAST_RESORT for finding in findings)
    return [finding for finding in findings if finding.rank < LAST_RESORT or not others]


def _follows(finding: Finding, cured: float) -> bool:
    """Whether an untried finding may be the consequence of a cause whose cure helped."""
    return math.isfinite(cured) and finding.rank > min(cured, SYMPTOM)


def _order(session: Session) -> Any:
    """Worst first; among the verified ones those that cure before those that help a little; then the more specific."""
    gains = {trial.code: _gain(trial) for trial in reversed(session.trials) if trial.helped}
    best = max(gains.values(), default=0.0)

    def key(finding: Finding) -> tuple[int, int, float]:
        gain = gains.get(finding.code)
        partial = gain is not None and gain < CURE * best
        return SEVERITIES.index(finding.severity), int(partial), finding.rank

    return key


def _gain(trial: Trial) -> float:
    """By how many factors of e a trial lowered what it was to lower; at most ten, for the rest is luck."""
    if trial.before is None or trial.after is None:
        return 1.0
    if not math.isfinite(trial.before):
        return 10.0
    if trial.after <= 0 or trial.before <= 0:
        return 1.0
    floor = 1e-4 * abs(trial.start) if trial.start else 0.0
    return min(10.0, math.log(max(trial.before, floor) / max(trial.after, floor)))


def _treatment(trial: Trial) -> Treatment:
    own: dict[str, Any] = dict(trial.treatment)
    own |= {name: float(own[name]) for name in ("factor", "value") if name in own}  # infinity is a text on disk
    return Treatment(**own)


def _notes(findings: list[Finding], session: Session) -> list[str]:
    notes = [event.text for event in session.events if event.kind in ("limit", "process")]
    ending = session.ending
    if ending is None or ending.reason in ("killed", "failed", "interrupted"):
        detail = f" ({ending.detail})" if ending and ending.detail else ""
        notes.append(f"the training did not end by itself{detail}: this is what was seen until then")
    elif ending.reason == "finished" and ending.detail:
        notes.append(f"{ending.detail}: this is what was seen until then")
    if not session.steps and not any(event.kind == "limit" for event in session.events):
        notes.append("expected a script that calls step() of a torch optimizer in its own process")
    lost = [optimizer for optimizer in session.optimizers if optimizer.law is None]
    notes += [
        f"{optimizer.title} has no known law: {optimizer.obstacle or 'it is not in the table'}" for optimizer in lost
    ]
    untried = any(f.treatments and f.remedy.verified is None and f.severity != "info" for f in findings)
    if untried and not session.trials:
        notes.append(
            "the remedies were not tried; to try them, each in a run of its own, add --confirm (in Python: retry=)"
        )
    return notes


def _join(text: str, advice: str) -> str:
    return f"{text}; {advice}" if advice and advice not in text else text
