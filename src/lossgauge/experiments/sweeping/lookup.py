"""The law of every setting of a plan, looked for once per structure of its optimizer."""

from collections.abc import Callable, Mapping
from typing import Any

from lossgauge.errors import LossgaugeError
from lossgauge.frameworks.registry import subject_named
from lossgauge.laws.companions import RATES
from lossgauge.laws.law import Law
from lossgauge.laws.settings import flatten
from lossgauge.laws.table import find_row
from lossgauge.laws.verdict import Verdict
from lossgauge.records.sweep import Setting

LawOf = Callable[[str, Mapping[str, Any]], Law]
"""Finds the law of `module:Class` in the structure of some settings."""
MOST_STUDIED = 24
"""The most structures of one optimizer that are studied where the table has none; each takes a second or two."""


class LawLookup:
    """Finds laws and remembers them."""

    def __init__(self, law_of: LawOf) -> None:
        """Nothing is known yet.

        Args:
            law_of: Finds the law of `module:Class` in the structure of some settings.
        """
        self._law_of = law_of
        self._defaults: dict[str, dict[str, Any]] = {}
        self._known: dict[tuple[object, ...], Law] = {}
        self._studied: dict[str, int] = {}

    def settled(self, setting: Setting) -> dict[str, Any]:
        """All hyperparameters of a setting, those left to the constructor included.

        Args:
            setting: The setting.

        Returns:
            Values by name, tuples entry by entry, in the order of the constructor.
        """
        if setting.optimizer not in self._defaults:
            known = subject_named(setting.optimizer).hyperparameters()
            self._defaults[setting.optimizer] = {name: h.default for name, h in known.items()}
        return self._defaults[setting.optimizer] | flatten(setting.hyperparameters)

    def find(self, setting: Setting) -> Law:
        """The law of a setting's optimizer.

        Args:
            setting: The setting.

        Returns:
            The law; UNDECIDED where it cannot be found.
        """
        settled = self.settled(setting)
        words = {name: value for name, value in settled.items() if isinstance(value, (bool, str))}
        base = self._look_up(setting.optimizer, words)
        if find_row(setting.optimizer) is not None:
            return base
        # A number without a unit may be a power, on which the exponents of the others depend.
        shape = {name: value for name, value in settled.items() if self._shapes(setting.optimizer, base, name, value)}
        return self._look_up(setting.optimizer, words | shape) if shape else base

    def _shapes(self, target: str, base: Law, name: str, value: Any) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and name not in base.carriers and name not in RATES and value != self._defaults[target][name]

    def _look_up(self, target: str, structure: Mapping[str, Any]) -> Law:
        key = (target, *sorted((name, repr(value)) for name, value in structure.items()))
        if key not in self._known:
            self._known[key] = self._study(target, structure)
        return self._known[key]

    def _study(self, target: str, structure: Mapping[str, Any]) -> Law:
        self._studied[target] = self._studied.get(target, 0) + 1
        if find_row(target) is None and self._studied[target] > MOST_STUDIED:
            return Law(target, Verdict.UNDECIDED, {})
        try:
            return self._law_of(target, structure)
        except LossgaugeError:
            return Law(target, Verdict.UNDECIDED, {})
