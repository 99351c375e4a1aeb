"""Why nothing can be said about a training by running it again."""

import math
from dataclasses import dataclass

from lossgauge.experiments.outcomes import Outcome
from lossgauge.experiments.twins import Laboratory
from lossgauge.records.proof import FirstDifference
from lossgauge.records.run import Run

SEED = "seed every random generator inside the training, and make its data come in the same order"


@dataclass(frozen=True)
class Obstacle:
    """What stands in the way.

    Args:
        reason: In one line.
        difference: Where the untouched training differs from itself, if that is it.
    """

    reason: str
    difference: FirstDifference | None = None


def find_obstacle(laboratory: Laboratory, again: Run, healthy: bool = True) -> Obstacle | None:
    """Look for a reason why nothing can be said about this training.

    Args:
        laboratory: The training, after its guard.
        again: The second run of the guard.
        healthy: Whether it also has to move something, and to stay finite.

    Returns:
        The reason; None where there is none.
    """
    run = laboratory.reference
    if not run.steps:
        return Obstacle("the training makes no optimizer step; expected one that calls step() of a torch optimizer")
    if again.divergence is not None:
        first = laboratory.locate(again.divergence, measured=False)
        reason = f"the training does not repeat itself: untouched, it differs from itself at {first}; {SEED}"
        return Obstacle(reason, first)
    if not run.backwards:
        return Obstacle(
            "no backward() was seen, so there is no place to multiply the loss; gradients were made in another way"
        )
    unwell = _find_ailment(run) if healthy else None
    if unwell is not None:
        return Obstacle(unwell)
    lost = next((p for p in again.participants if p.law is None), None)
    if lost is not None:
        return Obstacle(f"the law of {lost.target} could not be found: {lost.obstacle or 'it made no step'}")
    return None


def find_wavering(outcome: Outcome, run: Run, again: Run) -> str:
    """Whether an outcome differs between two runs that have the same weights.

    Args:
        outcome: What is compared between runs.
        run: The untouched training.
        again: The same once more.

    Returns:
        The reason why nothing can be said of it, in one line; empty where both have the same.
    """
    values = [outcome.read(one, run) for one in (run, again)]
    if values[0] == values[1] or all(map(math.isnan, values)):
        return ""
    return (
        f"{outcome.title} does not repeat itself: it is {values[0]:.6g} in one untouched run and {values[1]:.6g} in "
        f"the next, though every weight has the same bits; {SEED}, also where it is measured"
    )


def _find_ailment(run: Run) -> str | None:
    broken = next((number for number, step in enumerate(run.steps, 1) if not step.finite), None)
    if broken is not None:
        return (
            f"the weights are not finite from step {broken} on, without any multiplier; lower the learning rate first"
        )
    last = {step.optimizer: step.digests for step in run.steps}
    if all(last[index] == participant.initial for index, participant in enumerate(run.participants)):
        return "the training moves nothing: after the last step every weight has the bits it began with"
    return None
