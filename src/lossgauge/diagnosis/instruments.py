"""What one sampled step says of an optimizer as a whole: sums, shares and ratios over its observed tensors."""

import math
from collections.abc import Callable
from fractions import Fraction

from lossgauge.laws.law import Law
from lossgauge.records.elasticity import mean_by_update, weighed_together
from lossgauge.records.histogram import Histogram, add_up
from lossgauge.records.session import Optimizer, Sample, Session, Tensor, TensorSample

EPSILONS = ("eps", "epsilon", "eps[0]")
"""What optimizers call the number they add to a denominator."""


class Instruments:
    """Reads sampled steps of one optimizer of a session."""

    def __init__(self, session: Session, index: int) -> None:
        """Point at an optimizer.

        Args:
            session: The session.
            index: The optimizer's number.
        """
        self.session = session
        self.index = index

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer's record; None where none made a step."""
        return self.session.optimizers[self.index] if self.index < len(self.session.optimizers) else None

    @property
    def title(self) -> str:
        """The short name of its class."""
        return self.optimizer.title if self.optimizer else "the optimizer"

    @property
    def law(self) -> Law | None:
        """Its law, where it is known."""
        return self.optimizer.law if self.optimizer else None

    def tensor(self, sample: TensorSample) -> Tensor:
        """The record of a sampled tensor.

        Args:
            sample: The sample.

        Returns:
            Name, shape, format.
        """
        return self.session.tensors[sample.tensor]

    def setting(self, name: str, sample: Sample | None = None) -> float | None:
        """A setting of the first group.

        Args:
            name: Its name.
            sample: At which step; None for before the first.

        Returns:
            Its value in its own units; None where there is none.
        """
        places = sample.settings if sample is not None and sample.settings else ()
        places = places or (self.optimizer.settings if self.optimizer else ())
        return next((place[name] for place in places if name in place), None)

    def exponent(self, name: str) -> Fraction | None:
        """The power of the loss in a setting.

        Args:
            name: The setting.

        Returns:
            The exponent; None where the law does not give one.
        """
        return self.law.exponents.get(name) if self.law else None

    def share(self, sample: Sample, ask: "Callable[[TensorSample], float | None]") -> float | None:
        """The mean of a share over the observed tensors, each weighted with its number of elements.

        Args:
            sample: The sampled step.
            ask: The share of one tensor.

        Returns:
            Between 0 and 1; None where no tensor knows it.
        """
        known = [(ask(tensor), self.tensor(tensor).elements) for tensor in sample.tensors]
        weighted = [(value, weight) for value, weight in known if value is not None]
        total = sum(weight for _, weight in weighted)
        return sum(value * weight for value, weight in weighted) / total if total else None

    def dominated(self, sample: Sample) -> float | None:
        """The share of elements whose √v̂ does not exceed ε.

        Args:
            sample: The sampled step.

        Returns:
            The share; None for optimizers without a second moment or ε. Of an optimizer whose second moment nobody
            knows, the share of elements in tensors whose whole gradient is no longer than what ε is beside a gradient.
        """
        known = self.share(sample, lambda tensor: tensor.dominated)
        floor = self.floor(sample)
        if known is not None or floor is None:
            return known
        return self.share(sample, lambda t: None if t.gradient_norm is None else float(t.gradient_norm <= floor))

    @property
    def epsilon(self) -> str | None:
        """The name of the optimizer's epsilon; None where it has none, or where it is switched off."""
        return next((name for name in EPSILONS if self.setting(name)), None)

    def floor(self, sample: Sample | None = None) -> float | None:
        """What ε is beside a gradient: ε^(1/k) for an ε with units (L/W)^k, in L/W.

        Args:
            sample: At which step; None for before the first.

        Returns:
            The floor under the denominator; None without ε or without its exponent.
        """
        power = self.exponent(self.epsilon) if self.epsilon else None
        value = self.setting(self.epsilon or "", sample)
        return value ** float(1 / power) if value and power and power > 0 else None

    def root(self, sample: TensorSample) -> float | None:
        """The typical √v̂ of a tensor, or |g| where nobody knows its second moment.

        Args:
            sample: The sample.

        Returns:
            The median over its elements, in L/W.
        """
        seen = sample.denominator or sample.gradient
        return seen.quantile(0.5) if seen else None

    def relative_update(self, sample: Sample) -> float | None:
        """‖Δw‖/‖w‖ over all observed tensors together.

        Args:
            sample: The sampled step.

        Returns:
            The ratio, dimensionless.
        """
        updates = [tensor.update_norm for tensor in sample.tensors if tensor.update_norm is not None]
        weights = math.hypot(*(tensor.weight_norm for tensor in sample.tensors))
        return math.hypot(*updates) / weights if updates and weights else None

    def gradient_norm(self, sample: Sample) -> float | None:
        """‖g‖ over all observed tensors together, in L/W.

        Args:
            sample: The sampled step.

        Returns:
            The norm of what the optimizer used.
        """
        norms = [tensor.gradient_norm for tensor in sample.tensors if tensor.gradient_norm is not None]
        return math.hypot(*norms) if norms else None

    def zeros(self, sample: Sample) -> float | None:
        """The share of elements whose gradient is exactly zero.

        Args:
            sample: The sampled step.

        Returns:
            Between 0 and 1; None where no gradient was looked at.
        """
        counts = [(t.gradient.zero, t.gradient.elements) for t in sample.tensors if t.gradient]
        total = sum(count for _, count in counts)
        return sum(zero for zero, _ in counts) / total if total else None

    def elasticity(self, sample: Sample) -> float | None:
        """Settled elasticity, each tensor weighted with the square of its update.

        Args:
            sample: The sampled step.

        Returns:
            E; None where it was not taken.
        """
        found = weighed_together(sample)
        return None if found is None else found[0]

    def carriers(self, sample: Sample) -> dict[str, float]:
        """The parts of `elasticity`, each tensor weighted with the square of its update.

        Args:
            sample: The sampled step.

        Returns:
            By hyperparameter; they add up to the elasticity of the sample. Empty where it was not taken.
        """
        found = weighed_together(sample)
        return {} if found is None else found[1]

    def instant(self, sample: Sample) -> float | None:
        """Elasticity with the states held fixed, each tensor weighted with the square of its update.

        Args:
            sample: The sampled step.

        Returns:
            E of this step alone; None where it was not taken.
        """
        return mean_by_update((t.instant, t.update_norm) for t in sample.tensors)

    def decay_ratio(self, sample: Sample) -> float | None:
        """λ‖w‖/‖g‖ for decay that is added to the gradient.

        Args:
            sample: The sampled step.

        Returns:
            The ratio; None without coupled weight decay.
        """
        value = self.setting("weight_decay", sample)
        gradient = self.gradient_norm(sample)
        if not value or self.exponent("weight_decay") != 1 or gradient is None:
            return None
        weights = math.hypot(*(t.weight_norm for t in sample.tensors if t.gradient_norm is not None))
        return value * weights / gradient if gradient else math.inf

    def gradients(self, sample: Sample) -> Histogram:
        """|g| of all observed tensors together, in L/W.

        Args:
            sample: The sampled step.

        Returns:
            The histogram.
        """
        return add_up(tensor.gradient for tensor in sample.tensors if tensor.gradient)

    def denominators(self, sample: Sample) -> Histogram:
        """√v̂ of all observed tensors together, in L/W.

        Args:
            sample: The sampled step.

        Returns:
            The histogram.
        """
        return add_up(tensor.denominator for tensor in sample.tensors if tensor.denominator)
