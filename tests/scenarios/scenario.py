"""One scenario, and the registry of them all (complete once `tests.scenarios.catalogue` is imported)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.scenarios.causes import CAUSES

Train = Callable[..., float]


@dataclass(frozen=True)
class Scenario:
    """A training with a known cause.

    name: name of the function, and of the scenario on the command line.
    cause: a key of CAUSES.
    train: trains as a user's script would and returns the metric: lower is better, and no constant on the loss enters
        it. Its arguments: `fixed`, the remedy; `alpha`, a factor on the loss with nothing else changed; `units`, a
        factor on the loss with everything that has its units changed along. Some take further numbers (`lr`, …).
    fix: the remedy in words; empty where nothing is wrong.
    ok_below: a metric below it is a success.
    bad_above: a metric above it is a failure; None where nothing is wrong.
    alpha_helps: factors on the loss that cure it, too.
    alpha_inert: factors on the loss that do not cure it (where nothing is wrong: that do no harm).
    also_bad: other arguments of `train` that do not cure it: tempting changes of one number.
    lawful: `units` leaves the training as it is, bit for bit, at powers of two. False where the optimizer, a hidden
        constant or a number format has no law.
    """

    name: str
    cause: str
    train: Train
    fix: str
    ok_below: float
    bad_above: float | None
    alpha_helps: tuple[float, ...]
    alpha_inert: tuple[float, ...]
    also_bad: tuple[Mapping[str, Any], ...]
    lawful: bool

    @property
    def healthy(self) -> bool:
        return self.cause == "healthy"

    @property
    def story(self) -> str:
        return (self.train.__doc__ or "").strip()

    def metric(self, **arguments: Any) -> float:
        """What `train` returns; infinite where it is not a number."""
        value = float(self.train(**arguments))
        return math.inf if math.isnan(value) else value


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    cause: str,
    *,
    ok_below: float,
    bad_above: float | None = None,
    fix: str = "",
    alpha_helps: tuple[float, ...] = (),
    alpha_inert: tuple[float, ...] = (),
    also_bad: tuple[Mapping[str, Any], ...] = (),
    lawful: bool = True,
) -> Callable[[Train], Train]:
    """Enter the function in the registry, under its own name."""
    healthy = cause == "healthy"
    if cause not in CAUSES:
        raise ValueError(f"{cause!r} is not the name of a finding")
    if healthy != (bad_above is None) or healthy != (not fix):
        raise ValueError("a fault needs bad_above and fix, a healthy scenario has neither")

    def enter(train: Train) -> Train:
        name = getattr(train, "__name__", "")
        if name in SCENARIOS:
            raise ValueError(f"two scenarios are called {name}")
        SCENARIOS[name] = Scenario(
            name, cause, train, fix, ok_below, bad_above, alpha_helps, alpha_inert, also_bad, lawful
        )
        return train

    return enter
