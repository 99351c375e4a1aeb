"""`elasticity`: how much of a change of the loss multiplier reaches the weights at this step, and through what?"""

from collections.abc import Callable
from typing import Any

from lossgauge.errors import InputError
from lossgauge.laws.law import Law
from lossgauge.records.elasticity import StepElasticity
from lossgauge.verbs.laws import law_of_optimizer, unwrapped


def elasticity(optimizer: Any, law_of: Callable[[Any], Law] | None = None) -> StepElasticity:
    """Say how much of a change of the loss multiplier α would reach the weights at the current step.

    E = ∂log‖Δw‖/∂log α, per layer and over all weights: 0 where α cancels, 1 as for SGD; and its parts by
    hyperparameter, E = −Σ k_h·∂log‖Δw‖/∂log h. Nothing is run again: the optimizer's own step is made on copies, and
    the live one, its weights, its states and all random generators stay as they are. E is that of the step at hand,
    as if α had always been there and had led to these weights; what was done to the gradients before (a clip that
    binds takes the whole factor out, a scaler is to be undone) is not part of it. Where a coupled weight decay is mixed
    into the moments, its part is an estimate from the present weights, and named under `estimated`.

    Args:
        optimizer: A live optimizer between `backward()` (after unscaling and clipping) and `step()`; wrappers that keep
            theirs as `.optimizer` are looked through.
        law_of: Finds its law; by default the table is asked, and discovery where the table has no answer.

    Returns:
        The elasticity of the step, of each layer, and the parts.

    Raises:
        InputError: When this is no torch optimizer, or it has no gradients.

    Example:
        >>> from lossgauge import elasticity
        >>> elasticity(optimizer).parts  # doctest: +SKIP
        {'eps': 0.97, 'weight_decay': 0.0}
    """
    inner = unwrapped(optimizer)
    if not hasattr(inner, "param_groups"):
        raise InputError(f"the optimizer is {type(optimizer).__name__} {optimizer!r:.60}, expected one of torch")
    from lossgauge.frameworks.torch.gauging.current_step import measure_current_step

    return measure_current_step(inner, (law_of or law_of_optimizer)(inner))
