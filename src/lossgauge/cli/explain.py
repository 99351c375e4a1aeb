"""The command `lossgauge explain`."""

from typing import Annotated, Any

import typer

from lossgauge.cli.printing import answer, exit_code
from lossgauge.cli.values import read_settings


def explain_command(
    optimizer: Annotated[str, typer.Argument(help="Name such as adam, or module:Class.")],
    alpha: Annotated[str | None, typer.Option(help="Loss multiplier α: 1e5, 2**17, 1/256.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="H=VALUE", help="A setting; repeatable.")
    ] = None,
    before: Annotated[str | None, typer.Option("--from", help="Reduction before: sum or mean.")] = None,
    after: Annotated[str | None, typer.Option("--to", help="Reduction after: sum or mean.")] = None,
    items: Annotated[int | None, typer.Option(help="Items the reduction runs over.")] = None,
    accumulate: Annotated[int | None, typer.Option(help="Micro-batches whose gradients are added.")] = None,
    world_size: Annotated[int | None, typer.Option(help="Ranks whose gradients are averaged.")] = None,
    dtype: Annotated[
        str, typer.Option(help="Format of the training: float32, float64, bfloat16, float16.")
    ] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """What multiplying the loss does to an optimizer, and which settings train as before.

    Settings of what stands beside the optimizer are accepted too: max_norm, clip_value, min_lr, eta_min, max_lr,
    threshold, min_delta, init_scale, noise_sigma.

    Example:
        lossgauge explain nadam --alpha 1e5 --set lr=2e-3 --set max_norm=1
        lossgauge explain sgd --from sum --to mean --items 256

    Args:
        optimizer: Name, or `module:Class`.
        alpha: The loss multiplier α as text.
        settings: Texts `name=value`.
        before: The old reduction.
        after: The new reduction.
        items: Items of the reduction, a count.
        accumulate: Micro-batches, a count.
        world_size: Ranks, a count.
        dtype: The format of the training.
        as_json: Whether to print JSON.

    Raises:
        Exit: With 1 when the law is broken.
    """
    from lossgauge.verbs.explain import explain

    causes: dict[str, Any] = dict(before=before, after=after, items=items, accumulate=accumulate, world_size=world_size)
    explanation = explain(optimizer, alpha, settings=read_settings(settings or ()), dtype=dtype, **causes)
    from lossgauge.reports.text_explain import render_explanation

    answer(explanation.to_dict(), render_explanation, as_json)
    raise typer.Exit(exit_code(explanation.verdict))
