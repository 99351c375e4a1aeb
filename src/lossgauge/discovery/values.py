"""Choosing values at which every hyperparameter matters.

A law is about structure, so it may be read off at any values; but a weight decay of 0 or an epsilon of 1e-8 leaves no
trace in a short run. Each number without influence is moved to the first candidate at which it has some.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossgauge.errors import InputError, LossgaugeError, ObservationError
from lossgauge.frameworks.subject import Hyperparameter, Problem, Subject, Trajectory

CANDIDATES = (0.1, 0.5, 0.9, 0.02, 1.0, 0.3, 3.0, 10.0, 1e-3, 100.0, 1e-5, 1e4, 1e-8)
"""Values tried in turn; the quadratic's gradients and weights are about 1."""
LEAST_DECAY = 0.4
"""From here up to 1 a default is taken for a decay rate, such as 0.9."""
FEWER = 5
"""How many of them for optimizers that evaluate the loss many times in a step."""
SMOOTH, NOTICEABLE = 2.0**-10, 1e-3
"""Relative change tried, and the least relative answer (per unit of it) that counts as influence."""
PROPORTION = (1.4, 2.8)
"""Twice the change must give about twice the answer."""
JUMPS = (2.0**-2, 2.0**2, 2.0**-9, 2.0**9)
"""Factors tried on thresholds, which answer only when they are crossed."""
STEPS, LEAST_STEPS = 14, 4


@dataclass(frozen=True)
class Choice:
    """Where an optimizer is studied.

    Args:
        settings: The value of every setting, tuples entry by entry.
        moved: Numbers studied away from where the user or the default put them.
        smooth: Numbers whose small changes change the run in proportion.
        inert: Numbers without influence at any candidate.
        steps: How many steps a short run has.
    """

    settings: dict[str, Any]
    moved: dict[str, float]
    smooth: tuple[str, ...]
    inert: tuple[str, ...]
    steps: int = STEPS


def choose_values(subject: Subject, fixed: Mapping[str, Any]) -> Choice:
    """Find values at which every number matters, starting from the defaults.

    Args:
        subject: The optimizer.
        fixed: What the user set. A zero, a flag or a text fixes the structure and is kept; another number is a start.

    Returns:
        The choice.

    Raises:
        InputError: When a required argument is missing or the constructor refuses the settings.
        ObservationError: When the optimizer moves nothing or cannot be run.
    """
    return _Search(subject, fixed).choose()


