"""What an optimizer keeps between steps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lossgauge.frameworks.torch.tracing.tracer import Tracer
from lossgauge.units.monomial import Monomial


def _slots(optimizer: Any) -> Iterator[tuple[int, str, Any]]:
    """Every state value: (index of its parameter, slot name, value)."""
    order: dict[int, int] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            order[id(parameter)] = len(order)
    for key, slots in dict(getattr(optimizer, "state", {})).items():
        if isinstance(slots, Mapping):
            for slot, value in slots.items():
                yield order.get(id(key), -1), str(slot), value


def read_states(optimizer: Any, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Every floating-point state value of an optimizer.

    Args:
        optimizer: The optimizer.
        names: The names of its parameters, in order.

    Returns:
        `tensor/slot` → a copy in float64.
    """
    found: dict[str, np.ndarray] = {}
    if not hasattr(optimizer, "param_groups"):
        return found
    for index, slot, value in _slots(optimizer):
        name = names[index] if 0 <= index < len(names) else "global"
        if isinstance(value, torch.Tensor) and value.dtype.is_floating_point:
            dense = value.detach().to_dense() if value.layout is not torch.strided else value.detach()
            found[f"{name}/{slot}"] = dense.double().numpy().copy()
        elif isinstance(value, float):
            found[f"{name}/{slot}"] = np.array(value)
    return found


def state_units(tracer: Tracer, optimizer: Any) -> dict[str, Monomial]:
    """The unit of every state slot after a trace.

    Args:
        tracer: The books.
        optimizer: The optimizer that ran.

    Returns:
        Slot → unit; slots whose unit was lost are left out.
    """
    units: dict[str, Monomial] = {}
    for _, slot, value in _slots(optimizer) if hasattr(optimizer, "param_groups") else ():
        if isinstance(value, (torch.Tensor, float)):
            tag = tracer.tag_of(value)
            if tag.kind == "known":
                units[slot] = tag.unit
    return units
