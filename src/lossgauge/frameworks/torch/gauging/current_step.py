"""The elasticity of the step a live optimizer is about to make, by trial steps on copies."""

import sys
from collections.abc import Sequence
from typing import Any

from torch.optim import LBFGS, Optimizer

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.catalogue import canonical_target
from lossgauge.frameworks.torch.gauging.participants import MOST, names_of_callers
from lossgauge.frameworks.torch.gauging.pieces import native, why_untried
from lossgauge.frameworks.torch.gauging.sighting import FORMATS, Sighting
from lossgauge.frameworks.torch.gauging.statistics import before
from lossgauge.frameworks.torch.injection.bits import OptimizerView, tensors_of
from lossgauge.laws.law import Law
from lossgauge.records.elasticity import LayerElasticity, StepElasticity, combine_layers


def measure_current_step(optimizer: Any, law: Law) -> StepElasticity:
    """The elasticity of the next step, with the gradients that are there.

    Args:
        optimizer: The live optimizer; nothing of it is touched.
        law: Its law.

    Returns:
        The record.

    Raises:
        InputError: When the optimizer has no gradients, or computes them itself.
    """
    if not isinstance(optimizer, Optimizer):
        raise InputError(f"the optimizer is {type(optimizer).__name__} {optimizer!r:.60}, expected one of torch")
    if isinstance(optimizer, LBFGS):
        raise InputError("LBFGS computes its gradients within the step, so there is no step to look at before it")
    view = OptimizerView(optimizer)
    names = view.names(names_of_callers(sys._getframe(1)), 0)
    pairs = [(tensor, group) for group in optimizer.param_groups for tensor in group["params"]]
    watched = [(n, t, group) for n, (t, group) in enumerate(pairs) if t.grad is not None and t.dtype in FORMATS]
    if not watched:
        count = len(tensors_of(optimizer))
        raise InputError(
            f"none of the {count} tensors of the optimizer has a gradient; call this after backward() and before step()"
        )
    # torch's own optimizers take each tensor by itself; of few tensors at a time more elements are observed
    most = MOST if native(optimizer) else len(watched)
    portions = (watched[first : first + most] for first in range(0, len(watched), most))
    layers = tuple(
        _describe(names[one.number], one)
        for portion in portions
        for one in before(optimizer, portion, law, deep=True).sightings
    )
    settled, instant, parts = combine_layers(layers)
    target = canonical_target(type(optimizer))
    notes = _say_missing(layers, why_untried(optimizer))
    estimated = tuple(dict.fromkeys(name for layer in layers for name in layer.estimated)) if parts else ()
    return StepElasticity(target, settled, instant, parts, layers, str(law.verdict), notes, estimated)


def _say_missing(layers: Sequence[LayerElasticity], untried: str) -> tuple[str, ...]:
    """Why an elasticity is not known."""
    lost = [layer.name for layer in layers if layer.update_norm is None]
    odd = [layer.name for layer in layers if layer.update_norm and layer.elasticity is None]
    notes = [f"no step was made on copies of {_few(lost)}" + (f": {untried}" if untried else "")] if lost else []
    if odd:
        notes.append(f"the parts of {_few(odd)} do not add up as the law says they must, so no elasticity is stated")
    if not any(layer.update_norm for layer in layers) and not lost:
        notes.append("the step moves no weight, so there is nothing to compare")
    return tuple(notes)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _describe(name: str, one: Sighting) -> LayerElasticity:
    tried, norm = one.tried, None
    if tried.intended is not None:
        # Of a large tensor some elements are observed; the others move as much on average.
        norm = tried.intended * (one.moving / max(len(one.weight), 1)) ** 0.5
    return LayerElasticity(name, tried.settled, tried.instant, tried.carriers, norm, one.gradient_norm, tried.estimated)
