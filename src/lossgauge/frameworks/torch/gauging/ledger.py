"""What steps leave behind: their losses, what was clipped, mixed precision's scale. Tens of microseconds a row."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from lossgauge.records.journal import Journal, Row

FLUSHED = 64
"""Rows that are kept back before they are written; a sample writes them earlier."""
KEPT = 16
"""Of the losses of one step, the first and the last so many are kept."""
WHOLE = 20_000
"""Steps up to which every row is written; from then on every second, fourth, …, so that a session stays readable."""


class Ledger:
    """Collects the rows of the steps and writes them in batches."""

    def __init__(self, journal: Journal) -> None:
        """Start with nothing.

        Args:
            journal: Where the rows go.
        """
        self.journal = journal
        self.number = 0
        self.backwards = 0
        self.first_broken: int | None = None
        self._rows: list[list[Any]] = []
        self._losses: list[Any] = []
        self._count = 0
        self._clip: tuple[Any, ...] | None = None
        self._scale: Any = None

    def backward(self, roots: Sequence[Any], gradients: Sequence[Any], scale: Any) -> None:
        """Take the loss of a backward.

        Args:
            roots: What it starts from; anything but single numbers has no loss to take.
            gradients: What is handed to it; anything but 1 leaves no loss to take either.
            scale: Mixed precision's scale on it, a number or a tensor; None without.
        """
        self.backwards += 1
        self._count += 1
        self._scale = scale if scale is not None else self._scale
        total = loss_of(roots, gradients)
        if total is None:
            return
        self._losses.append((total, scale))
        if len(self._losses) > 2 * KEPT:
            del self._losses[KEPT]

    def clip(self, name: str, threshold: float, norm: Any, stage: str, norm_type: float) -> None:
        """Take what a clip function met.

        Args:
            name: `max_norm` or `clip_value`.
            threshold: The user's threshold, in L/W.
            norm: The norm before clipping, as a tensor, a number or None.
            stage: `unscaled` or `scaled`.
            norm_type: The order of the norm.
        """
        norm = _later(norm.detach()) if isinstance(norm, torch.Tensor) and norm.numel() == 1 else norm
        self._clip = (name, threshold, norm, stage, norm_type)

    def close_step(self, optimizer: int, skipped: bool, stale: bool | None) -> int:
        """Make the row of a step.

        Args:
            optimizer: The optimizer's number.
            skipped: Whether the scaler left it out.
            stale: Whether it worked with gradients that had never been zeroed.

        Returns:
            The step's number, from 1.
        """
        self.number += 1
        row = [self.number, optimizer, self._losses, self._count, self._clip, self._scale, skipped, stale]
        if self.number <= WHOLE or self.number % _stride(self.number) == 0:
            self._rows.append(row)
        self._losses, self._count, self._clip, self._scale = [], 0, None, None
        if len(self._rows) >= FLUSHED:
            self.flush()
        return self.number

    def pass_step(self) -> int:
        """Count a step that has no row.

        Returns:
            The step's number, from 1.
        """
        self.number += 1
        return self.number

    def flush(self) -> None:
        """Write what is kept back."""
        rows, self._rows = self._rows, []
        if rows:
            self.journal.add_steps([self._resolve(row) for row in rows])

    def _resolve(self, row: list[Any]) -> Row:
        number, optimizer, losses, count, clip, scale, skipped, stale = row
        values = tuple(_number(loss) / (1.0 if own is None else _number(own)) for loss, own in losses)
        if self.first_broken is None and not all(map(math.isfinite, values)):
            self.first_broken = number
        if clip is not None:
            clip = (*clip[:2], None if clip[2] is None else _number(clip[2]), *clip[3:])
        return (number, optimizer, values, count, clip, None if scale is None else _number(scale), skipped, stale)


def loss_of(roots: Sequence[Any], gradients: Sequence[Any]) -> Any:
    """The loss a backward starts from.

    Args:
        roots: What it starts from; anything but single numbers has no loss to take.
        gradients: What is handed to it; anything but 1 leaves no loss to take either.

    Returns:
        A number, or a tensor that is read when it costs nothing; None where there is no loss.
    """
    if not roots or not all(root.numel() == 1 for root in roots):
        return None
    if any(gradient is not None and not _is_one(gradient) for gradient in gradients):
        return None
    return sum(_later(root.detach()) for root in roots)


def _stride(number: int) -> int:
    return 1 << max(0, (number // WHOLE).bit_length())


def _later(value: torch.Tensor) -> Any:
    """A number at once where that costs nothing; on a device a copy that is read when the rows are written."""
    return value.item() if value.device.type == "cpu" else value.clone()


def _number(value: Any) -> float:
    return float(value)


def _is_one(gradient: torch.Tensor) -> bool:
    """Whether this is the gradient `backward` makes up itself; only looked at where that costs nothing."""
    return gradient.numel() == 1 and (gradient.device.type != "cpu" or gradient.item() == 1.0)
