"""From twins to a verdict: what the runs of one training say about its equivalence, in the words of the house."""

from dataclasses import replace
from fractions import Fraction

from lossgauge.errors import InputError, ScriptError
from lossgauge.experiments.obstacles import find_obstacle
from lossgauge.experiments.twins import (
    GENTLE,
    Laboratory,
    Notify,
    companion_laws_of_table,
    nearest_power_of_two,
)
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import spell
from lossgauge.laws.verdict import Verdict
from lossgauge.records.proof import Proof
from lossgauge.records.run import Run
from lossgauge.trainings.recorder import LawOf
from lossgauge.trainings.training import Training

ROUNDING = 16
"""Ulps at the first difference up to which only rounding can be at work, if every law in use is lawful."""


def certify_training(
    training: Training,
    alpha: Fraction,
    law_of: LawOf | str,
    companion_laws: dict[str, Law] | None = None,
    output: str = "stdout",
    notify: Notify = lambda purpose: None,
) -> Proof:
    """Prove, or refute, that a training with the loss multiplied and everything co-scaled is the same.

    Args:
        training: The training; it is run several times.
        alpha: The user's multiplier α.
        law_of: Finds the law of each optimizer, or `module:name` of such a function.
        companion_laws: The law of each quantity beside the optimizers; None takes the table's.
        output: Where the first run's standard output goes: `stdout`, `stderr` or `nowhere`.
        notify: Told, before each run, what it is for.

    Returns:
        The proof.
    """
    laws = companion_laws_of_table() if companion_laws is None else companion_laws
    laboratory = Laboratory(training, laws, output, notify)
    again = laboratory.guard(law_of)
    at = nearest_power_of_two(alpha)
    proof = Proof(Verdict.UNDECIDED, alpha, len(laboratory.reference.steps), certified_at=at, laws=laboratory.laws)
    obstacle = find_obstacle(laboratory, again)
    if obstacle is not None:
        return replace(proof, reason=obstacle.reason, first_difference=obstacle.difference)
    proof = replace(proof, notes=tuple(_notes(alpha, at)))
    return _compare(proof, laboratory, at)


def _compare(proof: Proof, laboratory: Laboratory, at: Fraction) -> Proof:
    """The verdict from the twins on both sides of 1, and from planted violations where their bits are equal."""
    for multiplier in (at, 1 / at):
        try:
            twin = laboratory.twin(multiplier)
        except ScriptError as error:
            reason = f"untouched it runs, but at {spell(multiplier)} with everything co-scaled {error}"
            return replace(proof, verdict=Verdict.BROKEN, reason=reason)
        except InputError as error:
            if multiplier == at:
                raise
            proof = replace(proof, notes=(*proof.notes, f"not tried at {spell(multiplier)}: {error}"))
            continue
        if twin.divergence is not None:
            return _differing(proof, laboratory, twin, multiplier)
    caught, inert, failed = laboratory.plant(at)
    notes = [f"a violation of {name} could not be run" for name in failed] + _caveats(laboratory)
    return replace(proof, verdict=Verdict.EXACT, violations_caught=caught, inert=inert, notes=(*proof.notes, *notes))


def _differing(proof: Proof, laboratory: Laboratory, twin: Run, multiplier: Fraction) -> Proof:
    """The verdict where the bits differ."""
    assert twin.divergence is not None
    first = laboratory.locate(twin.divergence)
    proof = replace(proof, first_difference=first)
    at = "" if multiplier == proof.certified_at else f" at {spell(multiplier)}"
    broken = [law for law in laboratory.laws_in_use() if law.verdict == Verdict.BROKEN]
    unknown = [law for law in laboratory.laws if not law.lawful and law not in broken]
    if broken:
        reason = "; ".join(f"{law.title} has no law: {law.reason()}".rstrip(": ") for law in broken)
        return replace(proof, verdict=Verdict.BROKEN, reason=reason + (f" (seen{at})" if at else ""))
    if unknown:
        reason = f"the law of {unknown[0].title} is not established, and the bits differ{at} from {first} on"
        return replace(proof, verdict=Verdict.UNDECIDED, reason=reason)
    if isinstance(first.ulps, int) and first.ulps <= ROUNDING:
        reason = f"equal to rounding only: the twin{at} first differs at {first}"
        return replace(proof, verdict=Verdict.CLOSE, reason=reason + _range(laboratory, multiplier))
    reason = (
        f"the twin{at} differs from {first} on, though every optimizer has a law; something else in the training has "
        "units of the loss, such as a threshold on gradients or a clip function of its own"
    )
    return replace(proof, verdict=Verdict.BROKEN, reason=_range(laboratory, multiplier).removeprefix("; ") or reason)


def _range(laboratory: Laboratory, multiplier: Fraction) -> str:
    """Whether a gentle multiplier would do, which leaves only the range of the number format as the cause."""
    gentle = GENTLE if multiplier > 1 else 1 / GENTLE
    if multiplier == gentle or laboratory.twin(gentle).divergence is not None:
        return ""
    return (
        f"; the bits are equal at {spell(gentle)} but not at {spell(multiplier)}: some quantity leaves the range of "
        "its number format in between; choose a multiplier nearer 1"
    )


def _notes(alpha: Fraction, at: Fraction) -> list[str]:
    if at == alpha:
        return []
    return [
        f"under {spell(alpha)} the numbers themselves are rounded, so bits were compared at {spell(at)}, the power of "
        "two next to it"
    ]


def _caveats(laboratory: Laboratory) -> list[str]:
    """What holds in this run although it does not hold in general."""
    return [
        f"{law.title} has no law in general, it only did not matter in this run: {law.reason()}"
        for law in laboratory.laws_in_use()
        if not law.lawful and law.reason()
    ]
