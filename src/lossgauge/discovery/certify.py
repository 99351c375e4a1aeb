"""Certify a law: real runs at α = 2^±m with every hyperparameter co-scaled, compared bit for bit.

Under α = 2^m binary floating point only shifts exponents, so equal laws give equal bits. Each exponent is then put off
by one: a violation that goes unnoticed shows that the hyperparameter had no influence, and the certificate says so.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from types import MappingProxyType
from typing import Any

import numpy as np

from lossgauge.discovery.differences import ROUNDING, Difference, first_difference, largest_gap, state_exponents
from lossgauge.errors import InputError, LossgaugeError, ObservationError
from lossgauge.frameworks.subject import Problem, Settings, Subject, Trajectory
from lossgauge.laws.equivalence import scaled

STEPS, LONGER = 32, 5
"""Steps of an ordinary run; and how many times longer the run is that looks for rules that change late."""
FAR = 12
"""The larger of the two |m| tried for α = 2^m; a multiple of the common denominator of the exponents."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Certificate:
    """The outcome of certifying a set of exponents.

    Args:
        bitwise: Whether every run had equal bits.
        first_difference: Where the first one did not.
        alphas: The multipliers tried, as text.
        caught: Hyperparameters whose exponent, put off by one, was noticed.
        inert: Those for which it was not.
        states: The power of the loss in each state slot.
        implementations: Other code paths (foreach, fused) and whether their bits were equal too.
        runs: How many runs were made.
        repeatable: Whether the same run twice gave the same bits.
        gradient_factor: The size of the gradients relative to the ordinary problem.
    """

    bitwise: bool
    first_difference: Difference | None
    alphas: tuple[str, ...]
    caught: tuple[str, ...] = ()
    inert: tuple[str, ...] = ()
    states: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    implementations: Mapping[str, bool] = field(default_factory=dict[str, bool])
    runs: int = 0
    repeatable: bool = True
    gradient_factor: float = 1.0

    @property
    def close(self) -> bool:
        """Whether the first difference is no more than rounding."""
        return self.first_difference is not None and self.first_difference.rounding


