"""`prove`: is my training really the same when the loss is multiplied and everything else is co-scaled?"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from lossgauge.experiments.certificate import certify_training
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import multiplier
from lossgauge.records.proof import Proof
from lossgauge.trainings.training import read_script, read_training

LAW_OF = "lossgauge.verbs.laws:law_of_optimizer"


def prove(
    train: Any,
    alpha: "str | float | int | Fraction" = 2**17,
    args: Sequence[str] = (),
    law_of: Callable[[Any], Law] | str | None = None,
    *,
    module: bool = False,
    companion_laws: dict[str, Law] | None = None,
    output: str = "stdout",
    notify: Callable[[str], None] | None = None,
) -> Proof:
    """Prove by bits that a training with the loss multiplied by α, and everything co-scaled, is the same training.

    The training is run several times: twice untouched, then with the loss multiplied, then once for each planted
    violation. It needs no change: the loss is multiplied where `backward` starts.

    Args:
        train: A function without required arguments, `module:name`, or the path of a script.
        alpha: The loss multiplier: a positive number or text such as `2**17`.
        args: The script's arguments.
        law_of: Finds the law of a live optimizer, or `module:name` of such a function; by default the table is asked,
            and discovery where the table has no answer.
        module: Whether `train` is the name of a module to run, as in `python -m`.
        companion_laws: The law of each clip threshold by name (`max_norm`, `clip_value`); None takes the table's.
        output: Where the first run's standard output goes: `stdout`, `stderr` or `nowhere`; later runs are silent.
        notify: Told, before each run, what it is for.

    Returns:
        The proof, with its verdict.

    Raises:
        InputError: When the training or the multiplier cannot be used.
        ScriptError: When the user's own code fails.

    Example:
        >>> from lossgauge import prove
        >>> prove("train.py", alpha="2**17")  # doctest: +SKIP
        Proof(verdict=<Verdict.EXACT: 'EXACT'>, ...)
    """
    return certify_training(
        read_script(train, args, module) if module else read_training(train, args),
        multiplier(alpha),
        law_of or LAW_OF,
        companion_laws,
        output,
        notify or (lambda purpose: None),
    )
