"""The gradients of two losses at one set of weights, batch by batch, from the same forward pass.

Both losses are given the same output of the model, so dropout draws one mask for both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from lossgauge.errors import LossgaugeError, ScriptError
from lossgauge.frameworks.torch.comparison.criteria import Criterion, differentiable
from lossgauge.frameworks.torch.comparison.randomness import restored_buffers, restored_randomness, seed_all
from lossgauge.frameworks.torch.comparison.samples import Samples
from lossgauge.records.alignment import Alignment, Point, pool

Batch = tuple[Any, Any]

LOSSES = 100_000
"""Where the seeds of the losses begin, away from those of the model."""


@dataclass(frozen=True)
class Pair:
    """Two losses and what they are compared on.

    Args:
        first: The first loss, A.
        second: The second loss, B.
        batches: Input and target.
    """

    first: Criterion
    second: Criterion
    batches: Sequence[Batch]


def measure(pair: Pair, model: nn.Module, step: int = 0, detailed: bool = False) -> Point:
    """Both gradients on every batch, at the weights the model has now.

    The random numbers of batch j are the same at every call. Products are added up in float64.

    Args:
        pair: The losses and the batches.
        model: The model; its weights, buffers and gradients stay as they are.
        step: How many steps it was trained, a count.
        detailed: Whether to order the samples by difficulty, which asks for the loss of each.

    Returns:
        The comparison at this point.
    """
    names = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    samples = Samples(detailed)
    rows: list[list[Alignment]] = []
    values: list[tuple[float, float]] = []
    with restored_randomness(), restored_buffers(model), torch.enable_grad():
        for number in range(1, len(pair.batches) + 1):
            one, other, losses = _differentiate(pair, model, number, [weight for _, weight in names], samples)
            values.append(losses)
            rows.append([_align(name, a, b) for (name, _), a, b in zip(names, one, other, strict=True)])
    return Point(
        step=step,
        batches=tuple(_whole(f"batch {number}", row) for number, row in enumerate(rows, 1)),
        layers=tuple(pool(column, column[0].name) for column in zip(*rows, strict=True)),
        value_a=sum(a for a, _ in values) / len(values),
        value_b=sum(b for _, b in values) / len(values),
        weights=samples.summarise(),
    )


def run_model(model: nn.Module, given: Any, place: str) -> Any:
    """The model's output.

    Args:
        model: The model.
        given: Its input: one value, a tuple of positional ones, or a mapping of named ones.
        place: Which batch, for the message.

    Returns:
        What it returns.

    Raises:
        LossgaugeError: As it comes from inside the model.
        ScriptError: When the model fails.
    """
    call: Callable[..., Any] = model
    try:
        if isinstance(given, Mapping):
            return call(**cast("Mapping[str, Any]", given))
        if isinstance(given, (tuple, list)):
            return call(*cast("Sequence[Any]", given))
        return call(given)
    except LossgaugeError:
        raise
    except Exception as error:
        shape = f" of shape {tuple(given.shape)}" if isinstance(given, Tensor) else ""
        raise ScriptError(f"the model failed on the input{shape} of {place}") from error


def _differentiate(
    pair: Pair, model: nn.Module, number: int, weights: list[Tensor], samples: Samples
) -> tuple[list[Tensor], list[Tensor], tuple[float, float]]:
    given, target = pair.batches[number - 1]
    place = f"batch {number}"
    seed_all(number)
    output = run_model(model, given, place)
    taken = [output] if differentiable(output) else []
    seed_all(LOSSES + number)  # a loss may draw random numbers too
    first = pair.first.evaluate(output, target, place)
    seed_all(LOSSES + number)
    second = pair.second.evaluate(output, target, place)
    one = _gradients(first, [*taken, *weights], keep=True)
    other = _gradients(second, [*taken, *weights])
    if taken:
        samples.add(one[0], other[0])
        samples.add_losses(pair.first, output, target)
    skipped = len(taken)
    return one[skipped:], other[skipped:], (float(first.detach()), float(second.detach()))


def _gradients(loss: Tensor, sources: list[Tensor], keep: bool = False) -> list[Tensor]:
    found = torch.autograd.grad(loss, sources, retain_graph=keep, allow_unused=True)
    return [
        torch.zeros_like(source) if part is None else part.to_dense() if part.is_sparse else part
        for source, part in zip(sources, found, strict=True)
    ]


def _align(name: str, one: Tensor, other: Tensor) -> Alignment:
    a, b = one.detach().double().flatten(), other.detach().double().flatten()
    products = torch.stack((a @ a, a @ b, b @ b)).tolist()
    return Alignment(name, *products, same_bits=torch.equal(one, other))


def _whole(name: str, layers: Sequence[Alignment]) -> Alignment:
    """One batch over all layers; a layer that is not finite makes the batch so."""
    if all(layer.finite for layer in layers):
        return pool(layers, name)
    return Alignment(name, float("nan"), float("nan"), float("nan"))
