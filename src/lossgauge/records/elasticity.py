"""The record of a step's elasticity: how much of a loss multiplier reaches the weights, and through what."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgauge.records.session import Sample

SCHEMA = "lossgauge.elasticity/1"


@dataclass(frozen=True)
class LayerElasticity:
    """One weight tensor.

    Args:
        name: Its name.
        elasticity: E = ∂log‖Δw‖/∂log α with the history scaled too, dimensionless; None where it could not be found.
        instant: The same with the states held fixed: what a change of α does at this very step.
        parts: The parts of `elasticity` by hyperparameter, −k_h·∂log‖Δw‖/∂log h; they add up to it.
        update_norm: ‖Δw‖ of the step, in W; None where it could not be found.
        gradient_norm: ‖g‖, in L/W; None where there is no gradient.
        estimated: The hyperparameters whose part, and `elasticity` with it, is an estimate: what of the moments came
            from a coupled weight decay and what from gradients is judged by the present weights. Empty: exact.
    """

    name: str
    elasticity: float | None = None
    instant: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    update_norm: float | None = None
    gradient_norm: float | None = None
    estimated: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepElasticity:
    """One optimizer at its current step.

    Args:
        optimizer: Its class, `module:Class`.
        elasticity: E of all weights together, dimensionless: 0 where the multiplier cancels, 1 as for SGD.
        instant: The same with the states held fixed.
        parts: The parts of `elasticity` by hyperparameter; they add up to it.
        layers: The weight tensors that have a gradient.
        verdict: The verdict on the optimizer's law.
        notes: What else the reader should know.
        estimated: The hyperparameters whose part is an estimate in some layer.
    """

    optimizer: str
    elasticity: float | None = None
    instant: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    layers: tuple[LayerElasticity, ...] = ()
    verdict: str = ""
    notes: tuple[str, ...] = ()
    estimated: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data with the schema version.

        Returns:
            A JSON-ready dictionary.
        """
        layers = [
            {**vars(layer), "parts": dict(layer.parts), "estimated": list(layer.estimated)} for layer in self.layers
        ]
        return {
            "schema": SCHEMA,
            **vars(self),
            "parts": dict(self.parts),
            "layers": layers,
            "notes": list(self.notes),
            "estimated": list(self.estimated),
        }


def combine_layers(layers: tuple[LayerElasticity, ...]) -> tuple[float | None, float | None, dict[str, float]]:
    """The elasticity of all weights together: E = Σ E_i‖Δw_i‖²/Σ‖Δw_i‖², and so for every part.

    Args:
        layers: The weight tensors; those that do not move have no say.

    Returns:
        Elasticity, instant elasticity and parts; None where the elasticity of a moving tensor is not known.
    """
    moving = [layer for layer in layers if layer.update_norm is None or layer.update_norm > 0]
    if not moving or any(layer.update_norm is None for layer in moving):
        return None, None, {}

    def mean(values: list[float | None]) -> float | None:
        lengths = [layer.update_norm for layer in moving]
        return None if None in values else mean_by_update(zip(values, lengths, strict=True))

    settled = mean([layer.elasticity for layer in moving])
    names = dict.fromkeys(name for layer in moving for name in layer.parts)
    parts = {name: mean([layer.parts.get(name, 0.0) for layer in moving]) or 0.0 for name in names}
    return settled, mean([layer.instant for layer in moving]), {} if settled is None else parts


def mean_by_update(found: Iterable[tuple[float | None, float | None]]) -> float | None:
    """Σ x_i‖Δw_i‖²/Σ‖Δw_i‖² over what is known: how ∂log‖Δw‖ of several tensors together follows from that of each.

    Args:
        found: Of each tensor a value, in any unit, and ‖Δw‖ in W; None or not finite where one is not known.

    Returns:
        The mean in the unit of the values; None where nothing is known, nothing moves, or an update is not finite.
    """
    known = [(value, length or 0.0) for value, length in found if value is not None and math.isfinite(value)]
    largest = max((length for _, length in known), default=0.0)
    if not largest or not all(math.isfinite(length) for _, length in known):
        return None
    weights = [(length / largest) ** 2 for _, length in known]  # relative: squares of tiny norms would underflow
    return sum(value * weight for (value, _), weight in zip(known, weights, strict=True)) / sum(weights)


def weighed_together(sample: Sample) -> tuple[float, dict[str, float]] | None:
    """The elasticity of one step of all observed tensors together.

    Args:
        sample: The sampled step.

    Returns:
        E and its parts by hyperparameter, exact: ∂log‖Δw‖ of the whole is the mean over tensors weighted with ‖Δw‖²;
        None where it was not taken or nothing moved.
    """
    known = [tensor for tensor in sample.tensors if tensor.elasticity is not None]
    whole = mean_by_update((tensor.elasticity, tensor.update_norm) for tensor in known)
    if whole is None:
        return None
    names = dict.fromkeys(name for tensor in known for name in tensor.carriers)
    parts = {n: mean_by_update((tensor.carriers.get(n, 0.0), tensor.update_norm) for tensor in known) for n in names}
    return whole, {name: part for name, part in parts.items() if part is not None}
