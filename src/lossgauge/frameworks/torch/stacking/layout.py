"""Where the weights of a model lie in one row of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lossgauge.frameworks.torch.stacking.precisions import weight_format
from lossgauge.frameworks.torch.stacking.workloads import Material
from lossgauge.records.sweep import Setting

ALIGNMENT = 16
"""Tensors start at multiples of this many numbers, so that every replica's lie alike to the processor."""


@dataclass(frozen=True)
class Place:
    """One weight tensor.

    Args:
        name: As the model calls it.
        shape: Its shape.
        start: Where it starts in the row.
    """

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(torch.Size(self.shape).numel())


@dataclass(frozen=True)
class Layout:
    """All weight tensors of a model in one row.

    Args:
        places: In the order of the model.
        width: The length of the row, gaps included.
    """

    places: tuple[Place, ...]
    width: int

    @classmethod
    def of(cls, model: nn.Module) -> "Layout":
        """The layout of a model.

        Args:
            model: Its trained parameters are laid out; a shared one once.

        Returns:
            The layout.
        """
        places: list[Place] = []
        start = 0
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                places.append(Place(name, tuple(parameter.shape), start))
                start += -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
        return cls(tuple(places), start)

    def views(self, rows: Tensor) -> list[Tensor]:
        """The weight tensors inside rows.

        Args:
            rows: (replicas, width).

        Returns:
            A view (replicas, *shape) for each tensor.
        """
        return [rows[:, p.start : p.start + p.size].view(rows.shape[0], *p.shape) for p in self.places]

    def write(self, row: Tensor, tensors: Mapping[str, Tensor]) -> None:
        """Put the weights of one model into a row.

        Args:
            row: (width,).
            tensors: Weights by name.
        """
        for place in self.places:
            row[place.start : place.start + place.size].copy_(tensors[place.name].detach().reshape(-1))

    def read(self, row: Tensor) -> list[Tensor]:
        """The weights of one replica.

        Args:
            row: (width,).

        Returns:
            Its tensors, in the order of the model.
        """
        return [row[place.start : place.start + place.size].view(place.shape) for place in self.places]


def companions(models: Sequence[nn.Module]) -> dict[str, Tensor]:
    """What models hold beside the weights that are trained: buffers, and parameters that are frozen.

    Args:
        models: One for each replica.

    Returns:
        Stacked tensors by name.
    """
    found = [
        {**dict(model.named_buffers()), **{n: p.detach() for n, p in model.named_parameters() if not p.requires_grad}}
        for model in models
    ]
    return {name: torch.stack([held[name] for held in found]) for name in found[0]}


def starting_rows(layout: Layout, material: Material, settings: Sequence[Setting]) -> Tensor:
    """The weights several trainings start with, one row each.

    Args:
        layout: Of the model.
        material: Makes the model.
        settings: Say with which seed.

    Returns:
        (replicas, width), zero in the gaps.
    """
    dtype = weight_format(settings[0].precision)
    rows = torch.zeros(len(settings), layout.width, dtype=dtype)
    first: dict[int, int] = {}
    for place, setting in enumerate(settings):
        if setting.seed in first:
            rows[place] = rows[first[setting.seed]]
        else:
            layout.write(rows[place], dict(material.model(setting.seed, dtype).named_parameters()))
            first[setting.seed] = place
    return rows