class _Search:
    """The state of one search; every run made is remembered."""

    def __init__(self, subject: Subject, fixed: Mapping[str, Any]) -> None:
        self.subject = subject
        self.all = subject.hyperparameters()
        self.settings = _start(subject, self.all, fixed)
        self.start = dict(self.settings)
        self.given = set(fixed)
        self.frozen = {n for n, v in fixed.items() if n in self.all and (v == 0 or not _is_number(v))}
        self.steps = STEPS
        self._runs: dict[str, Trajectory | None] = {}

    def choose(self) -> Choice:
        self._set_pace()
        names = [n for n, h in self.all.items() if h.kind == "number"]
        if self.run(self.settings) is None:
            self._tame(names)
        self._wake_up([n for n in names if n not in self.frozen and not _is_whole(self.settings[n])])
        base = self.run(self.settings)
        if base is None or not np.any(base.path()):
            raise ObservationError(
                f"{self.subject.target} moves nothing: {self.steps} steps on a quadratic left every weight "
                "as it was; expected step() to change the parameters it was given"
            )
        smooth = tuple(n for n in names if self.smooth_influence(self.settings, n))
        moved = {
            n: self.settings[n] for n in names if self.settings[n] != self.start[n] and _is_number(self.settings[n])
        }
        inert = tuple(
            n for n in names if not self.influence(self.settings, n) and not self.jump_influence(self.settings, n)
        )
        return Choice(dict(self.settings), moved, smooth, inert, self.steps)

    def _set_pace(self) -> None:
        """Optimizers that evaluate the loss many times in a step get fewer steps; a count, so that results repeat."""
        with contextlib.suppress(InputError, ObservationError):
            evaluations = self.subject.run(self.settings, Problem(steps=LEAST_STEPS)).evaluations
            self.steps = max(LEAST_STEPS, min(STEPS, 2 * STEPS * LEAST_STEPS // max(1, evaluations)))

    def _wake_up(self, names: Sequence[str]) -> None:
        """Twice through all numbers: some matter only once another one does (dampening needs momentum).

        Thresholds, which have no slope anywhere, are looked for in the second round only: it is the long search.
        """
        for influences in ((self.smooth_influence,), (self.smooth_influence, self.jump_influence)):
            for name in [n for n in names if not self.influence(self.settings, n)]:
                any(self._try_candidates(name, influence) for influence in influences)

    def _try_candidates(self, name: str, influence: Callable[[Mapping[str, Any], str], bool]) -> bool:
        awake = [n for n in self.all if self.all[n].kind == "number" and n != name and n not in self.frozen]
        awake = [n for n in awake if self.influence(self.settings, n)]
        for value in self._candidates(name):
            trial = {**self.settings, name: value}
            if influence(trial, name) and all(self.influence(trial, n) for n in awake):
                self.settings = trial
                return True
        return False

    def _candidates(self, name: str) -> list[float]:
        """Decay rates stay below 1, where their sums are still sums."""
        values = CANDIDATES if self.steps == STEPS else CANDIDATES[:FEWER]
        start = self.start[name]
        decays = _is_number(start) and LEAST_DECAY <= start < 1
        return [value for value in values if value < 1 or not decays]

    def influence(self, settings: Mapping[str, Any], name: str) -> bool:
        """Whether a small change is answered at all; at the edge of what a constructor allows, one way is enough."""
        return any(self._answer(settings, name, 1 + sign * SMOOTH) > NOTICEABLE * SMOOTH for sign in (1, -1))

    def smooth_influence(self, settings: Mapping[str, Any], name: str) -> bool:
        """Whether changes both ways are answered, and in proportion: a jump has no slope, nor has an edge."""
        if not all(self._answer(settings, name, 1 + sign * SMOOTH) > NOTICEABLE * SMOOTH for sign in (1, -1)):
            return False
        up = self._answer(settings, name, 1 + SMOOTH)
        return PROPORTION[0] * up < self._answer(settings, name, 1 + 2 * SMOOTH) < PROPORTION[1] * up

    def jump_influence(self, settings: Mapping[str, Any], name: str) -> bool:
        return any(self._answer(settings, name, factor) > 1e-9 for factor in JUMPS)

    def _answer(self, settings: Mapping[str, Any], name: str, factor: float) -> float:
        """How far the run moves, relative to its length, when one number is multiplied by `factor`."""
        value = settings.get(name)
        if value is None or not _is_number(value) or value == 0:
            return 0.0
        before, after = self.run(settings), self.run({**settings, name: value * factor})
        if before is None or after is None:
            return 0.0
        length = float(np.linalg.norm(before.path()))
        return float(np.linalg.norm(after.path() - before.path())) / length if length else 0.0

    def run(self, settings: Mapping[str, Any]) -> Trajectory | None:
        key = repr(list(settings.items()))
        if key not in self._runs:
            try:
                trajectory = self.subject.run(settings, Problem(steps=self.steps))
                self._runs[key] = trajectory if trajectory.finite else None
            except (InputError, ObservationError):
                self._runs[key] = None
        return self._runs[key]

    def _tame(self, names: Sequence[str]) -> None:
        """A first run that is refused or diverges is tried at other values, one number at a time; else it says why.

        What the user gave is changed only where it diverges: a value the constructor refuses is the user's to mend.
        """
        refusal = self._refusal()
        kept = self.given if refusal else self.frozen
        for name, value in ((n, v) for n in names if n not in kept for v in CANDIDATES):
            if self.run({**self.settings, name: value}) is not None:
                self.settings[name] = value
                return
        if refusal:
            raise refusal

    def _refusal(self) -> LossgaugeError | None:
        try:
            self.subject.run(self.settings, Problem(steps=self.steps))
        except LossgaugeError as error:
            return error
        return None


def _start(subject: Subject, hyperparameters: Mapping[str, Hyperparameter], fixed: Mapping[str, Any]) -> dict[str, Any]:
    given = _entry_by_entry(hyperparameters, fixed)
    missing = [n for n, h in hyperparameters.items() if h.kind == "required" and n not in given]
    if missing:
        raise InputError(
            f"{subject.target} needs {', '.join(repr(n) for n in missing)}, which has no default; "
            f"give it with --set {missing[0]}=VALUE, or name a factory function that builds the optimizer"
        )
    unknown = [n for n in given if n not in hyperparameters]
    if unknown:
        raise InputError(
            f"{subject.target} has no setting {unknown[0]!r}; it has {', '.join(hyperparameters) or 'none at all'}"
        )
    for name, value in given.items():
        _check_kind(subject.target, hyperparameters[name], value)
    return {n: given.get(n, h.default) for n, h in hyperparameters.items()}


def _check_kind(target: str, setting: Hyperparameter, value: Any) -> None:
    if setting.kind == "flag" and not (value is None or isinstance(value, bool) or value in (0, 1)):
        raise InputError(f"{setting.name} of {target} is {value!r}, expected true or false")
    if setting.kind == "number" and not (value is None or isinstance(value, (int, float))):
        raise InputError(f"{setting.name} of {target} is {value!r}, expected a number such as 1e-3, 2**-10 or 1/256")


def _entry_by_entry(hyperparameters: Mapping[str, Hyperparameter], fixed: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in fixed.items():
        if isinstance(value, (tuple, list)) and f"{name}[0]" in hyperparameters:
            given.update({f"{name}[{i}]": entry for i, entry in enumerate(value)})
        else:
            given[name] = value
    return given


def _is_whole(value: Any) -> bool:
    """A whole number other than 0 may count steps; moving it would hide a rule that changes with the step."""
    return isinstance(value, int) and not isinstance(value, bool) and value != 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
