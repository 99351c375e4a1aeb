"""The statistics of one step: what the observed elements, their gradients, states and updates look like.

Called twice, just before a step and just after it. Gradients and trial steps are looked at before, while nothing has
moved yet, a few tensors at a time. What is kept in between is the observed weights, a few truths about each, and more
of a weight whose few moving rows the observed elements would miss: in all no more than `room` allows.
"""

from collections.abc import Mapping, Sequence
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
from lossgauge.frameworks.torch.gauging.elasticity import trial_steps
from lossgauge.frameworks.torch.gauging.elements import pick, plain, to_host
from lossgauge.frameworks.torch.gauging.histograms import count
from lossgauge.frameworks.torch.gauging.moving_blocks import copied_blocks
from lossgauge.frameworks.torch.gauging.norms import norms
from lossgauge.frameworks.torch.gauging.pieces import (
    UNCOUNTED,
    Piece,
    choose,
    copy_pieces,
    elementwise,
    give_gradient,
    native,
)
from lossgauge.frameworks.torch.gauging.room import Room, room_of
from lossgauge.frameworks.torch.gauging.rounding import lost_share
from lossgauge.frameworks.torch.gauging.sighting import (
    FORMATS,
    Sighting,
    measure_gradients,
    measure_update,
    read_gradients,
    sight,
)
from lossgauge.laws.formats import SMALLEST
from lossgauge.laws.law import Law
from lossgauge.records.session import TensorSample

Watched = tuple[int, Tensor, dict[str, Any]]
"""The number of a tensor in the session, the live tensor, and its group."""


@dataclass
class Before:
    """What was seen before a step.

    Args:
        optimizer: The live optimizer.
        law: Its law, where it is known.
        room: The memory that may be taken.
        sightings: The watched tensors.
        chosen: The places in `sightings` whose step is tried.
        pieces: Copies for trial steps by place, where these have to wait for the gradients.
        steps: How many steps the optimizer has made before.
        scale: Mixed precision's scale, where the step itself takes it off the gradients.
        closure: Whether the gradients come only with the step.
        skipped: Whether the step is going to do nothing, because a gradient overflowed.
    """

    optimizer: torch.optim.Optimizer
    law: Law | None
    room: Room
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    chosen: list[int] = field(default_factory=list[int])
    pieces: dict[int, Piece] = field(default_factory=dict[int, Piece])
    steps: float = UNCOUNTED
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
        deep: Whether trial steps are made too.
        closure: Whether the step computes its gradients itself.
        steps: How many steps the optimizer has made before; `UNCOUNTED` where nobody knows.

    Returns:
        What `after` needs.
    """
    scale, overflow = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
    given = [(n, tensor, group) for n, tensor, group in watched if tensor.dtype in FORMATS]
    room = room_of(optimizer, [tensor for _, tensor, _ in given], deep and closure)
    start = Before(
        optimizer,
        law,
        room,
        [sight(n, tensor, group, not closure, room.most) for n, tensor, group in given],
        steps=steps,
        scale=1.0 if scale is None else float(scale),
        closure=closure,
        skipped=overflow is not None and bool(overflow),
    )
    for one, norm in zip(start.sightings, norms([plain(one.tensor) for one in start.sightings]), strict=True):
        one.weight_norm = norm
    if deep and not start.skipped:
        start.chosen = choose(optimizer, [one.tensor for one in start.sightings])
    if closure:
        start.pieces = _copy(start, start.chosen)
    else:
        _look_at_gradients(start)
        _copy_blocks(start)
    return start


def after(before: Before) -> tuple[TensorSample, ...]:
    """Look at what the step did.

    Args:
        before: What was seen before it.

    Returns:
        One sample for each watched tensor, in their order.
    """
    for one in before.sightings:
        if one.blocks is not None:
            one.blocks.measure()
    if before.closure:
        _look_at_gradients(before)
    samples: list[TensorSample] = []
    for places in _lots(before):
        samples += _samples(before, places)
    return tuple(samples)


def _lots(start: Before) -> list[range]:
    """The tensors that are looked at together; of an optimizer whose elements depend on each other, whole tensors."""
    whole = set() if elementwise(start.optimizer) else set(start.chosen)
    sizes = [
        plain(one.tensor).numel() if place in whole else len(one.weight) for place, one in enumerate(start.sightings)
    ]
    return start.room.lots(sizes)


def _look_at_gradients(start: Before) -> None:
    """The gradients, and with them the trial steps: of torch's own optimizers a few tensors at a time."""
    measure_gradients(start.sightings, start.scale)
    separate = native(start.optimizer)
    if not separate:
        start.pieces = start.pieces or _copy(start, start.chosen)
    wanted = set(start.chosen)
    for places in _lots(start):
        elements = read_gradients([start.sightings[place] for place in places], start.scale, start.closure)
        chosen = [place for place in places if place in wanted]
        waiting = start.pieces if start.closure or not separate else _copy(start, chosen)
        for place, given in zip(places, elements, strict=True):
            if given is not None and place in waiting:
                give_gradient(waiting[place], given, start.scale)
        if separate:
            _try(start, {place: waiting[place] for place in chosen})
            for place in chosen:
                start.pieces.pop(place, None)
    if not separate:
        _try(start, start.pieces)
        start.pieces = {}


