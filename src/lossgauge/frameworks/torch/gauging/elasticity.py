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

from lossgauge.frameworks.torch.gauging.pieces import Piece
from lossgauge.frameworks.torch.gauging.trial import Change, Trials
from lossgauge.laws.law import Law

HIDDEN = "hidden constants"
"""The carrier that takes what no hyperparameter explains, for an optimizer whose law is broken."""
TOLERANCE = 1e-3
"""How far the parts may be from the whole, in elasticity, before a wider difference is tried, and then given up."""
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
        intended: Δw of the observed elements in W, in float64: what the step would be without rounding.
    """

    settled: float | None = None
    instant: float | None = None
    carriers: Mapping[str, float] = field(default_factory=dict[str, float])
    estimated: tuple[str, ...] = ()
    intended: np.ndarray | None = None


def trial_steps(optimizer: Optimizer, pieces: Sequence[Piece], law: Law | None) -> list[Elasticity]:
    """The elasticity of each tensor's step.

    Args:
        optimizer: The live optimizer; it is not touched.
        pieces: Copies made before the step, with their gradients.
        law: Its law; without one only the instant elasticity is known.

    Returns:
        One result for each piece; empty ones where the optimizer cannot make a step on copies.
    """
    try:
        return _Differences(optimizer, pieces, law).results() if pieces else []
    except Exception:  # whatever a foreign optimizer does on copies must not end the observing
        return [Elasticity()] * len(pieces)


class _Differences:
    """Central differences of one step, all tensors at once."""

    def __init__(self, optimizer: Optimizer, pieces: Sequence[Piece], law: Law | None) -> None:
        self.trials = Trials(optimizer, pieces, law)
        self.pieces = pieces
        self.law = law
        self.own = vars(optimizer)
        self.weightless: set[int] = set()

    def results(self) -> list[Elasticity]:
        """The elasticities, from narrow differences and, where these do not add up, from a factor of two."""
        intended = self._start()
        width = self._width(intended)
        found = self._measure(width)
        doubtful = [i for i, one in enumerate(found) if one.settled is not None and not self._adds_up(one)]
        if doubtful:  # a step that rounds to bfloat16 inside, as Muon's, is exact under powers of two alone
            wider = self._measure(_WIDE)
            found = [wider[i] if i in doubtful else one for i, one in enumerate(found)]
        return [
            replace(self._settle(one), intended=_observed(update, piece))
            for one, update, piece in zip(found, intended, self.pieces, strict=True)
        ]

    def _start(self) -> list[Tensor]:
        """Δw as it is, from weights of zero wherever the step does not depend on them: then no digit cancels."""
        updates = self.trials.updates()
        self.trials.start_from_zero(set(range(len(self.pieces))))
        bare = self.trials.updates()
        for place, (update, alone, piece) in enumerate(zip(updates, bare, self.pieces, strict=True)):
            noise = 4 * _SPACING * piece.weight.abs() + _RELATIVE * alone.abs()
            if bool(((update - alone).abs() <= noise).all()):
                self.weightless.add(place)
        self.trials.start_from_zero(self.weightless)
        return [bare[i] if i in self.weightless else update for i, update in enumerate(updates)]

    def _width(self, updates: Sequence[Tensor]) -> float:
        """Half the difference in log α: as narrow as the digits that are left in Δw allow."""
        width = _NARROW
        for place, (update, piece) in enumerate(zip(updates, self.pieces, strict=True)):
            if place not in self.weightless and (size := _norm(update)) > 0:
                width = max(width, min((_SPACING * _norm(piece.weight) / size) ** (1 / 3), _BROAD))
        return width

    def _measure(self, width: float) -> list[Elasticity]:
        instant = self._slopes(Change(), width)
        if self.law is None:
            return [Elasticity(instant=slope) for slope in instant]
        settled = self._slopes(Change(settled=True), width) if self._history() else instant
        parts: dict[str, list[float | None]] = {}
        for name, power in self.law.carriers.items():
            slopes = (
                self._slopes(Change(settled=True, setting=name), width)
                if self._is_set(name)
                else [0.0] * len(self.pieces)
            )
            parts[name] = [None if slope is None else 0.0 - float(power) * slope for slope in slopes]
        found = [{n: v for n, column in parts.items() if (v := column[i]) is not None} for i in range(len(self.pieces))]
        return [
            Elasticity(settled[i], instant[i], carriers, _felt(carriers, guessed))
            for i, (carriers, guessed) in enumerate(zip(found, self.trials.estimated(), strict=True))
        ]

    def _slopes(self, change: Change, width: float) -> list[float | None]:
        """∂log‖Δw‖ of each piece by the logarithm of α or of the setting that is named."""
        up, down = math.exp(width), math.exp(-width)
        what = "factor" if change.setting else "alpha"
        above = self.trials.sizes(replace(change, **{what: up}))
        below = self.trials.sizes(replace(change, **{what: down}))
        return [_slope(high, low, width) for high, low in zip(above, below, strict=True)]

    def _history(self) -> bool:
        return any(memory for memory in self.trials.memories)

    def _is_set(self, name: str) -> bool:
        """Whether a hyperparameter is there and not zero; at zero a relative change of it changes nothing."""
        return any(_number(place, name) for place in (*(piece.group for piece in self.pieces), self.own))

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


def _observed(update: Tensor, piece: Piece) -> np.ndarray:
    flat = update.reshape(-1)
    return (flat if piece.observed is None else flat[piece.observed]).numpy()


def _number(settings: Mapping[str, Any], name: str) -> float:
    base, _, index = name.partition("[")
    value = settings.get(base)
    if index and isinstance(value, (tuple, list)):
        value = value[int(index.rstrip("]"))]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
