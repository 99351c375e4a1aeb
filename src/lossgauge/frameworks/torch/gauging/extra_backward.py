"""A backward of our own: autograd nodes are called one by one, in order, and their gradients added up by hand.

The engine would do the same and more: it would call every hook on the way (of tensors, modules, leaves, DDP), fill the
`.grad` of whoever asked to retain it, and release what was saved. Called this way a node only computes.
"""

import sys
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, TypeVar

import torch

from lossgauge.frameworks.torch.gauging.graph import Graph, is_leaf
from lossgauge.frameworks.torch.gauging.kinds import in_torch
from lossgauge.frameworks.torch.gauging.randomness import undisturbed
from lossgauge.frameworks.torch.gauging.saved import hooked

HOOKS = "BackwardHookFunctionBackward"
"""How torch hangs the backward hooks of a module into the graph; it hands the gradients on as they are."""
T = TypeVar("T")
_RAW: dict[type, tuple[str, ...]] = {}


def obstacle(graph: Graph) -> str:
    """Why a graph should not be gone through once more.

    Args:
        graph: The graph.

    Returns:
        The reason in a few words; empty where nothing stands against it.
    """
    if not graph.complete:
        return "the graph is too large"
    if _distributed():
        return "the training is distributed"
    for node in graph.leaf_nodes:
        if type(node.variable) not in (torch.Tensor, torch.nn.Parameter):
            return f"a trained tensor is a {type(node.variable).__name__}"
    for node, function in graph.functions.items():
        if node.name() != HOOKS:
            what = "part of the graph is" if in_torch(function) else "custom function"
            return f"{what} {function.__name__}"
    for node in graph.nodes:
        if "CppNode" in node.name():
            return "a custom function is written in C++"
        if any(_hooked(node, name) for name in _raw_names(node)):
            return "what the forward pass saved is behind hooks (checkpointing, offloading)"
    return ""


def _distributed() -> bool:
    started = torch.distributed.is_available() and torch.distributed.is_initialized()
    return started and torch.distributed.get_world_size() > 1


def gradients(
    graph: Graph,
    seed: tuple[Any, int],
    start: torch.Tensor,
    wanted: Iterable[Any],
    keep: Callable[[torch.Tensor], T],
) -> dict[Any, T]:
    """The gradients of one output in the graph with respect to some leaves.

    Args:
        graph: The graph.
        seed: The output, as (node, number).
        start: The gradient to begin with, of the output's shape and format.
        wanted: Leaf nodes.
        keep: What to keep of a gradient; the gradient itself is gone before the next one is there.

    Returns:
        What was kept, by leaf node; those that are not reached are absent.

    Raises:
        RuntimeError: When a node cannot be called, as where the graph was released.
    """
    wanted = set(wanted)
    needed = _between(graph, seed[0], wanted)
    waiting_for = dict.fromkeys(needed, 0)
    for node in needed:
        for source, _ in graph.inputs[node]:
            if source in waiting_for:
                waiting_for[source] += 1
    arrived: dict[tuple[Any, int], torch.Tensor] = {seed: start}
    found: dict[Any, T] = {}
    ready = [seed[0]] if seed[0] in waiting_for else []
    with torch.no_grad(), undisturbed(graph.nodes):
        while ready:
            node = ready.pop()
            handed = [arrived.pop((node, number), None) for number in range(len(node._input_metadata))]
            if node in wanted and handed[0] is not None:
                found[node] = keep(handed[0])
            passed = [] if is_leaf(node) else _call(node, handed)
            handed.clear()  # nothing that was handed on stays, or two gradients would be there instead of one
            _hand_on(arrived, graph.inputs[node], passed, waiting_for)
            for source, _ in graph.inputs[node]:
                if source in waiting_for:
                    waiting_for[source] -= 1
                    if not waiting_for[source]:
                        ready.append(source)
    return found


def _between(graph: Graph, start: Any, wanted: set[Any]) -> set[Any]:
    """The nodes on the ways from one node to the wanted leaves."""
    below = graph.below(start)
    towards = {node for node in wanted if node in below}
    waiting = list(towards)
    above: dict[Any, list[Any]] = {}
    for node in below:
        for source, _ in graph.inputs[node]:
            if source is not None:
                above.setdefault(source, []).append(node)
    while waiting:
        for consumer in above.get(waiting.pop(), ()):
            if consumer not in towards:
                towards.add(consumer)
                waiting.append(consumer)
    return towards


def _call(node: Any, handed: list[torch.Tensor | None]) -> list[torch.Tensor | None]:
    if all(gradient is None for gradient in handed):
        return []
    if node.name() == HOOKS:
        return list(handed)
    returned = node(*handed)
    return list(returned) if isinstance(returned, (tuple, list)) else [returned]


def _hand_on(
    arrived: dict[tuple[Any, int], torch.Tensor],
    edges: Sequence[tuple[Any, int]],
    passed: list[torch.Tensor | None],
    awaited: Container[Any],
) -> None:
    """Take what a node computed out of its hands, one by one, to where it is awaited."""
    passed.reverse()
    for edge in edges:
        gradient = passed.pop() if passed else None
        if gradient is not None and edge[0] in awaited:
            _arrive(arrived, edge, gradient)


def _arrive(arrived: dict[tuple[Any, int], torch.Tensor], edge: tuple[Any, int], gradient: torch.Tensor) -> None:
    """Add a gradient to what arrived before, in the shape and format the forward pass had there, as the engine does."""
    metadata = edge[0]._input_metadata[edge[1]]
    if not gradient.is_sparse and tuple(gradient.shape) != (shape := tuple(metadata.shape)):
        gradient = gradient.sum_to_size(shape)
    gradient = gradient.to(metadata.dtype)
    if edge not in arrived:
        arrived[edge] = gradient
        return
    held = [arrived.pop(edge)]
    addable = held[0].layout == gradient.layout == torch.strided and held[0].is_contiguous()
    arrived[edge] = held[0].add_(gradient) if addable and nobody_else_holds(held) else held[0] + gradient


def nobody_else_holds(held: list[torch.Tensor]) -> bool:
    """Whether the only tensor in a list may be written to: nothing else refers to it or to its memory.

    A node may hand one gradient to two inputs, return a view of what it was given, or what it saved. The engine asks
    the same before it adds in place, which spares a third copy of the largest gradient of a network.

    Args:
        held: One tensor; the list is the only place it is kept in.

    Returns:
        False also where torch does not tell.
    """
    count = getattr(torch._C, "_storage_Use_Count", None)
    if count is None or not hasattr(held[0], "_use_count"):
        return False
    return _holders(held, count) == _holders([torch.empty(1)], count)


def _holders(held: list[torch.Tensor], count: Callable[[int], int]) -> tuple[int, int, int]:
    storage = held[0].untyped_storage()
    return sys.getrefcount(held[0]), held[0]._use_count(), count(storage._cdata)  # pyright: ignore


def _raw_names(node: Any) -> tuple[str, ...]:
    kind = type(node)
    if kind not in _RAW:
        _RAW[kind] = tuple(name for name in dir(node) if name.startswith("_raw_saved"))
    return _RAW[kind]


def _hooked(node: Any, name: str) -> bool:
    try:
        return hooked(getattr(node, name))
    except RuntimeError:  # released: the call itself will say so
        return False
