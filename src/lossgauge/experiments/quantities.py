"""The quantities of a training that carry, or might carry, units of the loss, and the names they are shown by."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from lossgauge.laws.law import Law
from lossgauge.records.injection import STATES
from lossgauge.records.run import Participant, Run


@dataclass(frozen=True)
class Quantity:
    """One number of the training.

    Args:
        key: Its full name: `NAdam.eps`, `max_norm`.
        name: Its own name: `eps`.
        exponent: The power of the loss in it.
        values: Its values in all places where it is used, in its own units.
    """

    key: str
    name: str
    exponent: Fraction
    values: tuple[float, ...]

    @property
    def silent(self) -> bool:
        """Whether no multiplier can change it: it is 0 everywhere."""
        return not any(self.values)

    @property
    def count(self) -> bool:
        """Whether it may count something: a whole number without units, of which there may be no half."""
        return self.exponent == 0 and not self.silent and all(isinstance(value, int) for value in self.values)


def quantities(run: Run, laws: Iterable[Law], companions: Mapping[str, Fraction]) -> list[Quantity]:
    """Everything whose exponent can be put off by one.

    Args:
        run: The record of the training.
        laws: The law of each optimizer.
        companions: The exponent of each quantity beside the optimizers.

    Returns:
        The quantities that have both an exponent and a value, optimizers first.
    """
    found: dict[str, Quantity] = {}
    for participant, law in zip(run.participants, laws, strict=False):
        for name, power in law.exponents.items():
            values = [place[name] for place in participant.settings if name in place]
            key = f"{law.title}.{name}"
            earlier = found[key].values if key in found else ()
            if values or earlier:
                found[key] = Quantity(key, name, power, (*earlier, *values))
    for name, value in run.thresholds.items():
        found[name] = Quantity(name, name, companions.get(name, Fraction(0)), (value,))
    return list(found.values())


def carriers(run: Run, laws: Sequence[Law], companions: Mapping[str, Fraction]) -> list[Quantity]:
    """The quantities through which a loss multiplier can act: those with units of the loss that are at work.

    Args:
        run: The record of the untouched training, to its end.
        laws: The law of each optimizer.
        companions: The exponent of each quantity beside the optimizers.

    Returns:
        The quantities with an exponent other than 0 and a value other than 0, now or later; optimizers first.
    """
    found = [q for q in quantities(_grown(run), laws, companions) if q.exponent and any(map(_at_work, q.values))]
    if run.scale is not None:
        found.append(Quantity("init_scale", "init_scale", companions.get("init_scale", Fraction(-1)), (run.scale,)))
    if any(participant.resumed for participant in run.participants):
        found.append(Quantity(STATES, STATES, Fraction(1), (1.0,)))
    return found


def _grown(run: Run) -> Run:
    """The run with settings that begin at 0 (a learning rate that warms up) at the value they are known to reach."""
    participants: list[Participant] = []
    for one in run.participants:
        later = one.later or one.settings
        settings = [{**place, **_reached(place, after)} for place, after in zip(one.settings, later, strict=False)]
        participants.append(replace(one, settings=settings))
    return replace(run, participants=participants)


def _reached(place: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What stands at 0 now and elsewhere later; schedules leave the learning rate they aim at in `initial_lr`."""
    aims = {"lr": place.get("initial_lr", 0.0)}
    return {name: after.get(name) or aims.get(name, 0.0) for name, value in place.items() if value == 0}


def _at_work(value: float) -> bool:
    """Whether a multiplier can change it; a clip threshold that is infinite clips nothing."""
    return value != 0 and math.isfinite(value)


def shown(keys: Iterable[str], all_quantities: Iterable[Quantity]) -> tuple[str, ...]:
    """Names for people: `eps` where only one kind of optimizer has one, `NAdam.eps` otherwise.

    Args:
        keys: Full names.
        all_quantities: All quantities of the training.

    Returns:
        The names, in the order of `keys`.
    """
    known = list(all_quantities)
    names = [quantity.name for quantity in known]
    short = {q.key: q.name if names.count(q.name) == 1 else q.key for q in known}
    return tuple(short.get(key, key) for key in keys)
