"""Taking the pieces of many tensors a few elements at a time, so that the copies a trial step makes stay small."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from torch import Tensor

from lossgauge.frameworks.torch.gauging.pieces import Piece, sparse_row

WIDE = 8
"""Bytes of a number in a trial step: float64."""
COPIES = 9
"""Copies of the weight, its gradient and what is computed from them at the peak of a trial step."""
COPIES_OF_STATE = 3
"""Copies of each state; as many again where a coupled weight decay is taken apart from the gradients in it."""
SMALLEST = 512
"""Elements that are tried together however little memory there is: every trial step has a price of its own."""


@dataclass
class Lot:
    """What is tried together.

    Args:
        places: Which tensor each piece is of.
        pieces: Whole pieces, or parts of them.
    """

    places: list[int] = field(default_factory=list[int])
    pieces: list[Piece] = field(default_factory=list[Piece])


def together(pieces: Sequence[Piece]) -> list[Lot]:
    """Everything in one lot.

    Args:
        pieces: Pieces of any kind.

    Returns:
        That lot.
    """
    return [Lot(list(range(len(pieces))), list(pieces))]


def apart(pieces: Sequence[Piece], room: int) -> list[Lot]:
    """Lots that fit; a piece whose elements depend on each other is not divided, and fits or not.

    Args:
        pieces: Pieces of one of torch's own optimizers, whose tensors do not depend on each other.
        room: What a trial step may take, in bytes.

    Returns:
        Lots in the order of the pieces, which together hold every element once.
    """
    lots, left = [Lot()], room
    for place, piece in enumerate(pieces):
        for one in _divided(piece, room):
            size = bytes_per_element(one) * one.weight.numel()
            if lots[-1].places and size > left:
                lots.append(Lot())
                left = room
            lots[-1].places.append(place)
            lots[-1].pieces.append(one)
            left -= size
    return lots


def _divided(piece: Piece, room: int) -> list[Piece]:
    """A piece in parts of about the same size, as few as fit."""
    numel, most = piece.weight.numel(), max(room // bytes_per_element(piece), SMALLEST)
    if not piece.flat or numel <= most:
        return [piece]
    count = -(-numel // most)
    return [part(piece, *ends) for ends in pairwise(numel * i // count for i in range(count + 1))]


def bytes_per_element(piece: Piece) -> int:
    """What a trial step takes for each element of a piece.

    Args:
        piece: The piece.

    Returns:
        Bytes at its peak.
    """
    states = sum(_fits(value, piece) for value in piece.state.values())
    divided = 2 if piece.group.get("weight_decay") else 1
    return WIDE * (COPIES + COPIES_OF_STATE * states * divided)


def part(piece: Piece, first: int, last: int) -> Piece:
    """Some elements of a flat piece.

    Args:
        piece: A piece in a row.
        first: The first element.
        last: The one after the last.

    Returns:
        A piece of them, which shares memory with it.
    """
    state = {name: value[first:last] if _fits(value, piece) else value for name, value in piece.state.items()}
    return replace(piece, weight=piece.weight[first:last], gradient=_some(piece.gradient, first, last), state=state)


def _some(gradient: Tensor | None, first: int, last: int) -> Tensor | None:
    if gradient is None or not gradient.is_sparse:
        return None if gradient is None else gradient[first:last]
    return sparse_row(gradient.coalesce().values()[first:last])


def _fits(value: Any, piece: Piece) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0 and value.shape == piece.weight.shape
