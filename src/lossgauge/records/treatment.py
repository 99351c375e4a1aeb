"""A treatment: one change tried on a training while everything else stays as it is."""

from dataclasses import dataclass
from typing import Any

KINDS = {
    "setting": "a hyperparameter of an optimizer, multiplied by `factor` or set to `value`",
    "loss": "the loss, multiplied by `factor` where backward starts (and where closures and plateaus hand it on)",
    "term": "term number `index` of the loss: its gradient multiplied by `factor`",
    "threshold": "the threshold of the clip functions, multiplied by `factor`",
    "exact-clip": "global-norm clipping without the constant torch adds to the norm",
    "unscaled-clip": "clip thresholds taken in the units of the scaled gradients they meet",
    "added-clip": "global-norm clipping at `value` before every optimizer step",
    "scaler": "the loss multiplied by `factor` where backward starts, the gradients divided by it before their use",
    "summation": "the gradients rounded in another way: times 131/128 on their way, divided by it where they end",
    "master-weights": "the optimizer works on copies of the weights in the format `choice`, rounded after each step",
    "zero-grad": "gradients set to zero at the first backward after a step",
    "grad-output": "what a custom autograd.Function returns, multiplied by the gradient it ignored",
    "held-parameters": "the trained tensors that no optimizer holds, added to the first optimizer",
    "plateau-mode": "ReduceLROnPlateau compares relatively: threshold_mode = `choice`",
    "stop-delta": "the smallest improvement an early stop asks for (`min_delta` of the caller), multiplied by `factor`",
    "knee": "the threshold of Huber and smooth L1 losses (`delta`, `beta`), multiplied by `factor`",
}
"""Every kind of treatment and what it changes."""


@dataclass(frozen=True)
class Treatment:
    """One change.

    Args:
        kind: One of `KINDS`.
        name: The hyperparameter, entries of tuples flat (`betas[1]`); for other kinds what the user calls it.
        optimizer: The optimizer's number in the order of first steps; None for all.
        factor: What the user's own value is multiplied by, dimensionless; None where `value` or `choice` says it.
        value: The new value, in its own units.
        choice: A choice that is no number: `rel`, `float32`.
        index: The number of the loss term, from 0.
    """

    kind: str
    name: str = ""
    optimizer: int | None = None
    factor: float | None = None
    value: float | None = None
    choice: str = ""
    index: int | None = None

    def changed(self, own: float) -> float:
        """The value in place of the user's own.

        Args:
            own: The user's value.

        Returns:
            `value` where there is one, else `own` times `factor`.
        """
        if self.value is not None:
            return self.value
        return own if self.factor is None else own * self.factor

    def summary(self) -> dict[str, Any]:
        """The change for people and for JSON, without what is not set.

        Returns:
            For instance `{"kind": "setting", "name": "eps", "factor": 1e-5}`.
        """
        return {name: value for name, value in vars(self).items() if value not in (None, "")}
