"""Holding reused results against runs of their own: which to choose, and whether the promise was kept.

`bits` promises the same weights and losses bit for bit. `rounding` promises the same training with
other roundings, which chaos magnifies in the long run: there the way the loss goes in the first steps is compared.
"""

import math
import random
from collections.abc import Mapping, Sequence
from fractions import Fraction

from lossgauge.experiments.sweeping.reuse import BITS, Share
from lossgauge.experiments.sweeping.store import Audit
from lossgauge.records.sweep import DIVERGED, FAILED, Outcome, Plan

FIRST_STEPS = 10
"""Steps in which rounding has not yet grown."""
TOLERANCE = {"float64": (1e-6, 1e-13), "float32": (1e-2, 1e-5)}
"""By format: the part of the change of the loss, and of the loss itself, by which rounding may move it by then."""


def choose_audits(plan: Plan, shares: Sequence[Share], count: int) -> list[int]:
    """Choose reused settings at random, spread over optimizers, formats and kinds.

    Args:
        plan: The plan; the choice is always the same for it, and a longer one begins with the shorter.
        shares: The share of each setting.
        count: How many.

    Returns:
        Their numbers; all of them where there are fewer.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for share in shares:
        if share.kind and not share.family:
            group = (plan.labels[share.number], plan.settings[share.number].precision, share.kind)
            groups.setdefault(group, []).append(share.number)
    dice = random.Random(plan.fingerprint())
    for members in groups.values():
        dice.shuffle(members)
    longest = max(map(len, groups.values()), default=0)
    turns = (members[turn] for turn in range(longest) for members in groups.values() if turn < len(members))
    return [number for number, _ in zip(turns, range(count), strict=False)]


def choose_probes(plan: Plan, shares: Sequence[Share]) -> list[int]:
    """Choose the settings that speak for others whose symmetry is in doubt: of each family the one farthest in α.

    Formats end at large or at small numbers: where the bits are right at the farthest α, they are in between.

    Args:
        plan: The plan.
        shares: The share of each setting.

    Returns:
        Their numbers.
    """
    farthest: dict[str, tuple[Fraction, int]] = {}
    for share in shares:
        if share.family:
            ratio = plan.settings[share.number].alpha / plan.settings[share.run].alpha
            here = (max(ratio, 1 / ratio), share.number)
            farthest[share.family] = max(farthest.get(share.family, here), here)
    return [number for _, number in farthest.values()]


def compare(share: Share, precision: str, marks: Sequence[int], outcomes: Mapping[int, Outcome], own: Outcome) -> Audit:
    """Hold a reused result against a run of its own.

    Args:
        share: What stands for the setting.
        precision: The setting's number format.
        marks: The steps of the curves.
        outcomes: What came of the runs.
        own: What came of the setting's own run.

    Returns:
        The audit.
    """
    standing = outcomes[share.run]
    difference = _difference(share.kind, precision, marks, standing, own)
    return Audit(share.number, share.run, share.kind, difference)


def _difference(kind: str, precision: str, marks: Sequence[int], standing: Outcome, own: Outcome) -> str:
    """How two outcomes differ that should not, in a few words; empty where they agree."""
    if FAILED in (standing.status, own.status):
        return "" if standing.status == own.status else f"one {standing.status}, the other {own.status}: {own.message}"
    if standing.status != own.status:
        return f"one {standing.status}, the other {own.status}"
    if own.status == DIVERGED:
        return ""  # at which step depends on where the loss itself overflows, and that has a unit
    if kind == BITS:
        if standing.engine != own.engine:
            return f"one was run by the engine {standing.engine}, the other by {own.engine}"
        if standing.digest != own.digest:
            return _say("the weights differ in their bits", standing, own)
        return "" if standing.curve == own.curve else _say("the losses on the way differ in their bits", standing, own)
    return _drift(precision, marks, standing, own)


def _drift(precision: str, marks: Sequence[int], standing: Outcome, own: Outcome) -> str:
    early = [
        (one, other) for step, one, other in zip(marks, standing.curve, own.curve, strict=False) if step <= FIRST_STEPS
    ]
    if not early:
        return ""
    of_change, of_loss = TOLERANCE.get(precision, TOLERANCE["float32"])
    start = early[0][0]
    change = max(abs(one - start) for one, _ in early)
    allowed = of_change * change + of_loss * abs(start)
    gap = max(abs(one - other) for one, other in early)
    if math.isnan(gap) or gap > allowed:
        return _say(f"the losses of the first steps differ by {gap:.2g}", standing, own)
    return ""


def _say(text: str, standing: Outcome, own: Outcome) -> str:
    return f"{text} (final loss {standing.final_loss:.6g} and {own.final_loss:.6g})"
