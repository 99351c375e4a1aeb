"""The five words every result of lossgauge is stated in."""

from enum import StrEnum


class Verdict(StrEnum):
    """How the claim "co-scaling every hyperparameter gives the same training" turned out."""

    EXACT = "EXACT"
    """Bits equal, and every planted violation was caught."""
    CLOSE = "CLOSE"
    """Not bits, but equal to rounding; says how many ulps apart and where first."""
    BROKEN = "BROKEN"
    """No exponents exist; names the step, tensor, line or constant."""
    INERT = "INERT"
    """No influence in this run."""
    UNDECIDED = "UNDECIDED"
    """Could not be established: the run does not repeat itself, is not finite, or an operation is unknown."""
