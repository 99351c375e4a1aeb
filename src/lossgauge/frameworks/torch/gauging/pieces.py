"""Copies of what an optimizer's step works on, made before the step: weights, gradients and states.

They are kept in the number format they came in, which is half of float64, and become float64 where a trial begins.
"""

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import (
    ASGD,
    LBFGS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
    SparseAdam,
)

from lossgauge.frameworks.torch.gauging.elements import evenly, pick, plain
from lossgauge.frameworks.torch.gauging.purity import doubt_about_step

WHOLE = 2**18
"""The most elements of a tensor that is copied whole, for an optimizer whose elements depend on each other."""
ALTOGETHER = 2**19
"""The most elements of all tensors that are copied whole; of more tensors, some spread over the network are."""
UNCOUNTED = 1e18
"""Steps made so far, where nobody counted: any average is settled by then."""
_ELEMENTWISE = (SGD, Adam, NAdam, RAdam, Adamax, RMSprop, Adagrad, Adadelta, ASGD, Rprop, SparseAdam)
_PLAINEST = {"foreach": False, "fused": None, "capturable": False, "differentiable": False}


@dataclass
class Piece:
    """What a trial needs of one weight tensor: copies on the CPU, made before the step.

    Args:
        tensor: The live weight; only its identity is used.
        group: Its group as it was, without the tensors.
        weight: w, in W.
        gradient: g in L/W as the step uses it, sparse where it was; None until it is known.
        state: Its state as it was.
        flat: Whether only the observed elements were copied, in a row; else the whole tensor in its shape.
        observed: Where in `weight` the observed elements are; None for all.
        steps: How many steps were made before, where the state does not say.
    """

    tensor: Tensor
    group: Mapping[str, Any]
    weight: Tensor
    gradient: Tensor | None
    state: dict[str, Any]
    flat: bool = False
    observed: Tensor | None = None
    steps: float = UNCOUNTED


def elementwise(optimizer: Optimizer) -> bool:
    """Whether each element's step depends on nothing but the element, its gradient and its state.

    Args:
        optimizer: Any optimizer.

    Returns:
        True for torch's own whose formula is known to be so, and for classes that inherit their step.
    """
    return _code(type(optimizer)) in {_code(kind) for kind in _ELEMENTWISE}


def native(optimizer: Optimizer) -> bool:
    """Whether the step is torch's own, which keeps nothing outside its groups and its state.

    Args:
        optimizer: Any optimizer.

    Returns:
        True for torch's classes and those that inherit their step.
    """
    return _code(type(optimizer)).__module__.startswith("torch.optim.")


def can_try(optimizer: Optimizer, tensor: Tensor) -> bool:
    """Whether a step of this tensor can be tried.

    Args:
        optimizer: Its optimizer.
        tensor: The weight.

    Returns:
        False for an L-BFGS, for tensors too large to be copied whole where that is needed, and for foreign optimizers
        whose step may do more than compute, or that are in a distributed training and may talk to other processes.
    """
    return not why_untried(optimizer) and (elementwise(optimizer) or plain(tensor).numel() <= WHOLE)


def why_untried(optimizer: Optimizer) -> str:
    """Why no step of an optimizer can be tried on copies.

    Args:
        optimizer: The live optimizer.

    Returns:
        The reason; empty where it can.
    """
    if isinstance(optimizer, LBFGS):
        return "a step of an L-BFGS evaluates the loss, so it cannot be made on copies"
    if native(optimizer):
        return ""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return "in a distributed training the step of an optimizer that is not torch's may talk to other processes"
    doubt = doubt_about_step(optimizer)
    return f"its code uses {doubt}, so it is not run a second time in a training" if doubt else ""


def choose(optimizer: Optimizer, tensors: Sequence[Tensor]) -> list[int]:
    """The tensors whose step is tried.

    Args:
        optimizer: Their optimizer.
        tensors: The weights.

    Returns:
        Their places, rising.
    """
    able = [place for place, tensor in enumerate(tensors) if can_try(optimizer, tensor)]
    if elementwise(optimizer):
        return able
    sizes = [plain(tensors[place]).numel() for place in able]
    for count in range(len(able), 1, -1):
        chosen = evenly(len(able), count)
        if sum(sizes[place] for place in chosen) <= ALTOGETHER:
            return [able[place] for place in chosen]
    return able[:1]


