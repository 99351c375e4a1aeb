"""Reading a loss off its autograd graph, just before its backward: terms, reductions, targets, formats, reach.

Reading computes nothing the training will see: values are taken from what the forward pass saved, nothing behind a hook
is touched, and where a backward is needed the nodes are called by hand, without the hooks the engine would run.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch._C import _functorch as functorch  # pyright: ignore[reportAttributeAccessIssue]
from torch.autograd.graph import get_gradient_edge

from lossgauge.frameworks.torch.gauging.comparisons import class_weights_of, comparison_of, guess_of, knee_of, one_class
from lossgauge.frameworks.torch.gauging.counterfactuals import flushed_share, term_norms
from lossgauge.frameworks.torch.gauging.custom_functions import custom_functions
from lossgauge.frameworks.torch.gauging.evaluate import Values
from lossgauge.frameworks.torch.gauging.extra_backward import obstacle
from lossgauge.frameworks.torch.gauging.graph import Graph, walk
from lossgauge.frameworks.torch.gauging.kinds import kind_of
from lossgauge.frameworks.torch.gauging.penalties import of_weights_alone
from lossgauge.frameworks.torch.gauging.reductions import Reduced, reduce
from lossgauge.frameworks.torch.gauging.saved import number_in
from lossgauge.frameworks.torch.gauging.spread import spread_of
from lossgauge.frameworks.torch.gauging.terms import Edge, Summands, TermEdge, summands, without_constants
from lossgauge.records.loss_reading import LossReading, Term


def read_loss(
    root: torch.Tensor,
    *,
    step: int,
    backward: int = 0,
    scale: float = 1.0,
    held: Mapping[int, int] | None = None,
    watched: Sequence[torch.Tensor] = (),
    deep: bool = False,
    names: Mapping[int, str] | None = None,
) -> LossReading:
    """Read what a backward is about to start from.

    Args:
        root: The tensor the backward starts from.
        step: The optimizer step it belongs to, from 1.
        backward: Its number within that step, from 0.
        scale: Mixed precision's scale at this step; it is divided out where the loss was multiplied by it.
        held: The tensors of all known optimizers: identity → number in the session, negative for those that are not
            observed. Without any, no tensor is called a stranger.
        watched: Weights the extra backwards look at.
        deep: Whether extra backwards are allowed, and the backward of custom functions may be asked.
        names: Names of tensors by identity.

    Returns:
        The reading; what could not be known is None in it.
    """
    held = held or {}
    if not root.requires_grad or _is_elsewhere(root):
        return LossReading(step, backward, skipped="the loss is inside a transformation or a capture of torch's")
    edge = get_gradient_edge(root)
    graph = walk(edge.node)
    outer = without_constants(Edge(edge.node, edge.output_nr)).constants
    scale = scale if scale in outer or _unreadable(edge.node) else 1.0
    value = None if (total := number_in(root.detach())) is None else total / scale
    parts = _unscaled(summands(edge.node, edge.output_nr), scale)
    reading = LossReading(
        step,
        backward,
        value=value,
        factor=math.prod(_without(outer, scale), start=1.0),
        scale=scale,
        terms=_terms(parts, graph, value),
        custom=custom_functions(graph, ask=deep),
        formats=_formats(graph),
        strangers=_strangers(graph, held, names or {}),
        reached=sum(id(node.variable) in held for node in graph.leaf_nodes),
    )
    return _deepened(reading, root, graph, parts, held, watched) if deep else reading


def _deepened(
    reading: LossReading,
    root: torch.Tensor,
    graph: Graph,
    parts: Summands,
    held: Mapping[int, int],
    watched: Sequence[torch.Tensor],
) -> LossReading:
    """Add what takes extra backwards, or say why it was left out."""
    skipped = obstacle(graph)
    half = "float16" in reading.formats and root.numel() == 1
    if skipped or not watched or not (half or len(parts.terms) > 1):
        return replace(reading, skipped=skipped)
    try:
        lengths = term_norms(graph, parts.terms, reading.scale, watched)
        terms = tuple(replace(t, gradient_norm=length) for t, length in zip(reading.terms, lengths, strict=True))
        numbered = {held[id(tensor)]: tensor for tensor in watched if held.get(id(tensor), -1) >= 0}
        flushed = flushed_share(graph, root, numbered) if half else None
    except (RuntimeError, TypeError) as error:  # torch says why a node cannot be called again; so does the reading
        return replace(reading, skipped=str(error).partition("\n")[0])
    if flushed is None:
        return replace(reading, terms=terms)
    return replace(reading, terms=terms, flushed=flushed[0], flushed_at=flushed[1])


def _terms(parts: Summands, graph: Graph, total: float | None) -> tuple[Term, ...]:
    """Every term; where the value of one alone is not known, it is what the others leave of the loss."""
    penalties = [of_weights_alone(part.node) for part in parts.terms]
    data = not all(penalties)  # without any data, the weights are what is fitted
    terms = [  # recovered values may be as large as the network's output: those of one term are gone before the next
        _term_or_less(part, Values(graph), penalty and data)
        for part, penalty in zip(parts.terms, penalties, strict=True)
    ]
    unknown = [term for term in terms if term.value is None]
    if parts.whole and total is not None and len(unknown) == 1:
        rest = total - math.fsum(term.value for term in terms if term.value is not None)
        terms[unknown[0].index] = replace(unknown[0], value=rest)
    return tuple(terms)


def _term_or_less(part: TermEdge, values: Values, penalty: bool) -> Term:
    """One term; of one that is built of something never seen before, no more than its name and factor."""
    try:
        return _term(part, values, penalty)
    except Exception:
        return Term(part.index, (part.node.name(),), factor=part.factor)


def _term(part: TermEdge, values: Values, penalty: bool) -> Term:
    reduced = reduce(part)
    value = values.of(part.node, part.number)
    number = None if value is None else number_in(value)
    term = Term(
        part.index,
        tuple(reduced.functions),
        kind="penalty" if penalty else kind_of(reduced),
        factor=reduced.factor,
        value=None if number is None else number * part.factor,
    )
    return term if term.kind in ("penalty", "custom") else _described(term, reduced, values)


def _described(term: Term, reduced: Reduced, values: Values) -> Term:
    """Add what is reduced over what, and what is compared with what."""
    term = replace(
        term,
        reduction=reduced.reduction,
        items=reduced.divisor,
        elements=reduced.elements,
        batch=reduced.shape[0] if reduced.shape else 1,
        class_weights=class_weights_of(reduced),
        one_class=one_class(reduced),
        guess=guess_of(reduced),
    )
    if term.kind != "regression":
        return term
    compared = comparison_of(reduced, values)
    residual, output, target = map(spread_of, (compared.residual, compared.output, compared.target))
    return replace(term, residual=residual, output=output, target=target, knee=knee_of(reduced))


def _unscaled(parts: Summands, scale: float) -> Summands:
    """The terms of the user's own loss: mixed precision's scale is no factor of theirs."""
    terms = [replace(part, constants=_without(part.constants, scale)) for part in parts.terms]
    return replace(parts, terms=tuple(replace(t, factor=math.prod(t.constants, start=1.0)) for t in terms))


def _without(constants: tuple[float, ...], scale: float) -> tuple[float, ...]:
    if scale == 1.0 or scale not in constants:
        return constants
    place = constants.index(scale)
    return constants[:place] + constants[place + 1 :]


def _unreadable(node: Any) -> bool:
    """Whether the loss is multiplied by something that cannot be read."""
    single = sum(source is not None for source, _ in node.next_functions) == 1
    return node.name() == "MulBackward0" and single and without_constants(Edge(node, 0)).node is node


def _is_elsewhere(root: torch.Tensor) -> bool:
    """Whether the loss lives inside a function transform, or is being captured into a CUDA graph."""
    wrapped = functorch.is_functorch_wrapped_tensor(root)
    return wrapped or (root.is_cuda and torch.cuda.is_current_stream_capturing())


def _formats(graph: Graph) -> dict[str, int]:
    """How many nodes have gradients of which number format; leaves, which have their tensor's, apart."""
    leaves = set(graph.leaf_nodes)
    counts = Counter(node._input_metadata[0].dtype for node in graph.nodes if node not in leaves)
    return {str(dtype).removeprefix("torch."): count for dtype, count in counts.items()}


def _strangers(graph: Graph, held: Mapping[int, int], names: Mapping[int, str]) -> dict[str, int]:
    """Trained tensors that no optimizer holds; nameless ones are called by their shape.

    Inputs that ask for a gradient (the coordinates of a differential equation) are leaves too. They are left out where
    the optimizers hold parameters and no plain tensors.

    Returns:
        The number of elements by name.
    """
    found: dict[str, int] = {}
    reached = [node.variable for node in graph.leaf_nodes if id(node.variable) in held]
    only_parameters = bool(reached) and all(isinstance(leaf, torch.nn.Parameter) for leaf in reached)
    for node in graph.leaf_nodes if held else ():
        leaf = node.variable
        if id(leaf) in held or (only_parameters and not isinstance(leaf, torch.nn.Parameter)):
            continue
        what = "parameter" if isinstance(leaf, torch.nn.Parameter) else "tensor"
        name = names.get(id(leaf)) or f"{what} {'×'.join(map(str, leaf.shape)) or 'of one number'}"
        count = sum(known == name or known.startswith(f"{name} #") for known in found)
        found[f"{name} #{count + 1}" if count else name] = leaf.numel()
    return found
