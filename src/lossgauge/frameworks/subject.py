"""What the rooms above see of any framework: an optimizer that can be run and traced on a small synthetic problem.

The problem is a noisy quadratic, loss_t(w) = α·Σ ½ c·(w − z_t)², with curvatures c over a decade and a half and a fresh
target z_t at every step, so that no gradient is special and the loss is positive.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lossgauge.units.equation import Equation
from lossgauge.units.monomial import Monomial

Settings = Mapping[str, Any]
Interrupt = Callable[[int, Mapping[str, np.ndarray]], bool]
"""Called after every step with its number and the weights; returning True ends the run."""


@dataclass(frozen=True)
class Hyperparameter:
    """One setting of an optimizer's constructor.

    Args:
        name: Its name; entries of tuples are `eps[0]`, `betas[1]`.
        default: Its default value.
        kind: `number` (may carry units), `count` (whole numbers), `flag`, `choice` (text or None), `required`.
    """

    name: str
    default: Any
    kind: str


@dataclass(frozen=True)
class Problem:
    """The synthetic training an optimizer is run on.

    Args:
        alpha: The loss multiplier α of this run, times the base size of the gradients (about 1).
        steps: Number of optimizer steps.
        seed: Seed of weights, curvatures and targets.
        precision: `float64` or `float32`.
    """

    alpha: float = 1.0
    steps: int = 16
    seed: int = 0
    precision: str = "float64"


@dataclass(frozen=True)
class Trajectory:
    """What one run left behind.

    Args:
        weights: The weights by tensor name: before the first step, then after each step.
        states: After the last step, every state tensor by `tensor/slot`.
        finite: Whether all weights stayed finite.
        evaluations: How often the loss was evaluated.
    """

    weights: list[dict[str, np.ndarray]]
    states: dict[str, np.ndarray] = field(default_factory=dict)
    finite: bool = True
    evaluations: int = 0

    def path(self) -> np.ndarray:
        """The way from the start: w_t − w_0 for all steps and tensors in one row.

        Returns:
            A vector of float64, in W.
        """
        start = self.weights[0]
        return np.concatenate([(w[n] - start[n]).ravel() for w in self.weights[1:] for n in start]).astype(float)


@dataclass(frozen=True)
class Trace:
    """What the unit-carrying run collected.

    Args:
        equations: Every distinct equation, in the order of appearance.
        unknown: Operations and values whose unit could not be followed, with their sites.
        states: The unit of each state slot after the last step.
    """

    equations: tuple[Equation, ...]
    unknown: tuple[str, ...] = ()
    states: Mapping[str, Monomial] = field(default_factory=dict)


class Subject(Protocol):
    """An optimizer (or clip function, or schedule) under study."""

    target: str
    carriers: tuple[str, ...]
    """Hyperparameters that belong to the vehicle and not to the thing studied; left out of its law."""

    def hyperparameters(self) -> dict[str, Hyperparameter]:
        """All settings by name, tuples entry by entry."""
        ...

    def run(self, settings: Settings, problem: Problem, interrupt: Interrupt | None = None) -> Trajectory:
        """Train on `problem` with these settings."""
        ...

    def trace(self, settings: Settings, problem: Problem) -> Trace:
        """Train with unit-carrying numbers and collect the equations the code imposes."""
        ...

    def implementations(self, settings: Settings) -> dict[str, dict[str, Any]]:
        """Other code paths for the same algorithm by name, as extra settings (foreach, fused)."""
        ...

    def choices(self) -> dict[str, tuple[str, ...]]:
        """The other values of settings that are texts."""
        ...
