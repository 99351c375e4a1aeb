"""The command `lossgauge prove`."""

import sys
from contextlib import nullcontext, redirect_stdout
from typing import Annotated

import typer

from lossgauge.cli.printing import answer, exit_code, stages


def prove_command(
    target: Annotated[str, typer.Argument(help="The training: module:name or script.py.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[ARGS]...", help="Arguments of the script.")] = None,
    alpha: Annotated[
        str, typer.Option(help="Loss multiplier α; a power of two, so that bits can be compared.")
    ] = "2**17",
    module: Annotated[bool, typer.Option("-m", help="The training is a module, run as in python -m.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run a training with the loss multiplied and everything co-scaled, and compare the weights bit for bit.

    The training is first run twice as it is: one that does not repeat itself is UNDECIDED.

    Example:
        lossgauge prove my_package.training:train --alpha 2**17
        lossgauge prove train.py --alpha 2**17 -- --epochs 1
        lossgauge prove -m my_package.train --alpha 2**17

    Args:
        target: `module:name` of a function without required arguments, or a script.
        arguments: Arguments of the script.
        alpha: The loss multiplier α as text.
        module: Whether `target` is a module to run.
        as_json: Whether to print JSON.

    Raises:
        Exit: With 1 when the training is not equivalent or could not be judged.
    """
    from lossgauge.verbs.prove import prove

    # One document on standard output and nothing else: what the training prints goes the other way.
    output = "stderr" if as_json else "stdout"
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), stages() as notify:
        given = {"args": list(arguments or ()), "module": module}
        proof = prove(target, alpha=alpha, **given, output=output, notify=notify)
    from lossgauge.reports.text_prove import render_proof

    answer(proof.to_dict(), render_proof, as_json)
    raise typer.Exit(exit_code(proof.verdict))
