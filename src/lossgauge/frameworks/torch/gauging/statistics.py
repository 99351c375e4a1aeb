"""The statistics of one step: what the observed elements, their gradients, states and updates look like.

Called twice, just before a step and just after it. What is kept in between is the observed elements, and at most as
much again as the largest tensor has: an update is measured whole where most gradients are zero, as in an embedding
whose few moving rows the observed elements would miss, and is otherwise estimated from the observed elements.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossgauge.frameworks.torch.gauging.denominators import (
    FACTORS,
    Moments,
    denominator,
    factored,
    moments_of,
    signal,
    step_count,
)
from lossgauge.frameworks.torch.gauging.elasticity import Elasticity, trial_steps
from lossgauge.frameworks.torch.gauging.elements import pick, plain, to_host
from lossgauge.frameworks.torch.gauging.histograms import count, smallest_exponent
from lossgauge.frameworks.torch.gauging.norms import norms
from lossgauge.frameworks.torch.gauging.pieces import UNCOUNTED, Piece, choose, copy_pieces, native
from lossgauge.frameworks.torch.gauging.rounding import lost_share
from lossgauge.frameworks.torch.gauging.sighting import (
    FORMATS,
    Sighting,
    copy_where_few_move,
    measure_update,
    read_gradients,
    sight,
)
from lossgauge.laws.law import Law
from lossgauge.records.session import TensorSample

PORTION = 2**16
"""Elements that are looked at together after a step; a trial makes some twenty float64 copies of them."""
Watched = tuple[int, Tensor, dict[str, Any]]
"""The number of a tensor in the session, the live tensor, and its group."""


@dataclass
class Before:
    """What was seen before a step.

    Args:
        optimizer: The live optimizer.
        law: Its law, where it is known.
        sightings: The watched tensors.
        pieces: Copies for trial steps, by place in `sightings`.
        scale: Mixed precision's scale, where the step itself takes it off the gradients.
        closure: Whether the gradients come only with the step.
        skipped: Whether the step is going to do nothing, because a gradient overflowed.
    """

    optimizer: torch.optim.Optimizer
    law: Law | None
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    pieces: dict[int, Piece] = field(default_factory=dict[int, Piece])
    scale: float = 1.0
    closure: bool = False
    skipped: bool = False


def before(
    optimizer: torch.optim.Optimizer,
    watched: Sequence[Watched],
    law: Law | None,
    deep: bool,
    closure: bool = False,
    steps: float = UNCOUNTED,
) -> Before:
    """Look at what a step starts from; nothing of the training is changed.

    Args:
        optimizer: The live optimizer, just before the step itself (after clipping and hooks).
        watched: The tensors to look at; those that hold no floating-point numbers are left out.
        law: Its law, where it is known.
        deep: Whether `after` is to make trial steps too.
        closure: Whether the step computes its gradients itself.
        steps: How many steps the optimizer has made before; `UNCOUNTED` where nobody knows.

    Returns:
        What `after` needs.
    """
    scale, overflow = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
    sightings = [sight(n, tensor, group, not closure) for n, tensor, group in watched if tensor.dtype in FORMATS]
    for one, norm in zip(sightings, norms([plain(one.tensor) for one in sightings]), strict=True):
        one.weight_norm = norm
    start = Before(
        optimizer,
        law,
        sightings,
        scale=1.0 if scale is None else float(scale),
        closure=closure,
        skipped=overflow is not None and bool(overflow),
    )
    if deep and not start.skipped:
        places = choose(optimizer, [one.tensor for one in sightings])
        wanted = [(sightings[i].tensor, sightings[i].group, sightings[i].where) for i in places]
        start.pieces = dict(zip(places, copy_pieces(optimizer, wanted, steps), strict=True))
    if not closure:
        read_gradients(sightings, start.scale, late=False)
        weights = (tensor for group in optimizer.param_groups for tensor in group["params"])
        largest = max(weights, key=Tensor.numel, default=None)  # there may be very many: nothing more is asked of each
        copy_where_few_move(sightings, 0 if largest is None else plain(largest).numel())
        _give_gradients(start)
    return start


def after(before: Before) -> tuple[TensorSample, ...]:
    """Look at what the step did.

    Args:
        before: What was seen before it.

    Returns:
        One sample for each watched tensor, in their order.
    """
    if before.closure:
        read_gradients(before.sightings, before.scale, late=True)
        _give_gradients(before)
    apart = native(before.optimizer)
    tried = {} if apart else _try(before, before.pieces)
    samples: list[TensorSample] = []
    for places in _portions(before):
        found = _try(before, [place for place in places if place in before.pieces]) if apart else tried
        samples += _samples(before, places, found)
    return tuple(samples)


def _portions(before: Before) -> list[range]:
    """Neighbouring tensors, few enough at a time that the copies made of them stay small."""
    portions: list[range] = []
    first, elements = 0, 0
    for place, one in enumerate(before.sightings):
        size = before.pieces[place].weight.numel() if place in before.pieces else one.weight.numel()
        if place > first and elements + size > PORTION:
            portions.append(range(first, place))
            first, elements = place, 0
        elements += size
    return [*portions, range(first, len(before.sightings))]


def _try(before: Before, places: Iterable[int]) -> dict[int, Elasticity]:
    """Trial steps of some tensors, by place. A foreign optimizer may take them all into account, torch's own do not."""
    places = list(places)
    found = trial_steps(before.optimizer, [before.pieces[place] for place in places], before.law)
    return dict(zip(places, found, strict=True))


