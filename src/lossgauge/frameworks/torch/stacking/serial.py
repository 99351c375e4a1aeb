"""One training at a time, written as a user would: the last resort, and what every other tier is held against."""

import inspect
import math
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.catalogue import load
from lossgauge.frameworks.torch.conditions import compiler_unloaded, own_step
from lossgauge.frameworks.torch.stacking.course import failed, outcome_of
from lossgauge.frameworks.torch.stacking.precisions import as_input, evaluation, weight_format
from lossgauge.frameworks.torch.stacking.workloads import Material
from lossgauge.records.sweep import Outcome, Setting


def run_serially(material: Material, setting: Setting) -> Outcome:
    """Train once.

    Args:
        material: What is trained.
        setting: With which settings.

    Returns:
        The outcome; an error of the optimizer or the model makes it a failed one.
    """
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _train(material, setting)
    except Exception as error:
        return failed(error, "serial")


def build_optimizer(setting: Setting, weights: list[Tensor]) -> Any:
    """The optimizer of a setting.

    Args:
        setting: Names the class and its hyperparameters.
        weights: What it trains.

    Returns:
        A live optimizer.
    """
    with compiler_unloaded():
        optimizer = load(setting.optimizer)(weights, **setting.hyperparameters)
    if callable(getattr(optimizer, "train", None)):
        optimizer.train()
    return optimizer


def needs_closure(optimizer: Any) -> bool:
    """Whether the optimizer evaluates the loss itself.

    Args:
        optimizer: A live optimizer.

    Returns:
        True where `step` cannot be called without a closure.
    """
    parameters = list(inspect.signature(inspect.unwrap(type(optimizer).step)).parameters.values())[1:]
    return bool(parameters) and parameters[0].default is inspect.Parameter.empty and parameters[0].kind in (
        inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)  # fmt: skip


def _train(material: Material, setting: Setting) -> Outcome:
    model = material.model(setting.seed, weight_format(setting.precision))
    weights: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = build_optimizer(setting, weights)
    make_step, closing = own_step(optimizer), needs_closure(optimizer)
    batches = [(as_input(x, setting.precision), as_input(y, setting.precision)) for x, y in material.batches]
    losses: list[float] = []
    for step in range(material.workload.steps):
        seen: list[float] = []
        evaluate = partial(_evaluate, material, setting, model, optimizer, batches[step % len(batches)], seen)
        if closing:
            make_step(evaluate)
        else:
            evaluate()
            make_step()
        losses.append(seen[0])  # a line search asks several times; the first answer is the loss of this step
        if not _finite(losses[-1], weights):
            return outcome_of(material.workload, losses, step + 1, weights, "serial")
    return outcome_of(material.workload, losses, None, weights, "serial")


def _evaluate(
    material: Material,
    setting: Setting,
    model: nn.Module,
    optimizer: Any,
    batch: tuple[Tensor, Tensor],
    seen: list[float],
) -> Tensor:
    optimizer.zero_grad()
    with torch.enable_grad():
        with evaluation(setting.precision):
            loss = material.loss(model(batch[0]), batch[1])
        seen.append(loss.item())
        scaled = loss * float(setting.alpha)
        scaled.backward()
    return scaled


def _finite(loss: float, weights: list[Tensor]) -> bool:
    return math.isfinite(loss) and all(bool(torch.isfinite(weight.detach()).all()) for weight in weights)
