"""Computing again the last layer of a network: its input is saved, and its weights are at hand.

One layer is all that is ever repeated, and only where that is cheap.
"""

import math
from typing import Any

import torch
from torch.nn import functional

from lossgauge.frameworks.torch.gauging.saved import Formula, Take, Unknown, kept, saved, shape_of

DEAREST = 50_000_000
"""Multiplications of a layer that are repeated at most; beyond, its output counts as unknown."""


def _factor(node: Any, take: Take, name: str, place: int) -> torch.Tensor:
    value = saved(node, name)
    return take(place) if value is None else value


def _affordable(multiplications: int) -> None:
    if multiplications > DEAREST:
        raise Unknown


def _product(names: tuple[str, str], first: int) -> Formula:
    """The product of two matrices (or batches of them, or a matrix and a vector)."""

    def multiply(node: Any, take: Take) -> torch.Tensor:
        left, right = (_factor(node, take, name, first + side) for side, name in enumerate(names))
        _affordable(left.numel() * (right.shape[-1] if right.ndim > 1 else 1))
        return left @ right

    return multiply


def _affine(node: Any, take: Take) -> torch.Tensor:
    left, right = (_factor(node, take, name, place) for place, name in ((1, "mat1"), (2, "mat2")))
    _affordable(left.numel() * right.shape[-1])
    return torch.addmm(take(0), left, right, beta=kept(node, "beta"), alpha=kept(node, "alpha"))


def _linear(node: Any, take: Take) -> torch.Tensor:
    entered, weight = _factor(node, take, "input", 0), _factor(node, take, "weight", 1)
    _affordable(entered.numel() * weight.shape[0])
    return functional.linear(entered, weight, take(2))


def _convolved(node: Any, take: Take) -> torch.Tensor:
    entered, weight = _factor(node, take, "input", 0), _factor(node, take, "weight", 1)
    _affordable(math.prod(shape_of(node)) * math.prod(weight.shape[1:]))
    bias = take(2) if any(saved(node, "bias_sym_sizes_opt") or ()) else None
    settings = [
        kept(node, name) for name in ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    ]
    return torch.convolution(entered, weight, bias, *settings)


def _looked_up(node: Any, take: Take) -> torch.Tensor:
    return take(0)[kept(node, "indices")]


LAYERS: dict[str, Formula] = {
    "AddmmBackward0": _affine,
    "BmmBackward0": _product(("self", "mat2"), 0),
    "ConvolutionBackward0": _convolved,
    "DotBackward0": _product(("self", "tensor"), 0),
    "EmbeddingBackward0": _looked_up,
    "LinearBackward0": _linear,
    "MmBackward0": _product(("self", "mat2"), 0),
    "MvBackward0": _product(("self", "vec"), 0),
}
