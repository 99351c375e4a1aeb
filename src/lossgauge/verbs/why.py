"""`why`: my results changed when I multiplied the loss by α: what carried the change?"""

import hashlib
import inspect
import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError
from lossgauge.experiments.attribution import MOST, Request, attribute_change
from lossgauge.experiments.kept_runs import KeptRuns
from lossgauge.experiments.outcomes import outcome_named
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import multiplier
from lossgauge.records.attribution import Attribution
from lossgauge.trainings.attendance import versions
from lossgauge.trainings.batch import count_cores
from lossgauge.trainings.module_name import find_module
from lossgauge.trainings.script import Script
from lossgauge.trainings.training import Function, Training, read_script, read_training
from lossgauge.verbs.prove import LAW_OF

Progress = Callable[[int, int, str], None]


def why(
    train: Any,
    alpha: "str | float | int | Fraction",
    *,
    args: Sequence[str] = (),
    module: bool = False,
    outcome: str = "loss",
    jobs: int | None = None,
    runs: int = MOST,
    law_of: Callable[[Any], Law] | str | None = None,
    companion_laws: dict[str, Law] | None = None,
    output: str = "stdout",
    progress: Progress | None = None,
) -> Attribution:
    """Say what carried the change that multiplying the loss by α made, in parts that add up to all of it.

    The training is run untouched (twice: it has to repeat itself), at α, and at α with every subset of the quantities
    co-scaled that have units of the loss; with all of them co-scaled it is the untouched training again.

    Args:
        train: A function without required arguments, `module:name`, or the path of a script.
        alpha: The loss multiplier: a positive number other than 1, or text such as `1e5`.
        args: The script's arguments.
        module: Whether `train` is the name of a module to run, as in `python -m`.
        outcome: What is compared: `loss` (at the end, in the user's own units), `weights` (the distance from the
            untouched ones in units of the way these went), `returned` or `returned:key` (of a function), or the name of
            a number that the training prints.
        jobs: How many runs of a script go side by side; by default one per processor. Functions run one by one.
        runs: How many runs the parts may take; where all subsets are more, orders are drawn and parts have intervals.
        law_of: Finds the law of a live optimizer, or `module:name` of such a function; the table, then discovery.
        companion_laws: The law of each clip threshold by name (`max_norm`, `clip_value`); None takes the table's.
        output: Where the first run's standard output goes: `stdout`, `stderr` or `nowhere`; later runs are silent.
        progress: Told how many runs are done, of how many, and what comes next.

    Returns:
        The attribution: `parts` with their shares, the total, the floor of rounding.

    Example:
        >>> from lossgauge import why
        >>> why("train.py", "1e5").parts[0].name  # doctest: +SKIP
        'eps'
    """
    training = _prepare(read_script(train, args, module) if module else read_training(train, args), jobs, runs)
    factor, named = multiplier(alpha), outcome_named(outcome)
    kept = KeptRuns(_identity(train, training, f"{factor} {named.name} {versions()}"))
    told = progress or (lambda done, total, what: None)
    request = Request(factor, named, law_of or LAW_OF, companion_laws, jobs, runs, output, kept, told)
    return attribute_change(training, request)


def _prepare(training: Training, jobs: int | None, runs: int) -> Training:
    """The training, with as many threads as leave each of its runs side by side its own."""
    for name, number in (("jobs", jobs), ("runs", runs)):
        if number is not None and number < 1:
            raise InputError(f"{name} is {number}, expected a whole number of at least 1")
    if isinstance(training, Script):  # the same for all runs, so that sums are added up in the same order
        training.threads = max(1, count_cores() // (jobs or count_cores()))
    return training


def _identity(train: Any, training: Training, rest: str) -> str | None:
    """What tells this work from any other; None for a function of which only the object is known."""
    if isinstance(training, Script):
        path = find_module(training.path) if training.module else Path(training.path).resolve()
        if path is None:
            return None
        return f"{path} {_content(path)} {training.args} {os.getcwd()} {rest}"
    if isinstance(train, str) and isinstance(training, Function):
        try:
            source = inspect.getsourcefile(inspect.unwrap(training.function))
        except TypeError:
            return None
        return None if source is None else f"{train} {source} {_content(Path(source))} {rest}"
    return None


def _content(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
