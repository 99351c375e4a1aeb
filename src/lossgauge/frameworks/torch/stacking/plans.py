"""Running a traced graph again and again on memory laid out once: views are made beforehand, results have their place.

What is left of a step is one call for each operation that computes something.
"""

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_flatten

UNDECLARED = (
    torch.ops.aten._unsafe_view.default,
    torch.ops.aten.reshape.default,
    torch.ops.aten._reshape_alias.default,
)
"""Operations whose results may show their argument's memory although their declarations do not say so."""


class Plan:
    """A graph bound to its memory.

    Args:
        traced: The graph.
        inputs: Tensors for its placeholders; they are read and changed where they lie, in every run.
    """

    def __init__(self, traced: GraphModule, inputs: Sequence[Tensor]) -> None:
        traced.graph.eliminate_dead_code()
        self._nodes = list(traced.graph.nodes)
        self._values: dict[Node, Any] = {}
        self._roots: dict[Node, set[Node]] = {}
        self._last = self._last_uses()
        self._pool: list[Tensor] = []
        self._given: dict[Node, list[Tensor]] = {}
        self._calls: list[Callable[[], object]] = []
        placeholders = iter(inputs)
        for place, node in enumerate(self._nodes):
            if node.op == "placeholder":
                self._values[node] = next(placeholders)
            elif node.op == "get_attr":
                self._values[node] = getattr(traced, str(node.target))
            elif node.op == "call_function":
                self._bind(node)
            self._release(place)
        self.results: Any = map_arg(self._nodes[-1].args[0], lambda node: self._values[node])
        self._values.clear()

    def run(self) -> Any:
        """Evaluate the graph.

        Returns:
            Its results, at the same place in every run.
        """
        for call in self._calls:
            call()
        return self.results

    def _bind(self, node: Node) -> None:
        arguments, options = map_arg((node.args, node.kwargs), lambda argument: self._values[argument])
        target: Any = node.target
        result = target(*arguments, **options)
        self._values[node] = result
        if target is operator.getitem:
            return
        if target._schema.is_mutable and all(part.alias_info is not None for part in target._schema.returns):
            self._calls.append(lambda: target(*arguments, **options))
            return
        if self._is_view(result, (arguments, options)):
            if not self._passes_on(node):
                raise RuntimeError(f"{target} returned a view of its argument without having declared it")
            return
        several = isinstance(result, (tuple, list))
        tensors = [part for part in (result if several else [result]) if isinstance(part, Tensor)]
        places = [self._take(part) for part in tensors]
        for place, part in zip(places, tensors, strict=True):
            place.copy_(part)
        self._given[node] = places
        remaining = iter(places)
        if several:
            self._values[node] = [next(remaining) if isinstance(part, Tensor) else part for part in result]
        else:
            self._values[node] = places[0]
        self._calls.append(_call(target, arguments, options, places))

    def _is_view(self, result: Any, given: Any) -> bool:
        if not isinstance(result, Tensor):
            return False
        memory = result.untyped_storage().data_ptr()
        operands = [operand for operand in tree_flatten(given)[0] if isinstance(operand, Tensor)]
        return result.numel() > 0 and any(x.untyped_storage().data_ptr() == memory for x in operands)

    def _take(self, like: Tensor) -> Tensor:
        """Memory for a result, if possible some that was used just before and is near."""
        for number in reversed(range(len(self._pool))):
            held = self._pool[number]
            if _alike(held, like):
                return self._pool.pop(number)
        return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=like.device)

    def _last_uses(self) -> dict[Node, int]:
        """The last place where each result, or a view of it, is read."""
        last: dict[Node, int] = {}
        for place, node in reversed(list(enumerate(self._nodes))):
            here = max(place, last.get(node, place))
            for argument in node.all_input_nodes:
                last[argument] = max(last.get(argument, -1), here if self._passes_on(node) else place)
        return last

    def _passes_on(self, node: Node) -> bool:
        """Whether the result of a node may show the memory of its arguments."""
        if node.op != "call_function" or node.target is operator.getitem:
            return True
        schema: Any = getattr(node.target, "_schema", None)
        if schema is None or node.target in UNDECLARED:
            return True
        return any(argument.alias_info is not None for argument in schema.arguments)

    def _release(self, place: int) -> None:
        for node in [node for node in self._given if self._last.get(node, place) <= place]:
            self._pool += self._given.pop(node)


def _alike(one: Tensor, other: Tensor) -> bool:
    shapes = one.shape == other.shape and one.stride() == other.stride()
    return shapes and one.dtype == other.dtype and one.device == other.device


def _call(target: Any, arguments: Any, options: Any, places: list[Tensor]) -> Callable[[], object]:
    variant = _writing(target)
    if variant is not None and len(variant[1]) == len(places):
        function, names = variant
        outputs = dict(zip(names, places, strict=True))
        return lambda: function(*arguments, **options, **outputs)

    def computed() -> None:
        result = target(*arguments, **options)
        parts = result if isinstance(result, (tuple, list)) else [result]
        for place, part in zip(places, (part for part in parts if isinstance(part, Tensor)), strict=True):
            place.copy_(part)

    return computed


@lru_cache(maxsize=512)
def _writing(target: Any) -> tuple[Any, tuple[str, ...]] | None:
    """The overload of an operation that writes into given tensors."""
    wanted = [(argument.name, str(argument.type)) for argument in target._schema.arguments]
    packet = target.overloadpacket
    for name in packet.overloads():
        overload = getattr(packet, name)
        outputs = tuple(argument.name for argument in overload._schema.arguments if argument.is_out)
        others = [(a.name, str(a.type)) for a in overload._schema.arguments if not a.is_out]
        if outputs and len(outputs) == len(target._schema.returns) and others == wanted:
            return overload, outputs
    return None