def _copy(start: Before, places: Sequence[int]) -> dict[int, Piece]:
    ones = [start.sightings[place] for place in places]
    wanted = [(one.tensor, one.group, one.where) for one in ones]
    return dict(zip(places, copy_pieces(start.optimizer, wanted, start.steps), strict=True))


def _try(start: Before, pieces: Mapping[int, Piece]) -> None:
    """Trial steps of some tensors; those without a gradient do not take part."""
    taking_part = {place: piece for place, piece in pieces.items() if piece.gradient is not None}
    elements = sum(piece.weight.numel() for piece in taking_part.values())
    found = trial_steps(start.optimizer, list(taking_part.values()), start.law, start.room.for_trials(elements))
    for place, tried in zip(taking_part, found, strict=True):
        start.sightings[place].tried = tried


def _copy_blocks(start: Before) -> None:
    """Keep more of the tensors most of whose gradient is zero, as far as there is room."""
    left = start.room.free
    for one in start.sightings:
        gradient = one.tensor.grad
        if one.driven is not None and gradient is not None and one.where is not None:
            one.blocks = copied_blocks(one.tensor, gradient, one.driven, left)
            left -= 0 if one.blocks is None else one.blocks.bytes


def _samples(before: Before, places: Sequence[int]) -> list[TensorSample]:
    """The samples of some tensors."""
    sightings = [before.sightings[place] for place in places]
    moments = [moments_of(before.optimizer, one.group, one.tensor, before.law) for one in sightings]
    states = _read_states(before.optimizer, sightings, moments)
    weights = to_host([one.weight for one in sightings])
    moved = to_host([pick(plain(one.tensor), one.where) for one in sightings])
    samples: list[TensorSample] = []
    for i in range(len(sightings)):
        moment = Moments() if before.skipped else moments[i]
        samples.append(_sample(sightings[i], moment, states[i], weights[i], moved[i]))
    return samples


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
) -> TensorSample:
    step = float(states["step"][0])
    with np.errstate(invalid="ignore", over="ignore"):  # weights that are not finite
        update = moved - weight
    divisor, threshold = denominator(moments, states, step), moments.threshold(step)
    unsquared = None
    if one.driven is not None and moments.raw:
        least = SMALLEST.get(torch.finfo(moments.format).dtype, 0.0)  # that of complex64 is float32's
        unsquared = _share(one.driven & (states[moments.raw] <= least))
    tried = one.tried
    return TensorSample(
        one.number,
        weight_norm=one.weight_norm,
        gradient_norm=one.gradient_norm,
        update_norm=measure_update(one, update),
        gradient=one.gradient,
        denominator=None if divisor is None else count(divisor, moments.format),
        update=count(update, one.format),
        signal=signal(moments, states, step),
        dominated=None if divisor is None or threshold is None else _share(divisor <= threshold),
        unsquared=unsquared,
        lost=None if tried.slight is None else lost_share(update, tried.slight),
        elasticity=tried.settled,
        carriers=tried.carriers,
        estimated=tried.estimated,
        instant=tried.instant,
    )


def _share(which: np.ndarray) -> float | None:
    return float(which.mean()) if len(which) else None
