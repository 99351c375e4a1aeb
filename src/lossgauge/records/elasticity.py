"""The record of a step's elasticity: how much of a loss multiplier reaches the weights, and through what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
    moving = [(layer, layer.update_norm) for layer in layers if layer.update_norm is None or layer.update_norm > 0]
    largest = max((norm for _, norm in moving if norm is not None), default=0.0)
    if not largest or any(norm is None for _, norm in moving):
        return None, None, {}
    weights = [(layer, (norm / largest) ** 2) for layer, norm in moving if norm is not None]
    whole = sum(weight for _, weight in weights)

    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        return sum(value * weight for value, (_, weight) in zip(known, weights, strict=True)) / whole

    settled = mean([layer.elasticity for layer, _ in weights])
    names = dict.fromkeys(name for layer, _ in weights for name in layer.parts)
    parts = {name: mean([layer.parts.get(name, 0.0) for layer, _ in weights]) or 0.0 for name in names}
    return settled, mean([layer.instant for layer, _ in weights]), {} if settled is None else parts
