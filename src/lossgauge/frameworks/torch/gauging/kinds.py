"""Which kind of loss a term is, by the structure of its graph: however it was written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from lossgauge.frameworks.torch.gauging.choices import (
    NODES,
    PICKING,
    PROBABILITIES,
    is_log_probability,
    region_of,
)
from lossgauge.frameworks.torch.gauging.graph import in_python, is_leaf
from lossgauge.frameworks.torch.gauging.names import (
    ADDING,
    CLASSIFYING,
    COMPARING,
    DIVIDING,
    MULTIPLYING,
    NORMS,
    PASSING,
    ROWS,
)
from lossgauge.frameworks.torch.gauging.reductions import Reduced
from lossgauge.frameworks.torch.gauging.saved import number_in, saved
from lossgauge.frameworks.torch.gauging.smoothing import smoothed
from lossgauge.frameworks.torch.gauging.terms import Edge, constant_of, factors_of, without_constants

LOGARITHMS = {"LogSoftmaxBackward0", "LogSigmoidBackward0", "LogBackward0", "Log1PBackward0"}
POINTED = {"AbsBackward0", "CoshBackward0"}
CLIPPING = {"MinimumBackward0", "ClampBackward1", "ClampMinBackward0", "ClampMaxBackward0", "MaximumBackward0"}


@dataclass(frozen=True)
class Compared:
    """What a regression squares, or takes the absolute value of.

    Args:
        node: The autograd node that does it.
        source: Whose output it is done to, as (node, number of the output).
    """

    node: Any
    source: tuple[Any, int]


def kind_of(reduced: Reduced) -> str:
    """The kind of a loss function; whether it is a penalty is seen before it is reduced.

    Args:
        reduced: The loss function.

    Returns:
        `regression`, `classification`, `divergence`, `policy`, `custom` or `other`.
    """
    node = smoothed(reduced.node) or reduced.node
    first = _first_of(reduced.node)
    name = first.name()
    if in_python(first) is not None or "CppNode" in name:
        return "custom" if "CppNode" in name or not in_torch(in_python(first)) else "other"
    if name in COMPARING:
        return "regression"
    if name == "KlDivBackward0":
        return "divergence"
    region = list(region_of(node))
    if node.name() in CLASSIFYING or name in CLASSIFYING or _picked_log_probability(region):
        return "policy" if _signed(reduced.weights, region) else "classification"
    if _is_divergence(region, weighted=bool(reduced.weights)):
        return "divergence"
    if _is_soft_classification(region):
        return "classification"
    if compared(reduced) is not None:
        return "policy" if any(bool((weights < 0).any()) for weights in reduced.weights) else "regression"
    return "other"


def _first_of(node: Any) -> Any:
    """Of a row of losses of single samples the first, which is like the others; any other node itself."""
    if node.name() in ROWS and node.next_functions and node.next_functions[0][0] is not None:
        return without_constants(Edge(*node.next_functions[0])).node
    return node


def compared(reduced: Reduced) -> Compared | None:
    """The first square, absolute value or norm of a difference in a loss function.

    Args:
        reduced: The loss function.

    Returns:
        Where it is, and of what; None where there is none.
    """
    addends = {node for node, _ in _addends(reduced.node)}  # a norm inside of something else only normalises
    for node in region_of(reduced.node):
        name, inputs = node.name(), node.next_functions
        if name in NORMS and node not in addends:
            continue
        squared = name == "PowBackward0" and (number_in(saved(node, "exponent")) or 0.0) >= 1.0
        product = name in MULTIPLYING and len(inputs) == 2 and inputs[0][0] is not None and inputs[0] == inputs[1]
        if squared or product or name in POINTED or name in NORMS:
            return Compared(node, inputs[0])
    return None


def in_torch(function: type | None) -> bool:
    """Whether an autograd function is torch's own plumbing: a checkpoint, a module's hook, a compiled part.

    Args:
        function: A subclass of `torch.autograd.Function`.

    Returns:
        False for the user's own.
    """
    return function is None or function.__module__.partition(".")[0] == "torch"


def _picked_log_probability(region: list[Any]) -> bool:
    """Whether log-probabilities of given choices are picked: by index, out of a log-softmax however it is written."""
    return any(node.name() in PICKING and is_log_probability(node.next_functions[0][0]) for node in region)


def _signed(weights: list[torch.Tensor], region: list[Any]) -> bool:
    """Whether log-probabilities are multiplied by what is no mask: advantages, rewards; inside a clipped ratio too."""
    if region[0].name() in CLASSIFYING:
        return any(bool((weight < 0).any()) for weight in weights)
    if region[0].name() in ROWS:
        factors = factors_of(region[0].next_functions)
        if _first_of(region[0]).name() not in CLASSIFYING:
            return bool(weights) or len({*factors}) > 1
        return min(factors) < 0 or any(bool((weight < 0).any()) for weight in weights)
    ratio = any(node.name() == "ExpBackward0" for node in region) and any(node.name() in CLIPPING for node in region)
    inside = [node for node in region if node.name() in MULTIPLYING and constant_of(node, most=1) is None]
    constant = any(any(source is None for source, _ in node.next_functions) for node in inside)
    return bool(weights) or ratio or constant


def _is_divergence(region: list[Any], weighted: bool) -> bool:
    """Whether e^v and v, or v and log v, are added up, or a difference of logarithms is weighted by probabilities."""
    addends = list(_addends(region[0]))
    forms: dict[Any, set[str]] = {}
    for addend in addends:
        base, form = _base(addend)
        forms.setdefault(base, set()).add(form)
    if any({"exp", "plain"} <= found or ("log" in found and len(found) > 1) for found in forms.values()):
        return True
    if weighted and region[0].name() in ADDING and any(map(is_log_probability, _inputs(region[0]))):
        return True
    return any(_is_weighted_difference(node) for node in region[:4])


def _addends(node: Any) -> Iterator[tuple[Any, int]]:
    """What a loss function adds up, element by element: signs and constants aside."""
    waiting: list[tuple[Any, int]] = [(node, 0)]
    for _ in range(NODES):
        if not waiting:
            return
        edge = waiting.pop(0)
        above = edge[0]
        constant = constant_of(above, most=1)
        if above.name() in ADDING:
            waiting += [edge for edge in above.next_functions if edge[0] is not None]
        elif constant is not None:
            waiting.append(above.next_functions[constant[0]])
        elif above.name() in PASSING or above.name() in ("SumBackward1", "MeanBackward1"):
            waiting.append(above.next_functions[0])
        else:
            yield edge


def _base(edge: tuple[Any, int]) -> tuple[Any, str]:
    """What an addend is a function of, and which: `exp`, `log`, `power` or `plain`."""
    form = "plain"
    for _ in range(8):
        node = edge[0]
        name = node.name()
        constant = constant_of(node, most=1)
        if name in ("ExpBackward0", "LogBackward0"):
            form = name[:3].lower() if form != "log" else form
        elif name == "PowBackward0" or (name in MULTIPLYING and len({*node.next_functions}) == 1):
            form = "power" if form == "plain" else form
        elif constant is None and name not in PASSING and not (name in DIVIDING and len(_inputs(node)) == 1):
            break
        edge = node.next_functions[0 if constant is None else constant[0]]
        if is_leaf(edge[0]):
            break
    return edge, form


def _is_weighted_difference(node: Any) -> bool:
    """Whether probabilities multiply a difference of log-probabilities, one of which may be constant."""
    name, inputs = node.name(), node.next_functions
    sources = [source for source, _ in inputs if source is not None]
    if name in MULTIPLYING and constant_of(node, most=1) is None:
        differences = [s for s in sources if s.name() in ADDING and any(map(is_log_probability, _inputs(s)))]
        return bool(differences) and (
            len(sources) == 1 or any(s.name() in PROBABILITIES | {"ExpBackward0"} for s in sources)
        )
    if name == "SubBackward0" and inputs[0][0] is None and sources[0].name() in MULTIPLYING:
        return any(map(is_log_probability, _inputs(sources[0])))
    return False


def _inputs(node: Any) -> list[Any]:
    return [source for source, _ in node.next_functions if source is not None]


def _is_soft_classification(region: list[Any]) -> bool:
    """Whether logarithms of probabilities are weighted by constant targets, or are the loss themselves."""
    first = region[0]
    names = {node.name() for node in region[:12]}
    if first.name() in ("LogSoftmaxBackward0", "LogSigmoidBackward0", "SoftplusBackward0"):
        return True
    logarithm = bool(names & LOGARITHMS)
    probable = bool(names & (PROBABILITIES | {"LogSigmoidBackward0", "LogSoftmaxBackward0"}))
    divided = any(node.name() in DIVIDING for node in region[:3])
    entropy = any(
        node.name() in MULTIPLYING
        and len(_inputs(node)) == 2
        and {s.name() for s in _inputs(node)} & (PROBABILITIES | {"ExpBackward0"})
        for node in region[:4]
    )
    return logarithm and probable and not entropy and not divided
