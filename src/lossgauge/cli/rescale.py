"""The command `lossgauge rescale`."""

from pathlib import Path
from typing import Annotated

import typer

from lossgauge.cli.printing import answer, exit_code


def rescale_command(
    checkpoint: Annotated[Path, typer.Argument(help="The file, as torch.save wrote it.")],
    alpha: Annotated[str, typer.Option(help="Loss multiplier α: 1e5, 2**12, 1/256.")],
    optimizer: Annotated[str, typer.Option(help="Its name, such as nadam; the file does not tell it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it must not exist.")],
    key: Annotated[str | None, typer.Option(help="Where it is in the file: optimizer, states.0.")] = None,
    max_norm: Annotated[float | None, typer.Option(help="Global-norm clipping until now.")] = None,
    clip_value: Annotated[float | None, typer.Option(help="Value clipping until now.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Do the best possible without an exact law.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Rewrite a checkpoint so that training with the loss multiplied goes on as before.

    Changes the settings and state tensors of the optimizer, and the schedulers and GradScaler saved beside it.

    Example:
        lossgauge rescale run.pt --alpha 2**12 --optimizer nadam -o rescaled.pt
        lossgauge rescale run.pt --alpha 256 --optimizer sgd --key states.0 --max-norm 1 -o rescaled.pt

    Args:
        checkpoint: The file.
        alpha: The loss multiplier α as text.
        optimizer: The optimizer's name.
        output: The file to write.
        key: The dotted path of the optimizer's `state_dict` in the file.
        max_norm: The threshold of global-norm clipping, in L/W.
        clip_value: The threshold of value clipping, in L/W.
        force: Whether to approximate where there is no exact law.
        as_json: Whether to print JSON.

    Raises:
        Exit: With 1 when the law is broken and was forced.
    """
    from lossgauge.verbs.rescale import rescale_checkpoint

    record = rescale_checkpoint(
        checkpoint,
        alpha,
        output,
        key=key,
        optimizer=optimizer,
        max_norm=max_norm,
        clip_value=clip_value,
        force=force,
    )
    from lossgauge.reports.text_rescale import render_rescaling

    answer(record.to_dict(), render_rescaling, as_json)
    raise typer.Exit(exit_code(record.verdict))
