"""Treatments of the loss: the whole of it, one of its terms, the threshold of a robust one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fractions import Fraction
from typing import Any

import torch

from lossgauge.errors import ObservationError
from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.injection.inject import inject
from lossgauge.frameworks.torch.injection.passages import Proceed, Start
from lossgauge.frameworks.torch.injection.patches import replaced
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.frameworks.torch.treatments.graph import root_edge
from lossgauge.records.injection import Injection
from lossgauge.records.treatment import Treatment

SplitTerms = Callable[[Any, int], Sequence[Any]]
"""From a node and the number of its output the summands of the loss, each with `node`, `number` and `factor`."""

MOST_NODES = 4096
"""Nodes between a loss and its summands; a sum has far fewer."""
KNEES = (("huber_loss", "delta"), ("smooth_l1_loss", "beta"))
"""torch's inner function of each robust loss, and what its threshold is called."""
PLACE = 3
"""The place of the threshold among the arguments of those functions."""


class WholeLoss(Change):
    """`loss`: the loss multiplied, as an injection does it, with nothing co-scaled."""

    inner = frozenset({"laid"})

    def laid(self) -> AbstractContextManager[Any]:
        """Where the loss enters, and where closures and plateaus hand it on; see `Change`."""
        return inject(Injection(Fraction(self.factor), companions={}), Observer())


class OneTerm(Change):
    """`term`: the gradient that enters one summand of the loss multiplied."""

    inner = frozenset({"start"})

    def __init__(self, treatment: Treatment, split: SplitTerms) -> None:
        """Prepare.

        Args:
            treatment: The change, with the summand's number.
            split: Finds the summands.
        """
        super().__init__(treatment)
        self.split = split

    def start(self, start: Start, proceed: Proceed) -> Any:
        """Hold hooks on the way to the summand for this one backward; see `Change`."""
        index, factor = self.treatment.index or 0, self.factor
        if start.nested:
            return proceed()
        with ExitStack() as hooks:
            for number, edge in enumerate(map(root_edge, start.roots)):
                terms = self.split(*edge) if edge else []
                if edge and 0 <= index < len(terms):
                    ways = _ways(*edge, terms)
                    way = ways[index]
                    if way is None:  # the root itself is the summand
                        start.gradients = _multiplied(start.gradients, number, factor)
                    else:
                        hooks.callback(_weigh(way, _share(ways, terms, index, factor)).remove)
                index -= len(terms)
            return proceed()


def _ways(node: Any, output: int, terms: Sequence[Any]) -> list[tuple[Any, int] | None]:
    """For each summand the node above it and its place there: a hook there meets the gradient of nothing else."""
    ends = {(term.node, term.number) for term in terms}
    ways: list[tuple[Any, int] | None] = []
    waiting: list[tuple[Any, int, tuple[Any, int] | None]] = [(node, output, None)]
    for _ in range(MOST_NODES):
        if not waiting:
            break
        node, output, way = waiting.pop()
        if (node, output) in ends:
            ways.append(way)
        else:
            below = [(n, o, (node, place)) for place, (n, o) in enumerate(node.next_functions) if n is not None]
            waiting.extend(reversed(below))
    if waiting or len(ways) != len(terms):
        raise ObservationError("the terms of the loss cannot be told apart in its graph; expected a sum of scalars")
    return ways


def _share(ways: Sequence[Any], terms: Sequence[Any], index: int, factor: float) -> float:
    """The factor on a way; where several summands share it (x + 2·x in a function of x), their common one."""
    shared = [term.factor for way, term in zip(ways, terms, strict=True) if way == ways[index]]
    if len(shared) == 1 or not sum(shared):
        return factor
    return (sum(shared) + (factor - 1.0) * terms[index].factor) / sum(shared)


def _weigh(way: tuple[Any, int], factor: float) -> Any:
    node, place = way
    return node.register_hook(lambda onward, _: _multiplied(onward, place, factor))


def _multiplied(gradients: Sequence[Any], place: int, factor: float) -> tuple[Any, ...]:
    return tuple(g * factor if i == place and g is not None else g for i, g in enumerate(gradients))


class Knee(Change):
    """`knee`: the residual at which Huber and smooth L1 losses bend."""

    @contextmanager
    def laid(self) -> Iterator[None]:
        """The public functions look the inner ones up whenever they are called; see `Change`."""
        inner = vars(torch._C)["_nn"]
        with ExitStack() as stack:
            for place, name in KNEES:
                if self.named(name):
                    stack.enter_context(replaced(inner, place, self._bent(vars(inner)[place], name)))
            yield

    def _bent(self, loss: Callable[..., Any], name: str) -> Callable[..., Any]:
        def loss_bent(*args: Any, **named: Any) -> Any:
            if len(args) > PLACE:
                args = (*args[:PLACE], self.treatment.changed(args[PLACE]), *args[PLACE + 1 :])
            else:
                named[name] = self.treatment.changed(named.get(name, 1.0))
            return loss(*args, **named)

        return loss_bent
