"""The elasticity of the step a live optimizer is about to make, by trial steps on copies."""

import sys
from typing import Any

import numpy as np
from torch.optim import LBFGS, Optimizer

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.catalogue import canonical_target
from lossgauge.frameworks.torch.gauging.elasticity import Elasticity, trial_steps
from lossgauge.frameworks.torch.gauging.participants import names_of_callers
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
    start = before(optimizer, watched, law, deep=True)
    found = dict(zip(start.pieces, trial_steps(optimizer, list(start.pieces.values()), law), strict=True))
    layers = tuple(
        _describe(names[one.number], one, found.get(place, Elasticity())) for place, one in enumerate(start.sightings)
    )
    settled, instant, parts = combine_layers(layers)
    lost = [layer.name for layer in layers if layer.update_norm is None]
    notes = (f"the step could not be made on copies of {', '.join(lost[:3])}",) if lost else ()
    target = canonical_target(type(optimizer))
    return StepElasticity(target, settled, instant, parts, layers, str(law.verdict), notes)


def _describe(name: str, one: Sighting, tried: Elasticity) -> LayerElasticity:
    norm = None
    if tried.intended is not None:
        # Of a large tensor some elements are observed; the others move as much on average.
        norm = float(np.linalg.norm(tried.intended)) * (one.moving / max(len(tried.intended), 1)) ** 0.5
    return LayerElasticity(name, tried.settled, tried.instant, tried.carriers, norm, one.gradient_norm)
