"""Trainings of copies of the model, with a look at both gradients at steps 1, 2, 5, 10, 20 and so on."""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from lossgauge.errors import InputError, LossgaugeError, ScriptError
from lossgauge.frameworks.torch.catalogue import find
from lossgauge.frameworks.torch.comparison.bench import Bench
from lossgauge.frameworks.torch.comparison.criteria import Criterion
from lossgauge.frameworks.torch.comparison.gradients import measure, run_model
from lossgauge.frameworks.torch.comparison.randomness import restored_randomness, seed_all
from lossgauge.frameworks.torch.conditions import compiler_unloaded, own_step
from lossgauge.frameworks.torch.signatures import nested
from lossgauge.records.alignment import Point

SEED = 10_000
"""Away from the seeds of the measurements, so that training does not repeat their random numbers."""


def build(bench: Bench, optimizer: Any, settings: Mapping[str, Any]) -> tuple[nn.Module, Any]:
    """A copy of the model with an optimizer of its own.

    Args:
        bench: The losses and the model.
        optimizer: A name such as `adam`, `module:Class`, a function of the weights, or a live optimizer of the model,
            which is copied with its state.
        settings: Values by name, for an optimizer that is made.

    Returns:
        The copy and its optimizer.

    Raises:
        InputError: When the optimizer cannot be made, or is not one of this model.
        LossgaugeError: As it comes from the optimizer.
    """
    if hasattr(optimizer, "param_groups"):
        _check_owner(bench.model, optimizer, settings)
        with compiler_unloaded():
            return copy.deepcopy((bench.model, optimizer))
    model = copy.deepcopy(bench.model)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    factory = find(optimizer).factory if isinstance(optimizer, str) else optimizer
    title = optimizer if isinstance(optimizer, str) else getattr(optimizer, "__name__", type(optimizer).__name__)
    if not callable(factory):
        raise InputError(f"the optimizer is {title}, expected a name, a function of the weights or a live optimizer")
    try:
        with compiler_unloaded():
            made = cast("Callable[..., Any]", factory)(weights, **nested(settings))
    except LossgaugeError:
        raise
    except Exception as error:
        raise InputError(f"the optimizer {title} cannot be made: {error}") from error
    if not hasattr(made, "param_groups") or not callable(getattr(made, "step", None)):
        raise InputError(f"{title} makes {type(made).__name__}, expected an optimizer with step and param_groups")
    return model, made


def follow(
    bench: Bench,
    model: nn.Module,
    optimizer: Any,
    along: str,
    steps: int,
    notify: Callable[[str], None],
) -> tuple[tuple[Point, ...], int | None]:
    """Train with one of the losses, one batch after the other, and measure on the way.

    Args:
        bench: The losses and the batches.
        model: A copy of the model; it is trained.
        optimizer: Its optimizer.
        along: The loss to train with, `a` or `b`.
        steps: How many steps, a count of at least 1.
        notify: Told what is under way.

    Returns:
        The points after the first step and later, and the step at which a weight was not finite any more, or None.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    looks, points = set(steps_of_interest(steps)), list[Point]()
    criterion = bench.pair.first if along == "a" else bench.pair.second
    with restored_randomness(), compiler_unloaded(), torch.enable_grad():
        for step in range(1, steps + 1):
            seed_all(SEED + step)
            _step(bench, model, optimizer, criterion, step, weights)
            if not all(bool(torch.isfinite(weight).all()) for weight in weights):
                return tuple(points), step
            if step in looks:
                notify(f"trained with {criterion.name} for {step} of {steps} steps")
                points.append(measure(bench.pair, model, step, detailed=step == steps))
    return tuple(points), None


def steps_of_interest(steps: int) -> list[int]:
    """1, 2, 5, 10, 20, 50 and so on, and the last one.

    Args:
        steps: The last one, a count.

    Returns:
        Steps in rising order.
    """
    found = [digit * 10**power for power in range(len(str(steps))) for digit in (1, 2, 5)]
    return [*(step for step in found if step < steps), *([steps] if steps > 0 else [])]


def _step(
    bench: Bench, model: nn.Module, optimizer: Any, criterion: Criterion, step: int, weights: list[nn.Parameter]
) -> None:
    """One step; a line search evaluates the loss several times, any other optimizer finds the gradients ready."""
    number = (step - 1) % len(bench.pair.batches)
    given, target = bench.pair.batches[number]

    def evaluate() -> Tensor:
        for weight in weights:
            weight.grad = None
        place = f"batch {number + 1}"
        loss = criterion.evaluate(run_model(model, given, place), target, place)
        loss.backward()
        return loss

    make_step = own_step(optimizer)
    required = [p for p in inspect.signature(make_step).parameters.values() if p.default is p.empty]
    searching = any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in required)
    try:
        if searching:
            make_step(evaluate)
        else:
            evaluate()
            make_step()
    except LossgaugeError:
        raise
    except Exception as error:
        raise ScriptError(f"{type(optimizer).__name__} failed in step {step}") from error


def _check_owner(model: nn.Module, optimizer: Any, settings: Mapping[str, Any]) -> None:
    if settings:
        raise InputError("settings came with a live optimizer, expected them to be set in its param_groups")
    own = {id(weight) for weight in model.parameters()}
    held = [weight for group in optimizer.param_groups for weight in group["params"]]
    if not all(id(weight) in own for weight in held):
        raise InputError(
            f"{type(optimizer).__name__} holds weights that are not of {type(model).__name__}, expected an optimizer "
            "of this model; give both as they are, or the optimizer by name"
        )
