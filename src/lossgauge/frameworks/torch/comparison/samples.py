"""How much each sample counts under one loss, relative to another: weights read off the gradient at the output."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from lossgauge.errors import LossgaugeError
from lossgauge.frameworks.torch.comparison.criteria import Criterion
from lossgauge.records.alignment import SampleWeights

LEVELS = ("0", "0.05", "0.25", "0.5", "0.75", "0.95", "1")
TENTHS = 10
MOST_LOSSES = 4096
"""Samples whose own loss is asked for; one call each."""


@dataclass
class Samples:
    """Products of the gradients at the output, sample by sample, collected over batches.

    Args:
        difficulty: Whether to ask for the loss of every sample.
    """

    difficulty: bool = False
    _aa: list[np.ndarray] = field(default_factory=list[np.ndarray])
    _ab: list[np.ndarray] = field(default_factory=list[np.ndarray])
    _bb: list[np.ndarray] = field(default_factory=list[np.ndarray])
    _losses: list[np.ndarray] = field(default_factory=list[np.ndarray])
    _asked: int = 0

    def add(self, one: Tensor, other: Tensor) -> None:
        """Take in one batch.

        Args:
            one: ∂L_a/∂z, (n, …).
            other: ∂L_b/∂z, the same shape.
        """
        rows, columns = one.reshape(len(one), -1).double(), other.reshape(len(other), -1).double()
        for kept, products in ((self._aa, rows * rows), (self._ab, rows * columns), (self._bb, columns * columns)):
            kept.append(products.sum(1).cpu().numpy())

    def add_losses(self, criterion: Criterion, output: Tensor, target: Any) -> None:
        """Ask for the first loss of each sample alone; without an answer there is no order of difficulty.

        Args:
            criterion: The first loss.
            output: z, (n, …).
            target: What stands beside the input.
        """
        count = len(output)
        if not self.difficulty or not isinstance(target, Tensor) or target.shape[:1] != output.shape[:1]:
            self.difficulty = False
            return
        self._asked += count
        if self._asked > MOST_LOSSES:
            return
        alone = output.detach().requires_grad_()
        try:
            values = [
                float(criterion.evaluate(alone[i : i + 1], target[i : i + 1], "one sample").detach())
                for i in range(count)
            ]
        except LossgaugeError:  # a loss that needs several samples
            self.difficulty = False
            return
        self._losses.append(np.array(values))

    def summarise(self) -> SampleWeights | None:
        """All samples together.

        Returns:
            The weights; None where there were no samples, or no finite ones.
        """
        if not self._aa:
            return None
        aa, ab, bb = (np.concatenate(parts) for parts in (self._aa, self._ab, self._bb))
        finite = np.isfinite(aa) & np.isfinite(ab) & np.isfinite(bb)
        weighed = finite & (aa > 0)
        if not weighed.any():
            return None
        weights = ab[weighed] / aa[weighed]
        below, squares = float(bb[finite].sum()), float((weights**2).sum())
        return SampleWeights(
            samples=len(weights),
            without=len(aa) - len(weights),
            quantiles=dict(zip(LEVELS, np.quantile(weights, [float(level) for level in LEVELS]).tolist(), strict=True)),
            effective_share=float(weights.sum()) ** 2 / (len(weights) * squares) if squares else None,
            explained=min(1.0, float((weights * ab[weighed]).sum()) / below) if below else None,
            by_difficulty=self._order(ab, aa, weighed),
        )

    def _order(self, ab: np.ndarray, aa: np.ndarray, weighed: np.ndarray) -> tuple[float, ...]:
        """The mean weight in each tenth of the samples, from easy to hard."""
        if not self.difficulty or not self._losses:
            return ()
        losses = np.concatenate(self._losses)
        known = weighed[: len(losses)] & np.isfinite(losses)
        if known.sum() < TENTHS:
            return ()
        weights = ab[: len(losses)][known] / aa[: len(losses)][known]
        order = np.argsort(losses[known], kind="stable")
        return tuple(float(part.mean()) for part in np.array_split(weights[order], TENTHS))
