"""What is compared between runs of a training: one number for each run."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lossgauge.errors import InputError
from lossgauge.experiments.printed import last_digit, names_printed, read_printed_number
from lossgauge.records.run import Run
from lossgauge.trainings.recorder import Watch

LAST = 0.05
"""The share of the steps at the end over which losses are averaged."""
DIVERGENCE = "divergence"
"""The outcome that takes the place of one that is not finite: 1 where a run diverged, else 0."""


@dataclass(frozen=True)
class Outcome:
    """One number of a run.

    Args:
        name: What a person asked for.
        title: What it is called in a sentence.
        watch: What has to be written down for it.
        read: From a run, and the untouched one, the number; may raise `InputError` where there is none.
    """

    name: str
    title: str
    watch: Watch
    read: Callable[[Run, Run], float]

    @property
    def own(self) -> bool:
        """Whether it is read from the training itself, not from what this prints or returns."""
        return self.name in ("loss", "weights")

    def diverged(self, run: Run, value: float) -> bool:
        """Whether a run left the finite numbers, as far as this outcome notices.

        Args:
            run: The run.
            value: What was read from it.

        Returns:
            True where the outcome is not finite; a distance has two ends, so there the run's own weights count.
        """
        return not run.finite if self.name == "weights" else not math.isfinite(value)

    def resolution(self, run: Run, value: float) -> float:
        """The smallest change of the outcome that can be told from none.

        Args:
            run: A run.
            value: What was read from it.

        Returns:
            The spacing of the numbers it is made of, or one in the last digit that was printed; 0 for a distance.
        """
        if self.name == "weights" or not math.isfinite(value):
            return 0.0
        if self.watch.output:
            return last_digit(run.output, self.title)
        sample = run.losses[-1] if self.name == "loss" else value
        with np.errstate(over="ignore"):
            single = float(np.float32(sample)) == sample
        return float(np.spacing(np.float32(abs(value)))) if single else float(np.spacing(abs(value)))


def outcome_named(name: str) -> Outcome:
    """The outcome a person asked for.

    Args:
        name: `loss`, `weights`, `returned`, `returned:key`, or the name of a number the training prints, if need be as
            `printed:name`.

    Returns:
        The outcome.

    Raises:
        InputError: When it is empty.
    """
    kind, _, key = name.partition(":")
    if not name.strip():
        raise InputError("the outcome is empty, expected loss, weights, returned, or the name of a printed number")
    if name == "loss":
        return Outcome(name, "the final loss", Watch(losses=True), lambda run, reference: _final_loss(run))
    if name == "weights":
        return Outcome(name, "the final weights", Watch(weights=True), _distance)
    if kind == "returned":
        title = f"the returned {key}" if key else "the returned number"
        return Outcome(name, title, Watch(), lambda run, reference: _returned(run, key))
    label = key if kind == "printed" and key else name
    return Outcome(name, label, Watch(output=True), lambda run, reference: _printed(run, label))


def _final_loss(run: Run) -> float:
    """The mean over the last steps: one batch says little."""
    if not run.losses:
        raise InputError(
            "no loss was seen that is a single number where backward starts; expected one, or another outcome, such as "
            "weights"
        )
    if not run.finite:
        return math.nan
    last = run.losses[-max(1, round(LAST * len(run.losses))) :]
    return math.fsum(last) / len(last) if all(map(math.isfinite, last)) else math.nan


def _distance(run: Run, reference: Run) -> float:
    """‖w − w_ref‖/‖w_ref − w_0‖."""
    assert run.weights is not None
    assert reference.weights is not None
    start, end = (np.frombuffer(content) for content in reference.weights)
    own = np.frombuffer(run.weights[1])
    if own.shape != end.shape:
        raise InputError("the runs end with different numbers of weights, which have no distance; use another outcome")
    with np.errstate(over="ignore", invalid="ignore"):
        way, apart = float(np.linalg.norm(end - start)), float(np.linalg.norm(own - end))
    if way == 0.0:
        raise InputError(
            "the untouched training moves no weight, so there is nothing to measure by; use another outcome"
        )
    return apart / way if math.isfinite(way) and run.finite else math.nan


def _returned(run: Run, key: str) -> float:
    if key in run.returned:
        return run.returned[key]
    known = sorted(name for name in run.returned if name)
    if known:
        hint = f"the training returned numbers under {', '.join(known)}; write returned:{known[0]}"
    elif run.returned:
        hint = "the training returned a single number; write returned"
    else:
        hint = "the training returned no number; expected a function that returns one, or a mapping of numbers"
    raise InputError(f"there is no {('returned:' + key) if key else 'returned number'}: {hint}")


def _printed(run: Run, name: str) -> float:
    number = read_printed_number(run.output, name)
    if number is not None:
        return number
    known = names_printed(run.output)
    listed = f"it prints {', '.join(known)}" if known else "it prints no number under any name"
    raise InputError(
        f"the training prints no number called {name!r}: {listed}; expected one of these, or loss, weights or returned"
    )
