"""Putting co-scaled values into a live optimizer for one step, and the user's own back after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import torch

from lossgauge.laws.equivalence import scale_value, scaled
from lossgauge.laws.law import Law
from lossgauge.records.injection import Injection

_busy: set[int] = set()
"""Places that hold co-scaled values already: an optimizer that wraps another one shares its groups."""


@contextmanager
def co_scaled(optimizer: torch.optim.Optimizer, law: Law | None, alpha: Fraction) -> Iterator[None]:
    """Give every hyperparameter its value in the units of the multiplied loss.

    Args:
        optimizer: The live optimizer: its groups, its defaults and its own attributes.
        law: The exponents; None changes nothing.
        alpha: α.

    Yields:
        Nothing. Afterwards the user's values are back; one that the step itself changed is converted back.
    """
    if law is None:
        yield
        return
    names = {name.partition("[")[0] for name, power in law.exponents.items() if power}
    places = [p for p in (*optimizer.param_groups, optimizer.defaults, vars(optimizer)) if id(p) not in _busy]
    placed: list[tuple[dict[str, Any], str, Any, Any]] = []
    _busy.update(map(id, places))
    try:
        for place in places:
            for name in names & place.keys():
                own = place[name]
                place[name] = _moved(law, name, own, alpha)
                placed.append((place, name, own, place[name]))
        yield
    finally:
        _busy.difference_update(map(id, places))
        for place, name, own, given in placed:
            left = place.get(name)
            place[name] = own if left is given else _moved(law, name, left, 1 / alpha)


def scale_states(optimizer: torch.optim.Optimizer, law: Law, pure: Law, injection: Injection) -> None:
    """Scale, once, what an optimizer remembers before its first step.

    Args:
        optimizer: The live optimizer; a checkpoint was loaded, or an accumulator starts at a number other than 0.
        law: The exponents that apply in this run.
        pure: The law without subsets and planted violations.
        injection: The loss multiplier.
    """
    for group in optimizer.param_groups:
        for tensor in group["params"]:
            state = optimizer.state.get(tensor, {})
            for name, value in list(state.items()) if isinstance(state, dict) else ():
                source = _source(name, value, group, pure)
                whole = injection.co_scaled is None
                power = law.exponents[source] if source else pure.states.get(name, Fraction(0)) * whole
                if isinstance(value, torch.Tensor) and value.is_floating_point():
                    value.mul_(scaled(1.0, power, injection.alpha))
                elif isinstance(value, float):
                    state[name] = scaled(value, power, injection.alpha)


def _source(name: str, value: Any, group: dict[str, Any], law: Law) -> str | None:
    """The hyperparameter a state was filled with: Adagrad's sum starts at `initial_accumulator_value` everywhere."""
    if not isinstance(value, torch.Tensor) or not value.numel():
        return None
    sources = [
        source
        for source, power in law.exponents.items()
        if power and law.states.get(name, power) == power and isinstance(group.get(source), float) and group[source]
    ]
    return next((source for source in sources if bool((value == torch.full_like(value, group[source])).all())), None)


def _moved(law: Law, name: str, value: Any, alpha: Fraction) -> Any:
    """One value in the units of the multiplied loss; learning rates may be tensors."""
    if isinstance(value, torch.Tensor):
        return value * scale_value(law, name, 1.0, alpha)
    return scale_value(law, name, value, alpha)