class Certifier:
    """Runs of one optimizer at one choice of values.

    Args:
        subject: The optimizer.
        settings: Values at which every hyperparameter matters.
        exponents: k_h of every hyperparameter with a claim.
        gradient_factor: Multiplies all gradients of all runs, to bring a hidden constant into play.
        steps: Length of an ordinary run.
    """

    def __init__(
        self,
        subject: Subject,
        settings: Mapping[str, Any],
        exponents: Mapping[str, Fraction],
        gradient_factor: float = 1.0,
        steps: int = STEPS,
    ) -> None:
        self.steps = steps
        self.subject, self.settings, self.exponents = subject, dict(settings), dict(exponents)
        self.gradient_factor = 2.0 ** round(np.log2(gradient_factor))
        self.unit = lcm(1, *(k.denominator for k in self.exponents.values()))
        self.runs = 0

    def certify(self, full: bool = True) -> Certificate:
        """Make all runs.

        Args:
            full: Also float32, the long run, other implementations and planted violations.

        Returns:
            The certificate.

        Raises:
            ObservationError: When the untouched run fails or is not finite.
        """
        base = self._finite_base()
        again = self._run(0)
        if first_difference(base, again, "1") is not None:
            return Certificate(False, first_difference(base, again, "1"), ("1",), runs=self.runs, repeatable=False)
        first, alphas, twins = self._twins(base)
        if full and first is None:
            up, down = self._shifts()[2:]
            further = ((up, 1, "float32"), (down, 1, "float32"), (up, LONGER, "float64"))
            for shift, longer, precision in further:
                with contextlib.suppress(InputError, ObservationError):  # the long run of an unstable rule may diverge
                    first = first or self._compare(shift, self.steps * longer, precision)
        checked = full and (first is None or first.rounding)
        caught = tuple(n for n in self.exponents if self._violation_is_caught(n, base, first)) if checked else ()
        return Certificate(
            bitwise=first is None and bool(twins),
            first_difference=first,
            alphas=alphas,
            caught=caught,
            inert=tuple(n for n in self.exponents if n not in caught) if checked else (),
            states=state_exponents(base, twins),
            implementations=self._implementations() if full and first is None else {},
            runs=self.runs,
            gradient_factor=self.gradient_factor,
        )

    def _twins(self, base: Trajectory) -> tuple[Difference | None, tuple[str, ...], list[tuple[int, Trajectory]]]:
        first: Difference | None = None
        alphas: list[str] = []
        twins: list[tuple[int, Trajectory]] = []
        for shift in self._shifts():
            try:
                twin = self._run(shift)
            except InputError:  # its constructor refuses the co-scaled values
                continue
            alphas.append(f"2**{shift}")
            twins.append((shift, twin))
            first = first or first_difference(base, twin, alphas[-1])
        return first, tuple(alphas), twins

    def _compare(self, shift: int, steps: int, precision: str, extra: Settings = NOTHING) -> Difference | None:
        base = self._base(steps, precision, extra)
        return first_difference(base, self._run(shift, steps, precision, extra), f"2**{shift}")

    def _implementations(self) -> dict[str, bool]:
        paths = self.subject.implementations(self.settings)
        return {n: self._compare(self._shifts()[2], self.steps, "float32", extra) is None for n, extra in paths.items()}

    def _violation_is_caught(self, name: str, base: Trajectory, rounding: Difference | None) -> bool:
        """Exponent off by one, first at the gentlest α, then at a large one for thresholds that seldom bind."""
        noticed = 0.0 if rounding is None else 1e3 * ROUNDING[rounding.precision]
        for shift in self._shifts():
            for sign in (-1, 1):
                try:
                    twin = self._run(shift, wrong={name: Fraction(sign)})
                except LossgaugeError:
                    continue  # outside the range its constructor allows
                if largest_gap(base, twin) > noticed:
                    return True
        return False

    def _shifts(self) -> tuple[int, int, int, int]:
        """Exponents m of α = 2^m: the gentlest at which every co-scaled value is exact, and one near 12."""
        far = self.unit * max(1, -(-FAR // self.unit))
        return self.unit, -self.unit, far, -far

    def _finite_base(self) -> Trajectory:
        """The untouched run, shortened until it is finite."""
        while True:
            try:
                return self._base(self.steps)
            except ObservationError:
                if self.steps <= 4:
                    raise
                self.steps //= 2

    def _base(self, steps: int, precision: str = "float64", extra: Settings = NOTHING) -> Trajectory:
        base = self._run(0, steps, precision, extra)
        if not base.finite:
            raise ObservationError(f"{self.subject.target} diverges on the quadratic at {self.settings}")
        return base

    def _run(
        self,
        shift: int,
        steps: int | None = None,
        precision: str = "float64",
        extra: Settings = NOTHING,
        wrong: Mapping[str, Fraction] = NOTHING,
    ) -> Trajectory:
        """One run at α = 2^shift, with the exponents in `wrong` put off."""
        self.runs += 1
        alpha = Fraction(2) ** shift
        settings = {n: self._co_scaled(n, v, alpha, wrong.get(n, Fraction(0))) for n, v in self.settings.items()}
        problem = Problem(float(alpha) * self.gradient_factor, steps or self.steps, precision=precision)
        return self.subject.run({**settings, **extra}, problem)

    def _co_scaled(self, name: str, value: Any, alpha: Fraction, off: Fraction) -> Any:
        exponent = self.exponents.get(name, Fraction(0)) + off
        return scaled(float(value), exponent, alpha) if exponent else value


def certify(
    subject: Subject,
    settings: Mapping[str, Any],
    exponents: Mapping[str, Fraction],
    gradient_factor: float = 1.0,
    full: bool = True,
    steps: int = STEPS,
) -> Certificate:
    """Certify that co-scaling with these exponents gives the same training.

    Args:
        subject: The optimizer.
        settings: Values at which every hyperparameter matters.
        exponents: k_h of every hyperparameter with a claim.
        gradient_factor: Multiplies all gradients of all runs, to bring a hidden constant into play.
        full: Also float32, the long run, other implementations and planted violations.
        steps: Length of an ordinary run.

    Returns:
        The certificate.

    Raises:
        ObservationError: When the untouched run fails or is not finite.
    """
    return Certifier(subject, settings, exponents, gradient_factor, steps).certify(full)
