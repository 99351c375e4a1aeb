"""Laying the pieces of many tensors end to end, so that an elementwise step takes them in one go."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.pieces import Piece, widened


@dataclass(frozen=True)
class Bundle:
    """Pieces whose step is one and the same function of their elements.

    Args:
        piece: All of them end to end, or the only one as it is.
        members: Their places among all pieces.
        lengths: How many elements each has.
    """

    piece: Piece
    members: tuple[int, ...]
    lengths: tuple[int, ...]

    def split(self, tensor: Tensor) -> list[Tensor]:
        """The part of each member.

        Args:
            tensor: One number for each element of the bundle.

        Returns:
            Views in the order of `members`.
        """
        return list(tensor.split(self.lengths)) if len(self.members) > 1 else [tensor]

    def sizes(self, tensor: Tensor) -> list[float]:
        """The Euclidean norm of the part of each member.

        Args:
            tensor: One number for each element of the bundle.

        Returns:
            Norms in the order of `members`.
        """
        squares = np.square(tensor.detach().reshape(-1).numpy())
        ends = np.cumsum(self.lengths)
        return np.sqrt([squares[end - n : end].sum() for end, n in zip(ends, self.lengths, strict=True)]).tolist()


def bundle(pieces: Sequence[Piece]) -> list[Bundle]:
    """Lay together what may be laid together.

    Args:
        pieces: Flat ones are elements of an elementwise optimizer; others stay alone.

    Returns:
        Bundles that hold every piece once.
    """
    alike: dict[Hashable, list[int]] = {}
    for place, piece in enumerate(pieces):
        alike.setdefault(_kind(place, piece), []).append(place)
    return [_together(pieces, tuple(members)) for members in alike.values()]


def _kind(place: int, piece: Piece) -> Hashable:
    if not piece.flat or piece.gradient is None or piece.tensor.dim() == 0:
        return place
    states: list[tuple[str, Any]] = []
    for name, value in piece.state.items():
        if isinstance(value, Tensor) and value.dim() and value.shape != piece.weight.shape:
            return place
        states.append((name, value.item() if isinstance(value, Tensor) and not value.dim() else _plain(value)))
    return id(piece.group), piece.gradient.is_sparse, tuple(states)


def _plain(value: Any) -> Any:
    return None if isinstance(value, Tensor) else repr(value)


def _together(pieces: Sequence[Piece], members: tuple[int, ...]) -> Bundle:
    parts = [widened(pieces[place]) for place in members]
    lengths = tuple(part.weight.numel() for part in parts)
    if len(parts) == 1:
        return Bundle(parts[0], members, lengths)
    first = parts[0]
    state = {
        name: torch.cat([part.state[name] for part in parts]) if isinstance(value, Tensor) and value.dim() else value
        for name, value in first.state.items()
    }
    gradient = torch.cat([part.gradient for part in parts if part.gradient is not None])
    return Bundle(
        replace(first, weight=torch.cat([part.weight for part in parts]), gradient=gradient, state=state),
        members,
        lengths,
    )
