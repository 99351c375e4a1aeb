"""The course of one training: its losses step by step, and what is kept of them."""

import math
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from torch import Tensor

from lossgauge.frameworks.torch.injection.bits import DIGEST_SIZE, content
from lossgauge.records.sweep import Outcome, Workload

LAST_SHARE = 20
"""The final loss is the mean over the last 1/20 of the steps."""


def outcome_of(
    workload: Workload,
    losses: Sequence[float] | np.ndarray,
    diverged_at: int | None,
    weights: Sequence[Tensor],
    engine: str,
) -> Outcome:
    """What is kept of a training that ran.

    Args:
        workload: Says at which steps the curve has a value.
        losses: The loss of every step per unit of loss, as far as the training came.
        diverged_at: The step, from 1, whose loss or weights were not finite.
        weights: The final weights, tensor by tensor.
        engine: What ran it.

    Returns:
        The outcome; a training that diverged has no final loss and no digest.
    """
    values = np.asarray(losses, dtype=np.float64)
    reached = len(values) if diverged_at is None else min(diverged_at, len(values))
    curve = tuple(float(values[step - 1]) for step in workload.marks() if step <= reached)
    if diverged_at is not None:
        return Outcome("diverged", math.nan, diverged_at, curve, "", engine)
    last = values[-max(1, workload.steps // LAST_SHARE) :]
    return Outcome("finished", math.fsum(last) / len(last), None, curve, digest_of(weights), engine)


def failed(error: BaseException, engine: str) -> Outcome:
    """What is kept of a training that could not be run.

    Args:
        error: What stopped it.
        engine: What tried to run it.

    Returns:
        The outcome, with the error in one line.
    """
    text = str(error).strip()
    return Outcome(
        "failed", math.nan, None, (), "", engine, f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
    )


def digest_of(weights: Sequence[Tensor]) -> str:
    """A digest of the bytes of all weights.

    Args:
        weights: The tensors, in the order of the model.

    Returns:
        Hexadecimal text, the same for the same bits.
    """
    found = blake2b(digest_size=DIGEST_SIZE)
    for tensor in weights:
        found.update(content(tensor))
    return found.hexdigest()
