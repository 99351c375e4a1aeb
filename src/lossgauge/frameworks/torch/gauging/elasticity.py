"""How much of a change of the loss multiplier reaches the weights at this step, and through which hyperparameters.

E = ∂log‖Δw‖/∂log α, by central differences of the optimizer's own step in float64. Settled: the gradient scales, and
what gradients put into the states, as if α had always been there; then Euler's theorem on homogeneous functions gives
E = −Σ k_h·∂log‖Δw‖/∂log h exactly, which is how the parts are found and how the whole is checked. Instant: the states
stay as they are.
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from lossgauge.frameworks.torch.gauging.elements import to_host
from lossgauge.frameworks.torch.gauging.lots import Lot, apart, together
from lossgauge.frameworks.torch.gauging.pieces import Piece, native
from lossgauge.frameworks.torch.gauging.rounding import slight
from lossgauge.frameworks.torch.gauging.trial import Change, Trials
from lossgauge.laws.law import Law

HIDDEN = "hidden constants"
"""The carrier that takes what no hyperparameter explains, for an optimizer whose law is broken."""
TOLERANCE = 1e-3
"""How far the parts may be from the whole, in elasticity, before a wider difference is tried, and then given up."""
_INSTANT, _SETTLED = "α alone", "α and its history"
_NARROW, _BROAD, _WIDE = 2e-4, 0.05, math.log(2.0)
_SPACING = 2.0**-52
_NOISE = 1e-6
"""What differences leave of an elasticity that is zero."""
_RELATIVE = 1e-9
"""Two updates closer than this are the same up to rounding."""


@dataclass(frozen=True)
class Elasticity:
    """What trial steps of one tensor say; None where they say nothing.

    Args:
        settled: E with the history scaled too, dimensionless.
        instant: E with the states held fixed, dimensionless.
        carriers: The parts of `settled` by hyperparameter; they add up to it.
        estimated: The hyperparameters whose part, and with it `settled`, rests on how a state divides between gradients
            and settings: an estimate from the present weights and moments. Empty where all of it is exact.
        intended: ‖Δw‖ of the observed elements in W: what the step would be without rounding.
        slight: Which of them would move by less than the spacing of the weights there; see `rounding.slight`.
    """

    settled: float | None = None
    instant: float | None = None
    carriers: Mapping[str, float] = field(default_factory=dict[str, float])
    estimated: tuple[str, ...] = ()
    intended: float | None = None
    slight: np.ndarray | None = None


@dataclass
class _Start:
    """What the step itself says of one lot.

    Args:
        weightless: Which pieces of the lot move no differently from weights of zero.
        width: How narrow the differences may be, in log α.
        history: Whether states remember past gradients.
        intended: ‖Δw‖ of the observed elements of each piece, in W.
        slight: Which of these are below the spacing of the weights.
    """

    weightless: set[int] = field(default_factory=set[int])
    width: float = _NARROW
    history: bool = False
    intended: list[float] = field(default_factory=list[float])
    slight: list[np.ndarray] = field(default_factory=list[np.ndarray])


def trial_steps(
    optimizer: Optimizer, pieces: Sequence[Piece], law: Law | None, room: int | None = None
) -> list[Elasticity]:
    """The elasticity of each tensor's step.

    Args:
        optimizer: The live optimizer; it is not touched.
        pieces: Copies made before the step, with their gradients.
        law: Its law; without one only the instant elasticity is known.
        room: Bytes that the trial steps may take, where the tensors can be taken one by one; None for any number.

    Returns:
        One result for each piece; empty ones where the optimizer cannot make a step on copies.
    """
    try:
        return _Differences(optimizer, pieces, law, room).results() if pieces else []
    except Exception:  # whatever a foreign optimizer does on copies must not end the observing
        return [Elasticity()] * len(pieces)


class _Differences:
    """Central differences of one step, lot by lot."""

    def __init__(self, optimizer: Optimizer, pieces: Sequence[Piece], law: Law | None, room: int | None) -> None:
        self.optimizer = optimizer
        self.pieces = pieces
        self.law = law
        # a foreign optimizer may take all tensors into account, torch's own do not
        self.lots = together(pieces) if room is None or not native(optimizer) else apart(pieces, room)
        self.starts = [self._start(lot) for lot in self.lots]

    def results(self) -> list[Elasticity]:
        """The elasticities, from narrow differences and, where these do not add up, from a factor of two."""
        found = self._measure(max(start.width for start in self.starts))
        doubtful = [i for i, one in enumerate(found) if one.settled is not None and not self._adds_up(one)]
        if doubtful:  # a step that rounds to bfloat16 inside, as Muon's, is exact under powers of two alone
            wider = self._measure(_WIDE)
            found = [wider[i] if i in doubtful else one for i, one in enumerate(found)]
        intended = self._gathered([start.intended for start in self.starts])
        tiny = self._gathered([start.slight for start in self.starts])
        return [
            replace(self._settle(one), intended=math.hypot(*sizes), slight=np.concatenate(truths))
            for one, sizes, truths in zip(found, intended, tiny, strict=True)
        ]

    def _gathered(self, values: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """What was found of the parts of each piece."""
        found: list[list[Any]] = [[] for _ in self.pieces]
        for lot, own in zip(self.lots, values, strict=True):
            for place, value in zip(lot.places, own, strict=True):
                found[place].append(value)
        return found

    def _start(self, lot: Lot) -> _Start:
        """Δw as it is, from weights of zero wherever the step does not depend on them: then no digit cancels."""
        trials = Trials(self.optimizer, lot.pieces, self.law)
        start = _Start(history=any(trials.memories))
        updates = trials.updates()
        trials.start_from_zero(set(range(len(lot.pieces))))
        for place, (update, alone, piece) in enumerate(zip(updates, trials.updates(), lot.pieces, strict=True)):
            noise = 4 * _SPACING * piece.weight.abs() + _RELATIVE * alone.abs()
            if bool(((update - alone).abs() <= noise).all()):
                start.weightless.add(place)
                update = alone
            elif (size := _norm(update)) > 0:  # as narrow as the digits that are left in Δw allow
                start.width = max(start.width, min((_SPACING * _norm(piece.weight) / size) ** (1 / 3), _BROAD))
            seen = _observed(update, piece)
            start.intended.append(float(np.linalg.norm(seen)))
            start.slight.append(slight(_observed(piece.weight, piece), seen, piece.weight.dtype))
        return start

    def _measure(self, width: float) -> list[Elasticity]:
        changes = self._changes()
        above, below = ({name: [0.0] * len(self.pieces) for name in changes} for _ in range(2))
        guessed: list[set[str]] = [set() for _ in self.pieces]
        for lot, start in zip(self.lots, self.starts, strict=True):
            trials = Trials(self.optimizer, lot.pieces, self.law)
            trials.start_from_zero(start.weightless)
            for place, names in zip(lot.places, trials.estimated(), strict=True):
                guessed[place] |= names
            for name, change in changes.items():
                for sums, factor in ((above, math.exp(width)), (below, math.exp(-width))):
                    sizes = trials.sizes(replace(change, **{"factor" if change.setting else "alpha": factor}))
                    for place, size in zip(lot.places, sizes, strict=True):
                        sums[name][place] = math.hypot(sums[name][place], size)
        slopes = {
            name: [_slope(high, low, width) for high, low in zip(above[name], below[name], strict=True)]
            for name in changes
        }
        return [self._elasticity(i, slopes, names) for i, names in enumerate(guessed)]

    def _changes(self) -> dict[str, Change]:
        """What is tried: α with the states held fixed, α with the history, and every hyperparameter that is set."""
        changes = {_INSTANT: Change()}
        if self.law is None:
            return changes
        if any(start.history for start in self.starts):
            changes[_SETTLED] = Change(settled=True)
        return changes | {name: Change(settled=True, setting=name) for name in self.law.carriers if self._is_set(name)}

    def _elasticity(self, place: int, slopes: Mapping[str, Sequence[float | None]], guessed: Set[str]) -> Elasticity:
        """∂log‖Δw‖ of one tensor, by the logarithms of α and of the settings, put together."""
        instant = slopes[_INSTANT][place]
        if self.law is None:
            return Elasticity(instant=instant)
        parts = {name: slopes[name][place] if name in slopes else 0.0 for name in self.law.carriers}
        carriers = {
            name: 0.0 - float(self.law.carriers[name]) * slope for name, slope in parts.items() if slope is not None
        }
        return Elasticity(slopes.get(_SETTLED, slopes[_INSTANT])[place], instant, carriers, _felt(carriers, guessed))

    def _is_set(self, name: str) -> bool:
        """Whether a hyperparameter is there and not zero; at zero a relative change of it changes nothing."""
        return any(_number(place, name) for place in (*(piece.group for piece in self.pieces), vars(self.optimizer)))

    def _adds_up(self, one: Elasticity) -> bool:
        if self.law is None or not self.law.lawful or one.settled is None:
            return True
        return abs(sum(one.carriers.values()) - one.settled) <= TOLERANCE

    def _settle(self, one: Elasticity) -> Elasticity:
        """Say nothing where the parts contradict the law; where there is none, name what they leave over."""
        if self.law is None or one.settled is None:
            return replace(one, carriers={}, estimated=())
        if not self._adds_up(one):
            return Elasticity()
        rest = one.settled - sum(one.carriers.values())
        if not self.law.lawful and abs(rest) > _NOISE:
            return replace(one, carriers={**one.carriers, HIDDEN: rest})
        return one


def _felt(carriers: Mapping[str, float], estimated: Set[str]) -> tuple[str, ...]:
    """The hyperparameters with an estimated part that is not zero."""
    return tuple(name for name, part in carriers.items() if name in estimated and abs(part) > _NOISE)


def _slope(high: float, low: float, width: float) -> float | None:
    """The slope of a logarithm between two points; None where one of the updates is zero or not finite."""
    if not (0 < high < math.inf and 0 < low < math.inf):
        return None
    return (math.log(high) - math.log(low)) / (2 * width)


def _norm(update: Tensor) -> float:
    return float(torch.linalg.vector_norm(update, dtype=torch.float64))


def _observed(numbers: Tensor, piece: Piece) -> np.ndarray:
    flat = numbers.reshape(-1)
    return to_host([flat if piece.observed is None else flat[piece.observed.long()]])[0]


def _number(settings: Mapping[str, Any], name: str) -> float:
    base, _, index = name.partition("[")
    value = settings.get(base)
    if index and isinstance(value, (tuple, list)):
        value = value[int(index.rstrip("]"))]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
