"""Traces: the operations a function of tensors is made of, written down while it runs.

`make_fx` does this too, and loads all of torch's compiler first, which takes a second in each process. Here only what
runs on real tensors is written down; whatever is beyond that is left to `make_fx`.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

Decompositions = Mapping[Any, Callable[..., Any]]


def trace(function: Callable[..., Any], arguments: Sequence[Any], decompositions: Decompositions) -> GraphModule:
    """Write down what a function does.

    Args:
        function: Of tensors, and of lists and dictionaries of tensors.
        arguments: It is run with them.
        decompositions: Operations that are taken apart, and how.

    Returns:
        A graph whose placeholders and results are the tensors of the arguments and of the result, in order.
    """
    writer = _Writer(decompositions)
    try:
        for tensor in tree_flatten(list(arguments))[0]:
            writer.note(tensor, writer.graph.placeholder(f"input_{len(writer.nodes)}"))
        with writer:
            result = function(*arguments)
        writer.graph.output([writer.node(tensor) for tensor in tree_flatten(result)[0]])
    except Exception:  # it may know how, and says what is wrong in words that users find
        return make_fx(function, decomposition_table=dict(decompositions))(*arguments)
    return GraphModule(writer.root, writer.graph)


class _Writer(TorchDispatchMode):
    """Writes a graph."""

    def __init__(self, decompositions: Decompositions) -> None:
        super().__init__()
        self.graph, self.root = Graph(), torch.nn.Module()
        self.nodes: dict[int, Node] = {}
        self._decompositions = decompositions
        self._held: list[Tensor] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """The compiler would be loaded to be told to stay away."""
        return False

    def note(self, tensor: Tensor, node: Node) -> None:
        """Say which node made a tensor; it is kept, so that no other one gets its identity."""
        node.meta["val"] = _shape_of(tensor)
        self.nodes[id(tensor)] = node
        self._held.append(tensor)

    def node(self, tensor: Tensor) -> Node:
        """The node that made a tensor; one that nobody made is a constant."""
        if id(tensor) not in self.nodes:
            name = f"constant_{len(self._held)}"
            self.root.register_buffer(name, tensor.detach())
            self.note(tensor, self.graph.get_attr(name))
        return self.nodes[id(tensor)]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Write an operation down, taken apart or as it is."""
        kwargs = kwargs or {}
        for apart in (self._decompositions.get(func), getattr(func, "decompose", None)):
            if apart is not None:
                with self:
                    result = apart(*args, **kwargs)
                if result is not NotImplemented:
                    return result
        result = func(*args, **kwargs)
        if isinstance(result, (bool, int, float)):
            raise ValueError(f"{func} makes a number of a tensor")
        if func is torch.ops.aten.alias.default:  # the same tensor under another name
            self.note(result, self.node(args[0]))
            return result
        given, options = tree_map(lambda x: self.node(x) if isinstance(x, Tensor) else x, (args, kwargs))
        node = self.graph.call_function(func, given, options)
        if isinstance(result, Tensor):
            self.note(result, node)
        elif isinstance(result, (tuple, list)):
            node.meta["val"] = tuple(_shape_of(part) if isinstance(part, Tensor) else part for part in result)
            for place, part in enumerate(result):
                if isinstance(part, Tensor):
                    self.note(part, self.graph.call_function(operator.getitem, (node, place)))
        return result


def _shape_of(tensor: Tensor) -> Tensor:
    """A tensor like another one, without contents."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