def copy_pieces(
    optimizer: Optimizer, wanted: Sequence[tuple[Tensor, dict[str, Any], Tensor | None]], steps: float = UNCOUNTED
) -> list[Piece]:
    """Copy what a trial needs, before the step.

    Args:
        optimizer: The live optimizer; it is only read.
        wanted: Each weight with its group and the positions that are observed, None for all.
        steps: How many steps were made before; `UNCOUNTED` where nobody knows.

    Returns:
        The pieces, still without their gradients.
    """
    settings: dict[tuple[int, torch.dtype], dict[str, Any]] = {}
    flat = elementwise(optimizer)
    pieces: list[Piece] = []
    for tensor, group, where in wanted:
        key = (id(group), tensor.dtype)
        if key not in settings:
            settings[key] = _plainest(group, tensor.dtype)
        shape, taken = plain(tensor).shape, where if flat else None
        state = {
            name: _copy_state(value, shape, flat, taken)
            for name, value in dict(optimizer.state.get(tensor, {})).items()
        }
        observed = None if flat or where is None else where.cpu()
        pieces.append(Piece(tensor, settings[key], copied(tensor, flat, taken), None, state, flat, observed, steps))
    return pieces


def give_gradient(piece: Piece, elements: np.ndarray, scale: float = 1.0) -> None:
    """Hand a piece the gradient its step is going to use.

    Args:
        piece: The piece; it is filled in.
        elements: The observed elements of the gradient in L/W, float64.
        scale: Mixed precision's scale, where it is still on the gradient of the tensor itself.
    """
    gradient = piece.tensor.grad
    if gradient is None:
        return
    if piece.flat:
        values = torch.from_numpy(elements)
        piece.gradient = sparse_row(values) if gradient.is_sparse else values
        return
    numbers = gradient.detach() if gradient.is_sparse else plain(gradient)
    numbers = numbers.clone().cpu()  # a step may write into its gradient
    piece.gradient = numbers if scale == 1.0 else numbers.double() / scale


def sparse_row(values: Tensor) -> Tensor:
    """Numbers in a row as a sparse tensor that names each of them.

    Args:
        values: A tensor of one dimension.

    Returns:
        The same numbers.
    """
    return torch.sparse_coo_tensor(torch.arange(len(values))[None], values, values.shape, check_invariants=False)


def widened(piece: Piece) -> Piece:
    """A piece for a trial.

    Args:
        piece: The piece as it was copied.

    Returns:
        The same numbers in float64.
    """
    state = {name: _wide(value) for name, value in piece.state.items()}
    return replace(piece, weight=_wide(piece.weight), gradient=_wide(piece.gradient), state=state)


def _wide(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def copied(tensor: Tensor, flat: bool, where: Tensor | None = None) -> Tensor:
    """A copy on the CPU.

    Args:
        tensor: Any dense tensor.
        flat: Whether elements are taken in a row; else the whole tensor in its own shape.
        where: Flat positions; None for all.

    Returns:
        A new tensor.
    """
    numbers = plain(tensor)
    return (pick(numbers, where) if flat else numbers.clone()).cpu()


@lru_cache(maxsize=256)
def _code(kind: type[Optimizer]) -> Any:
    """The function at the bottom of all decorators of a class's step, inherited or its own."""
    return inspect.unwrap(kind.step)


def _copy_state(value: Any, shape: torch.Size, flat: bool, where: Tensor | None) -> Any:
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    numbers = plain(value)
    if not numbers.is_floating_point():
        return numbers.clone().cpu()
    fitting = flat and numbers.shape == shape
    return copied(numbers, fitting, where if fitting else None)


def _plainest(group: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """The settings of a group without its tensors, for the plainest implementation there is."""
    settings = {name: _settled(value) for name, value in group.items() if name != "params"}
    eps = settings.get("eps")
    if isinstance(eps, tuple) and eps[0] is None:  # Adafactor means the spacing of the weight's own format
        settings["eps"] = (torch.finfo(dtype).eps, *eps[1:])
    return settings | {name: value for name, value in _PLAINEST.items() if name in settings}


def _settled(value: Any) -> Any:
    """A setting that no trial can change: numbers in tensors become numbers."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.item()
    return tuple(_settled(entry) for entry in value) if isinstance(value, (tuple, list)) else value
