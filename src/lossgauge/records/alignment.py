"""How far one gradient is a factor times another: per batch, per layer, per sample, at one set of weights.

With g_a and g_b the gradients of two losses, the factor is α_eff = ⟨g_a, g_b⟩/⟨g_a, g_a⟩, and it explains the share
cos² = ⟨g_a, g_b⟩²/(⟨g_a, g_a⟩·⟨g_b, g_b⟩) of ‖g_b‖².
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Alignment:
    """How far one gradient is a factor times another, over one layer, one batch, or everything.

    Args:
        name: Of what: a weight tensor, a batch, or empty.
        aa: ⟨g_a, g_a⟩, in (loss/weight)².
        ab: ⟨g_a, g_b⟩.
        bb: ⟨g_b, g_b⟩.
        same_bits: Whether both gradients are equal bit for bit.
    """

    name: str
    aa: float
    ab: float
    bb: float
    same_bits: bool = False

    @property
    def finite(self) -> bool:
        """Whether all three products are finite numbers."""
        return math.isfinite(self.aa) and math.isfinite(self.ab) and math.isfinite(self.bb)

    @property
    def alpha_eff(self) -> float | None:
        """α_eff, dimensionless; None where the first gradient is zero or one of them is not finite."""
        return self.ab / self.aa if self.finite and self.aa > 0 else None

    @property
    def cos2(self) -> float | None:
        """The share of ‖g_b‖² that the factor explains; None where there is no second gradient to explain."""
        if not self.finite or self.bb == 0:
            return None
        return min(1.0, (self.ab / math.sqrt(self.aa) / math.sqrt(self.bb)) ** 2) if self.aa > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data.

        Returns:
            A JSON-ready dictionary; what is undefined is None.
        """
        return {
            "name": self.name,
            "alpha_eff": self.alpha_eff,
            "cos2": self.cos2,
            "norm_a": math.sqrt(self.aa) if math.isfinite(self.aa) else None,
            "norm_b": math.sqrt(self.bb) if math.isfinite(self.bb) else None,
        }


def pool(alignments: Iterable[Alignment], name: str = "") -> Alignment:
    """Several gradients laid end to end: one factor for all of them.

    Args:
        alignments: The parts; those that are not finite are left out.
        name: The name of the whole.

    Returns:
        The sums of the products.
    """
    parts = [part for part in alignments if part.finite]
    same = bool(parts) and all(part.same_bits for part in parts)
    products = (math.fsum(getattr(part, which) for part in parts) for which in ("aa", "ab", "bb"))
    return Alignment(name, *products, same_bits=same)


@dataclass(frozen=True)
class SampleWeights:
    """How much each sample counts under the second loss, relative to the first one.

    w_i = ⟨∂L_b/∂z_i, ∂L_a/∂z_i⟩ / ‖∂L_a/∂z_i‖² with z_i the model's output for the sample.

    Args:
        samples: How many samples have a weight, a count.
        without: Samples without gradient under the first loss, which have none, a count.
        quantiles: Level between 0 and 1 as text → w.
        effective_share: (Σw)²/(n·Σw²): 1 where all count alike; None where all weights are 0.
        explained: The share of ‖∂L_b/∂z‖² that a weight per sample explains.
        by_difficulty: The mean weight in each tenth of the samples, from the smallest first loss to the largest.
    """

    samples: int
    without: int
    quantiles: Mapping[str, float]
    effective_share: float | None
    explained: float | None
    by_difficulty: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data.

        Returns:
            A JSON-ready dictionary.
        """
        return {**vars(self), "quantiles": dict(self.quantiles), "by_difficulty": list(self.by_difficulty)}


@dataclass(frozen=True)
class Point:
    """Both gradients at one set of weights.

    Args:
        step: How many steps the weights were trained, a count.
        batches: Per batch, over all layers.
        layers: Per weight tensor, over all batches.
        value_a: The first loss, mean over the batches, in its own units.
        value_b: The second one.
        weights: Of the samples; None where the model's output has no samples.
    """

    step: int
    batches: tuple[Alignment, ...]
    layers: tuple[Alignment, ...]
    value_a: float
    value_b: float
    weights: SampleWeights | None = None

    @property
    def total(self) -> Alignment:
        """One factor for all batches."""
        return pool(self.batches)

    @property
    def usable(self) -> tuple[Alignment, ...]:
        """The batches whose gradients are finite and not both zero."""
        return tuple(batch for batch in self.batches if batch.finite and (batch.aa > 0 or batch.bb > 0))

    @property
    def batch_share(self) -> float | None:
        """The share of Σ‖g_b‖² that a factor of its own for every batch explains."""
        below = math.fsum(batch.bb for batch in self.usable)
        above = math.fsum(batch.ab * (batch.ab / batch.aa) for batch in self.usable if batch.aa > 0)
        return min(1.0, above / below) if below else None

    @property
    def alpha_range(self) -> tuple[float, float] | None:
        """The smallest and the largest α_eff of a batch."""
        found = [batch.alpha_eff for batch in self.usable if batch.alpha_eff is not None]
        return (min(found), max(found)) if found else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without the single batches and layers.

        Returns:
            A JSON-ready dictionary.
        """
        low, high = self.alpha_range or (None, None)
        return {
            "step": self.step,
            "alpha_eff": self.total.alpha_eff,
            "cos2": self.total.cos2,
            "batch_share": self.batch_share,
            "alpha_low": low,
            "alpha_high": high,
            "effective_share": self.weights.effective_share if self.weights else None,
            "value_a": self.value_a,
            "value_b": self.value_b,
        }
