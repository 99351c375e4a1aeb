"""Putting co-scaled values into a live optimizer for one step, and the user's own back after it."""

from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fractions import Fraction
from functools import partial
from typing import Any

import torch

from lossgauge.laws.equivalence import scale_value, scaled
from lossgauge.laws.law import Law
from lossgauge.records.injection import STATES, Injection

Value = Callable[[str, Any], Any]
"""By the name of a hyperparameter and a value of it, another value."""

_busy: set[tuple[int, str]] = set()
"""Places that hold co-scaled values already."""


def co_scaled(optimizer: torch.optim.Optimizer, law: Law | None, alpha: Fraction) -> AbstractContextManager[None]:
    """Give every hyperparameter its value in the units of the multiplied loss.

    Args:
        optimizer: The live optimizer.
        law: The exponents; None changes nothing.
        alpha: α.

    Returns:
        The context in which they have it. Afterwards the user's values are back; one that the step itself changed is
        converted back.
    """
    if law is None:
        return nullcontext()
    names = {name.partition("[")[0] for name, power in law.exponents.items() if power}
    forth, back = (partial(_moved, law, factor) for factor in (alpha, 1 / alpha))
    return placed(optimizer, names, forth, back, _busy)


@contextmanager
def placed(
    optimizer: torch.optim.Optimizer, names: Set[str], forth: Value, back: Value, busy: set[tuple[int, str]]
) -> Iterator[None]:
    """Give hyperparameters other values for a while: in the groups, the defaults and the optimizer's own attributes.

    Args:
        optimizer: The live optimizer.
        names: The hyperparameters, tuples whole.
        forth: The value in place of the user's own.
        back: The user's own for one that was changed meanwhile.
        busy: Places in use already, which are left alone: an optimizer that wraps another one shares its groups.

    Yields:
        Nothing. Afterwards the user's values are back.
    """
    places: list[dict[str, Any]] = [*optimizer.param_groups, optimizer.defaults, vars(optimizer)]
    held: list[tuple[dict[str, Any], str, Any, Any]] = []
    try:
        for place in places:
            for name in names & place.keys():
                if (id(place), name) not in busy:
                    own = place[name]
                    place[name] = forth(name, own)
                    held.append((place, name, own, place[name]))
                    busy.add((id(place), name))
        yield
    finally:
        for place, name, own, given in held:
            busy.discard((id(place), name))
            left = place.get(name)
            place[name] = own if left is given else back(name, left)


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
                whole = injection.co_scaled is None or STATES in injection.co_scaled
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


def _moved(law: Law, alpha: Fraction, name: str, value: Any) -> Any:
    """One value in the units of the multiplied loss; learning rates may be tensors."""
    if isinstance(value, torch.Tensor):
        return value * scale_value(law, name, 1.0, alpha)
    return scale_value(law, name, value, alpha)
