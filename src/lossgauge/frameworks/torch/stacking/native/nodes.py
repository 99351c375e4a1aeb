"""What the translation of a graph asks about its nodes."""

from typing import Any

import torch
from torch.fx import Node


class Untranslatable(Exception):
    """An operation there is no C for."""


def shape_of(argument: Any) -> tuple[int, ...]:
    """The shape of an argument.

    Args:
        argument: A node or a number.

    Returns:
        Its shape.
    """
    return tuple(argument.meta["val"].shape) if isinstance(argument, Node) else ()


def kind_of(node: Node) -> str:
    """The C type of a node's numbers.

    Args:
        node: The node.

    Returns:
        `real`, `long` or `char`.

    Raises:
        Untranslatable: When it is none of these.
    """
    dtype = node.meta["val"].dtype
    if dtype in (torch.float32, torch.float64):
        return "real"
    if dtype in (torch.int64, torch.bool):
        return "long" if dtype is torch.int64 else "char"
    raise Untranslatable(f"numbers of format {dtype}")


def flat(results: Any) -> list[Node]:
    """The nodes in nested results.

    Args:
        results: A node, or lists of nodes.

    Returns:
        The nodes, in order.
    """
    return [node for item in results for node in flat(item)] if isinstance(results, (list, tuple)) else [results]


def read_later(node: Node, place: Node) -> bool:
    """Whether a result is read after a place in the graph.

    Args:
        node: The result.
        place: The place.

    Returns:
        True where a later operation names it.
    """
    later = place.next
    while later.op != "root":
        if node in later.all_input_nodes:
            return True
        later = later.next
    return False
