"""The autograd graph under a loss, walked once: every node, what it takes in, and whom it hands its output to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

LARGEST = 20_000
"""Nodes after which a walk ends; a larger graph is an unrolled recurrence, and its first nodes say what the loss is."""
NEAR = 400
"""Nodes nearest to the loss of which it is noted what they take in: there values of the forward pass are looked for."""
LEAF = "torch::autograd::AccumulateGrad"


@dataclass
class Graph:
    """The nodes under a loss.

    Args:
        root: The node of the loss.
        inputs: By node, in the order of the walk (breadth first): its inputs as (node, number of the output), a node
            of None being a constant.
        leaf_nodes: The nodes where the gradients of trained tensors are gathered.
        functions: The `torch.autograd.Function` of each node in Python.
        complete: Whether all nodes are here.
    """

    root: Any
    inputs: dict[Any, tuple[tuple[Any, int], ...]] = field(default_factory=dict)
    leaf_nodes: list[Any] = field(default_factory=list)
    functions: dict[Any, type] = field(default_factory=dict)
    complete: bool = True

    @property
    def nodes(self) -> Iterable[Any]:
        """All nodes, the root first."""
        return self.inputs

    @cached_property
    def consumers(self) -> dict[tuple[Any, int], list[tuple[Any, int]]]:
        """By (node, number of the output), near the loss: who takes it in, and as which of its inputs."""
        found: dict[tuple[Any, int], list[tuple[Any, int]]] = {}
        for node, inputs in islice(self.inputs.items(), NEAR):
            for place, edge in enumerate(inputs):
                if edge[0] is not None:
                    found.setdefault(edge, []).append((node, place))
        return found

    def below(self, node: Any) -> set[Any]:
        """All nodes a node depends on.

        Args:
            node: Where to begin.

        Returns:
            The node itself and everything under it.
        """
        seen = {node}
        waiting = [node]
        while waiting:
            for source, _ in self.inputs.get(waiting.pop(), ()):
                if source is not None and source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return seen


def walk(root: Any, most: int = LARGEST) -> Graph:
    """Walk the graph under a node, without recursion.

    Args:
        root: The node of the loss.
        most: Nodes after which the walk ends.

    Returns:
        The graph.
    """
    graph = Graph(root)
    seen = {root}
    level = [root]
    while level:
        if len(graph.inputs) + len(level) > most:
            graph.complete = False
            break
        further: list[Any] = []
        for node in level:
            inputs = graph.inputs[node] = node.next_functions
            if not inputs and is_leaf(node):
                graph.leaf_nodes.append(node)
            elif (function := in_python(node)) is not None:
                graph.functions[node] = function
            for source, _ in inputs:
                if source is not None and source not in seen:
                    seen.add(source)
                    further.append(source)
        level = further
    return graph


def is_leaf(node: Any) -> bool:
    """Whether a node is where the gradient of a trained tensor is gathered.

    Args:
        node: A node of the graph.

    Returns:
        True for a leaf.
    """
    return node.name() == LEAF


def in_python(node: Any) -> type | None:
    """The `torch.autograd.Function` whose backward a node is.

    Args:
        node: A node of the graph.

    Returns:
        The class; None for nodes in C++.
    """
    return getattr(node, "_forward_cls", None)
