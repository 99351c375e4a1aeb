"""The command `lossgauge compare`."""

import sys
from contextlib import nullcontext, redirect_stdout
from typing import Annotated, Any

import typer

from lossgauge.cli.printing import answer, status
from lossgauge.cli.values import read_settings
from lossgauge.errors import InputError


def compare_command(
    loss_a: Annotated[str, typer.Argument(help="The loss until now: a name such as mse, or module:name.")],
    loss_b: Annotated[str, typer.Argument(help="The loss it is changed into, such as focal:gamma=2.")],
    model: Annotated[str | None, typer.Option(help="module:name of a model, or of a function that makes it.")] = None,
    batches: Annotated[
        str | None, typer.Option(help="module:name of pairs (input, target), or what makes them.")
    ] = None,
    optimizer: Annotated[str, typer.Option(help="Name such as adam, or module:Class.")] = "adam",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="H=VALUE", help="A setting of the optimizer; repeatable.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of each training; 0 only looks at the start.")] = 200,
    most_batches: Annotated[int, typer.Option(help="How many batches to use at most.")] = 32,
    picture: Annotated[str | None, typer.Option(metavar="FILE", help="Draw a picture: .svg or .png.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """How much of changing the loss function is a pure factor, how much another direction.

    Without --model and --batches a small problem of our own is used. Names: mse, mse-sum, mae, huber:delta=1,
    smooth-l1:beta=1, cross-entropy, cross-entropy-sum, focal:gamma=2, label-smoothing:smoothing=0.1,
    weighted-cross-entropy:weights=1,2,3 and bce (of logits).

    Example:
        lossgauge compare cross-entropy focal:gamma=2
        lossgauge compare mse my.losses:robust --model my.net:Net --batches my.data:batches

    Args:
        loss_a: Name, or `module:name`.
        loss_b: Name, or `module:name`.
        model: `module:name`.
        batches: `module:name`.
        optimizer: Name, or `module:Class`.
        settings: Texts `name=value`.
        steps: Steps of each training, a count.
        most_batches: Batches used at most, a count.
        picture: The file to draw to.
        as_json: Whether to print JSON.
    """
    given: dict[str, Any] = dict(optimizer=optimizer, settings=settings, steps=steps, most_batches=most_batches)
    _compare(loss_a, loss_b, model, batches, given, picture, as_json)


def _compare(
    loss_a: str,
    loss_b: str,
    model: str | None,
    batches: str | None,
    given: dict[str, Any],
    picture: str | None,
    as_json: bool,
) -> None:
    """Compare, draw, answer."""
    if picture is not None and not picture.lower().endswith((".svg", ".png")):
        raise InputError(f"the picture is {picture!r}, expected a file that ends in .svg or .png")
    if picture is not None and given["steps"] == 0:
        raise InputError("a picture shows the course of a training, expected --steps of at least 1")
    given["settings"] = read_settings(given["settings"] or ())
    from lossgauge.verbs.compare import compare

    # One document on standard output and nothing else: what the user's modules print goes the other way.
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), status() as notify:
        plain = compare(loss_a, loss_b, model, batches, **given, notify=notify).to_dict()
    if picture is not None:
        from lossgauge.reports.comparison_picture import draw_comparison, save_picture

        save_picture(draw_comparison(plain), picture)
    from lossgauge.reports.text_compare import render_comparison

    answer(plain, render_comparison, as_json)
    raise typer.Exit(int(plain["verdict"] == "undecided"))
