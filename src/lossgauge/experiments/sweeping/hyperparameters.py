"""One optimizer of a plan: what its constructor takes, and the values of its own axes."""

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

from lossgauge.errors import InputError
from lossgauge.experiments.sweeping.ranges import read_axis
from lossgauge.frameworks.registry import subject_named
from lossgauge.frameworks.subject import Hyperparameter, Problem, Subject
from lossgauge.laws.spelling import spell_alpha, spell_value
from lossgauge.records.sweep import Value

MOST_TRIED = 1000
"""The most combinations of hyperparameters whose constructor is called before the sweep; a second or two."""

_UNSEEN = Problem(steps=0)


@dataclass(frozen=True)
class OptimizerEntry:
    """An optimizer of a plan.

    Args:
        label: What the plan calls it.
        subject: The optimizer.
        own: Values of its own table, by name.
    """

    label: str
    subject: Subject
    own: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def target(self) -> str:
        """`module:Class`."""
        return self.subject.target

    def names(self) -> list[str]:
        """The hyperparameters it has.

        Returns:
            Names; tuples whole.
        """
        return list(dict.fromkeys(name.partition("[")[0] for name in self.subject.hyperparameters()))

    def has(self, name: str) -> bool:
        """Whether it has a hyperparameter.

        Args:
            name: Its name, or that of an entry such as `betas[1]`.

        Returns:
            True where the constructor takes it.
        """
        return name in self.names() or name in self.subject.hyperparameters()

    def read_axes(self, grid: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, list[Value]]:
        """The values of every hyperparameter that the plan gives.

        Args:
            grid: The plan's axes by name; those it does not have are left out.
            fixed: The plan's single values by name.

        Returns:
            Values by name; one value where it does not vary.

        Raises:
            InputError: When a value is of the wrong kind, or one that has no default is missing.
        """
        for name, written in fixed.items():
            if self.has(name) and len(self._read(name, written)) > 1:
                raise InputError(f"{name} in [fixed] has several values; put it under [grid]")
        given = {name: written for name, written in {**grid, **fixed}.items() if self.has(name)}
        overlapping = [name for name in given if any(_overlap(name, other) for other in self.own)]
        given = {name: written for name, written in given.items() if name not in overlapping} | dict(self.own)
        known = self.subject.hyperparameters()
        lacking = next((h.name for h in known.values() if h.kind == "required" and h.name not in given), None)
        if lacking:
            raise InputError(f"{self.label} needs {lacking}, which has no default; put it under [grid] or [fixed]")
        return {name: self._read(name, written) for name, written in given.items()}

    def combine(self, axes: Mapping[str, Sequence[Value]]) -> list[dict[str, Value]]:
        """All combinations of values, as its constructor takes them.

        Args:
            axes: Values by name.

        Returns:
            Hyperparameters of every combination; entries of tuples completed by the defaults.
        """
        return [self._nest(dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]

    def try_out(self, axes: Mapping[str, Sequence[Value]]) -> None:
        """Call the constructor with the values of the plan: with all combinations, or at least with every value once.

        Args:
            axes: Values by name.

        Raises:
            InputError: When it refuses them.
        """
        for values in itertools.islice(self._samples(axes), MOST_TRIED):
            self.subject.run(values, _UNSEEN)

    def _samples(self, axes: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Value]]:
        first = {name: values[0] for name, values in axes.items()}
        yield self._nest(first)
        for name, values in axes.items():
            yield from (self._nest({**first, name: value}) for value in values[1:])
        yield from (self._nest(dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values()))

    def _nest(self, given: Mapping[str, Value]) -> dict[str, Value]:
        known = self.subject.hyperparameters()
        nested: dict[str, Value] = {}
        for name, value in given.items():
            base, bracket, _ = name.partition("[")
            if not bracket:
                nested[name] = value
            elif base not in nested:
                entries = [entry for entry in known if entry.startswith(f"{base}[")]
                nested[base] = tuple(_number(given.get(entry, known[entry].default)) for entry in entries)
        return nested

    def _read(self, name: str, written: Any) -> list[Value]:
        known = self.subject.hyperparameters()
        entries = [hyperparameter for entry, hyperparameter in known.items() if entry.startswith(f"{name}[")]
        where = f"{name} of {self.label}"
        if not entries:
            return [_fit(where, value, known[name]) for value in read_axis(name, written)]
        tuples = written if isinstance(written, list) and written and isinstance(written[0], list) else [written]
        return [self._fit_tuple(where, value, entries) for value in read_axis(name, tuples)]

    def _fit_tuple(self, where: str, value: Any, entries: Sequence[Hyperparameter]) -> Value:
        if not isinstance(value, tuple) or len(value) != len(entries):
            raise InputError(f"{where} is {_spell(value)}, expected {len(entries)} numbers in a list")
        pairs = zip(value, entries, strict=True)
        return tuple(_number(_fit(f"{where}, entry {h.name}", number, h)) for number, h in pairs)


def find_optimizer(name: Any, label: str = "", own: Mapping[str, Any] | None = None) -> OptimizerEntry:
    """Find an optimizer of a plan.

    Args:
        name: `sgd`, `torch.optim:SGD`, `module:Class`.
        label: What the plan calls it; by default the name of the class.
        own: Its own table: values by name, and `class`.

    Returns:
        The optimizer.

    Raises:
        InputError: When there is no such optimizer, or its table names what it does not have.
    """
    if not isinstance(name, str):
        raise InputError(f"optimizer is {name!r}, expected a name such as 'sgd', or 'module:Class'")
    subject = subject_named(name.strip())
    if subject.carriers:
        raise InputError(f"{name!r} is no optimizer, expected a name such as 'sgd', or 'module:Class'")
    values = {key: value for key, value in (own or {}).items() if key != "class"}
    entry = OptimizerEntry(label or subject.target.rpartition(":")[2], subject, values)
    for key in values:
        if not entry.has(key):
            near = difflib.get_close_matches(key, ["class", *entry.names()], n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; expected some of {', '.join(entry.names())}"
            raise InputError(f"[optimizer.{entry.label}] has {key!r}, which {entry.target} has not{hint}")
    return entry


def _overlap(name: str, other: str) -> bool:
    """Whether both are the same, or one the tuple of which the other is an entry."""
    return name == other or name.partition("[")[0] == other or other.partition("[")[0] == name


def _fit(where: str, value: Any, hyperparameter: Hyperparameter) -> Value:
    """A value as the constructor takes it; refuse one of another kind."""
    kind = hyperparameter.kind
    if isinstance(value, Fraction):
        if kind == "flag":
            raise InputError(f"{where} is {spell_value(float(value))}, expected true or false")
        if kind == "count":
            if value.denominator != 1:
                raise InputError(f"{where} is {spell_value(float(value))}, expected a whole number")
            return int(value)
        return _finite(where, value)
    if kind in ("number", "count") and (
        isinstance(value, (bool, str, tuple)) or (value is None and not _none(hyperparameter))
    ):
        raise InputError(f"{where} is {_spell(value)}, expected a number such as 1e-3, '2**-10' or '1/256'")
    if kind == "flag" and not (isinstance(value, bool) or value is None):
        raise InputError(f"{where} is {_spell(value)}, expected true or false")
    return value


def _spell(value: Any) -> str:
    """A value in a message: lists and numbers as in a plan."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_spell, cast('tuple[Any, ...]', value)))}]"
    return spell_alpha(value) if isinstance(value, Fraction) else repr(value)


def _none(hyperparameter: Hyperparameter) -> bool:
    return hyperparameter.default is None


def _finite(where: str, value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{where} is beyond the largest float64 number; expected a smaller one") from None


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
