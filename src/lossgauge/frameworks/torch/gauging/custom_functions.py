"""Autograd functions of the user's own: do they pass on the gradient they are handed?

Their backward is asked twice, with a gradient and with its double, on copies of everything the real call will use.
"""

from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import torch

from lossgauge.frameworks.torch.gauging.graph import Graph, in_python
from lossgauge.frameworks.torch.gauging.kinds import in_torch
from lossgauge.frameworks.torch.gauging.purity import doubt_about
from lossgauge.frameworks.torch.gauging.randomness import undisturbed
from lossgauge.frameworks.torch.gauging.saved import hooked

LARGEST = 20_000_000
"""Elements that are copied for the question at most."""
ANSWERS: WeakKeyDictionary[type, bool | None] = WeakKeyDictionary()
"""What was found, by function; only a backward whose code does nothing but compute is asked."""
TRIES: WeakKeyDictionary[type, int] = WeakKeyDictionary()
MOST = 8
"""How often it is asked while it gives nothing but zeros, as where a training starts in a flat place."""
CONTEXT = ("needs_input_grad", "materialize_grads", "dirty_tensors", "non_differentiable")


def custom_functions(graph: Graph, ask: bool) -> dict[str, bool | None]:
    """The custom functions under a loss.

    Args:
        graph: The graph.
        ask: Whether their backward may be called.

    Returns:
        By the name of the function, whether it ignores the gradient it is handed; None where that is not known.
    """
    answers: dict[str, bool | None] = {}
    for node, function in graph.functions.items():
        if in_torch(function):
            continue
        tries = TRIES.get(function)
        if ask and tries is None:  # its code is read once
            tries = TRIES[function] = MOST if doubt_about(function.backward) else 0
        if ask and tries is not None and tries < MOST and ANSWERS.get(function) is None:
            TRIES[function] = tries + 1
            ANSWERS[function] = ignores_gradient(node)
        name, answer = function.__name__, ANSWERS.get(function)
        answers[name] = answer if answers.get(name) is None else answers[name]
    return answers


def ignores_gradient(node: Any) -> bool | None:
    """Whether the backward of a custom function gives the same for twice the gradient.

    Args:
        node: Its autograd node.

    Returns:
        True where one of the gradients it returns is not zero and does not depend on the one it was handed; None
        where it could not be asked.
    """
    with torch.no_grad(), undisturbed([node]):
        try:
            once, twice = _called(node, 1.0), _called(node, 2.0)
        except Exception:  # it is somebody else's code, and it does not work on a copy: nothing is known
            return None
    pairs = [(a, b) for a, b in zip(once, twice, strict=True) if torch.is_tensor(a) and torch.is_tensor(b)]
    telling = [(a, b) for a, b in pairs if bool(a.ne(0).any())]
    return any(torch.equal(a, b) for a, b in telling) if telling else None


def _called(node: Any, factor: float) -> list[Any]:
    """What the backward returns for a gradient of all `factor`, called with copies."""
    function: Any = in_python(node)
    gradients = [torch.full(tuple(m.shape), factor, dtype=m.dtype, device=m.device) for m in node._input_metadata]
    returned = function.backward(_Copies(node), *gradients)
    return list(returned) if isinstance(returned, (tuple, list)) else [returned]


class _Copies(SimpleNamespace):
    """What a backward finds in its `ctx`: copies of the saved tensors and of everything the forward left there."""

    def __init__(self, node: Any) -> None:
        raw = getattr(node, "_raw_saved_tensors", None)
        if raw is not None and hooked(raw):
            raise RuntimeError("reading the saved tensors would run a hook")
        kept = [node.saved_tensors, *vars(node).values()]
        if sum(map(_elements, kept)) > LARGEST:
            raise RuntimeError("there is too much to copy")
        super().__init__(**{name: getattr(node, name, None) for name in CONTEXT})
        vars(self).update({name: _copy(value) for name, value in vars(node).items()})
        self.saved_tensors = self.saved_variables = _copy(node.saved_tensors)

    def maybe_clear_saved_tensors(self) -> None:
        """Nothing to clear: the copies go with this object."""


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    return {name: _copy(entry) for name, entry in value.items()} if type(value) is dict else value


def _elements(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_elements, value)) if isinstance(value, (list, tuple)) else 0
