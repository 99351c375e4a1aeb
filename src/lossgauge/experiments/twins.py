"""Twins: the same training at two loss multipliers, everything that carries units of the loss co-scaled, bits compared.

First comes a guard: the untouched training, twice. What does not repeat itself cannot be proved the same as anything.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from lossgauge.errors import InputError, ScriptError
from lossgauge.experiments.quantities import Quantity, quantities, shown
from lossgauge.laws.companions import companion_row
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import power_of_two, spell
from lossgauge.records.injection import COMPANION_EXPONENTS, Injection
from lossgauge.records.proof import FirstDifference
from lossgauge.records.run import Divergence, Run
from lossgauge.records.ulps import ulps
from lossgauge.trainings.recorder import LawOf, Watch
from lossgauge.trainings.training import Training

Notify = Callable[[str], None]
"""Told, before each run, what it is for."""
GENTLE = Fraction(2)
"""The multiplier of planted violations: the values stay valid, and next to nothing over- or underflows."""


@dataclass
class Laboratory:
    """One training and everything that is run on it.

    Args:
        training: What is run.
        companion_laws: The law of each quantity beside the optimizers.
        output: Where the first run's standard output goes; later runs are silent.
        notify: Told, before each run, what it is for.
        watch: What is written down of the first two runs.
    """

    training: Training
    companion_laws: Mapping[str, Law] = field(default_factory=dict[str, Law])
    output: str = "stdout"
    notify: Notify = lambda purpose: None
    watch: Watch = field(default_factory=Watch)
    reference: Run = field(default_factory=Run)
    laws: tuple[Law, ...] = ()

    def guard(self, law_of: LawOf | str) -> Run:
        """Run the untouched training twice; the laws are looked up after the second run.

        Args:
            law_of: Finds the law of each optimizer.

        Returns:
            The second run; it has a divergence where the training does not repeat itself.
        """
        self.notify("the training as it is")
        self.reference = self.training.run(Injection(), self.watch, output=self.output)
        if not self.reference.steps:
            return self.reference
        self.notify("the training as it is, once more")
        again = self.training.run(Injection(), replace(self.watch, reference=self.reference), law_of, "nowhere")
        self.laws = tuple(p.law for p in again.participants if p.law is not None)
        return again

    def twin(self, alpha: Fraction, planted: Mapping[str, Fraction] | None = None, purpose: str = "") -> Run:
        """Run the training with the loss multiplied and everything co-scaled, up to the first difference.

        Args:
            alpha: α.
            planted: By how much the exponent of a quantity is deliberately off.
            purpose: What to call the run.

        Returns:
            The run; it has no divergence where every bit was equal.
        """
        self.notify(purpose or f"the twin at α = {spell(alpha)}")
        return self.training.run(self.injection(alpha, planted), Watch(self.reference), output="nowhere")

    def injection(self, alpha: Fraction, planted: Mapping[str, Fraction] | None = None) -> Injection:
        """The change of units by the laws of this training.

        Args:
            alpha: α.
            planted: By how much the exponent of a quantity is deliberately off.

        Returns:
            The injection.
        """
        return Injection(alpha, self.laws, self.companions(), planted=planted or {})

    def companions(self) -> dict[str, Fraction]:
        """The exponents of what stands beside the optimizers.

        Returns:
            Those of the laws where there are any, otherwise those that follow from what they are compared with.
        """
        return {
            name: self.companion_laws[name].exponents.get(name, power) if name in self.companion_laws else power
            for name, power in COMPANION_EXPONENTS.items()
        }

    def laws_in_use(self) -> list[Law]:
        """The laws of the optimizers, and of what stands beside them.

        Returns:
            The laws, those of the optimizers first; without that of a threshold that is infinite and so does nothing.
        """
        used = {name for name, value in self.reference.thresholds.items() if math.isfinite(value)}
        return [*self.laws, *(law for name, law in self.companion_laws.items() if name in used)]

    def locate(self, gone: Divergence, measured: bool = True) -> FirstDifference:
        """Say where a run left the reference, and how far apart they are there.

        Args:
            gone: The divergence.
            measured: Whether the reference is run again up to that step, to measure the distance.

        Returns:
            Step, tensor and distance.
        """
        if gone.optimizer < 0:
            return FirstDifference(gone.step, "")
        tensor = self.reference.participants[gone.optimizer].names[gone.tensor]
        if not measured or gone.bits is None or not gone.step:
            return FirstDifference(gone.step, tensor)
        self.notify(f"the training as it is, up to step {gone.step}")
        again = self.training.run(Injection(), Watch(capture=(gone.step, gone.tensor)), output="nowhere")
        return FirstDifference(gone.step, tensor, again.captured and ulps(gone.bits, again.captured))

    def plant(self, alpha: Fraction) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Put every exponent off by one, each on its own, and see whether the bits notice.

        Args:
            alpha: The multiplier of the proof, used where a factor of two goes unnoticed.

        Returns:
            The names of the quantities whose violation was caught, of those without influence, and of those whose
            violation could not be run; counts, of which there is no half, are left out.
        """
        found: dict[str, list[str]] = {"caught": [], "inert": [], "failed": []}
        everything = quantities(self.reference, self.laws, self.companions())
        for quantity in everything:
            outcome = "inert" if quantity.silent else self._violate(quantity, alpha)
            if not (outcome == "failed" and quantity.count):
                found[outcome].append(quantity.key)
        caught, inert, failed = (shown(keys, everything) for keys in found.values())
        return caught, inert, failed

    def _violate(self, quantity: Quantity, alpha: Fraction) -> str:
        """Half the value at α = 2, where all stays valid; if nothing notices, more of it at the proof's own α."""
        grows = Fraction(1 if alpha > 1 else -1)
        # What has units of the loss may grow without limit; a momentum, say, must stay below 1.
        further = grows if quantity.exponent else -grows
        outcome = "failed"
        for multiplier, offset in ((GENTLE, Fraction(-1)), (alpha, further)):
            try:
                run = self.twin(multiplier, {quantity.key: offset}, f"a planted violation of {quantity.key}")
            except (ScriptError, InputError):
                continue
            if run.divergence is not None:
                return "caught"
            outcome = "inert"
        return outcome


def companion_laws_of_table() -> dict[str, Law]:
    """The laws of clip functions and scalers the table knows.

    Returns:
        Quantity → law, for the quantities beside the optimizers.
    """
    rows = {name: companion_row(name) for name in ("max_norm", "clip_value")}
    return {name: row.law for name, row in rows.items() if row is not None}


def nearest_power_of_two(alpha: Fraction) -> Fraction:
    """The power of two at which bits are compared for a given multiplier.

    Args:
        alpha: The user's multiplier.

    Returns:
        α itself where it is a power of two; otherwise the nearest one by ratio; never 1, at which nothing is tried.

    >>> str(nearest_power_of_two(Fraction(10**5))), str(nearest_power_of_two(Fraction(1, 3)))
    ('131072', '1/4')
    """
    if power_of_two(alpha) and alpha != 1:
        return alpha
    power = alpha.numerator.bit_length() - alpha.denominator.bit_length()
    nearest = min(
        (Fraction(2) ** m for m in (power - 1, power, power + 1)), key=lambda two: max(two / alpha, alpha / two)
    )
    return GENTLE if nearest == 1 and alpha >= 1 else 1 / GENTLE if nearest == 1 else nearest
