"""The quantities of a training that carry, or might carry, units of the loss, and the names they are shown by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from lossgauge.laws.law import Law
from lossgauge.records.run import Run


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