def _samples(before: Before, places: Sequence[int], tried: Mapping[int, Elasticity]) -> list[TensorSample]:
    """The samples of some tensors."""
    sightings = [before.sightings[place] for place in places]
    moments = [moments_of(before.optimizer, one.group, one.tensor, before.law) for one in sightings]
    states = _read_states(before.optimizer, sightings, moments)
    weights = to_host([one.weight for one in sightings])
    moved = to_host([pick(plain(one.tensor), one.where) for one in sightings])
    samples: list[TensorSample] = []
    for i, place in enumerate(places):
        moment = Moments() if before.skipped else moments[i]
        samples.append(_sample(sightings[i], moment, states[i], weights[i], moved[i], tried.get(place, Elasticity())))
    return samples


def _give_gradients(start: Before) -> None:
    """Hand the pieces of the trial steps their gradients; those without one do not take part."""
    for place, piece in list(start.pieces.items()):
        one = start.sightings[place]
        gradient = one.tensor.grad
        if gradient is None or one.gradient is None:
            del start.pieces[place]
        elif not piece.flat:
            numbers = gradient.detach() if gradient.is_sparse else plain(gradient)
            numbers = numbers.clone().cpu()  # a step may write into its gradient
            piece.gradient = numbers if start.scale == 1.0 else numbers.double() / start.scale
        else:
            values = torch.from_numpy(one.gradient)
            indices = torch.arange(len(values))[None]
            if gradient.is_sparse:
                values = torch.sparse_coo_tensor(indices, values, values.shape, check_invariants=False)
            piece.gradient = values


def _read_states(
    optimizer: torch.optim.Optimizer, sightings: Sequence[Sighting], moments: Sequence[Moments]
) -> list[dict[str, np.ndarray]]:
    """The observed elements of the moments, and `step`, all with one transfer for each device and number format."""
    wanted: list[tuple[int, str, Tensor]] = []
    for place, (one, found) in enumerate(zip(sightings, moments, strict=True)):
        state = optimizer.state.get(one.tensor, {})
        for name in found.names:
            value = plain(state[name])
            wanted.append((place, name, value if name in FACTORS else pick(value, one.where)))
        wanted.append((place, "step", step_count(state)))
    states: list[dict[str, np.ndarray]] = [{} for _ in sightings]
    for (place, name, _), array in zip(wanted, to_host([tensor for _, _, tensor in wanted]), strict=True):
        states[place][name] = array
    for one, state in zip(sightings, states, strict=True):
        if FACTORS[0] in state:
            where = np.arange(one.tensor.numel()) if one.where is None else one.where.cpu().numpy()
            state[FACTORS[0]] = factored(state[FACTORS[0]], state[FACTORS[1]], tuple(one.tensor.shape), where)
    return states


def _sample(
    one: Sighting,
    moments: Moments,
    states: Mapping[str, np.ndarray],
    weight: np.ndarray,
    moved: np.ndarray,
    tried: Elasticity,
) -> TensorSample:
    step = float(states["step"][0])
    with np.errstate(invalid="ignore", over="ignore"):  # weights that are not finite
        update = moved - weight
    divisor, threshold = denominator(moments, states, step), moments.threshold(step)
    unsquared = None
    if one.gradient is not None and moments.raw:
        unsquared = _share((one.gradient != 0) & (states[moments.raw] < 2.0 ** smallest_exponent(moments.format)))
    return TensorSample(
        one.number,
        weight_norm=one.weight_norm,
        gradient_norm=one.gradient_norm,
        update_norm=measure_update(one, update),
        gradient=None if one.gradient is None else count(one.gradient, one.gradient_format),
        denominator=None if divisor is None else count(divisor, moments.format),
        update=count(update, one.format),
        signal=signal(moments, states, step),
        dominated=None if divisor is None or threshold is None else _share(divisor <= threshold),
        unsquared=unsquared,
        lost=None if tried.intended is None else lost_share(weight, update, tried.intended, one.format),
        elasticity=tried.settled,
        carriers=tried.carriers,
        estimated=tried.estimated,
        instant=tried.instant,
    )


def _share(which: np.ndarray) -> float | None:
    return float(which.mean()) if len(which) else None
