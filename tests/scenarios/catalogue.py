"""Every scenario there is. Importing this module fills the registry; nothing is trained by it."""

from tests.scenarios import (
    actors,
    clipping,
    denominators,
    formats,
    healthy,
    mistaken,
    reductions,
    second_moments,
    step_sizes,
    suspicious,
    terms,
    thresholds,
)
from tests.scenarios.causes import CAUSES
from tests.scenarios.scenario import SCENARIOS, Scenario

FAMILIES = (
    denominators,
    second_moments,
    formats,
    clipping,
    step_sizes,
    reductions,
    terms,
    actors,
    thresholds,
    mistaken,
    healthy,
    suspicious,
)

__all__ = ["CAUSES", "FAMILIES", "SCENARIOS", "Scenario"]
