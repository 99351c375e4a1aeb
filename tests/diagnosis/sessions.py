"""Made-up sessions from a few plain numbers, and the same sessions in other units of the loss."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lossgauge.laws.law import Law
from lossgauge.laws.table import row_of
from lossgauge.records.histogram import Histogram
from lossgauge.records.loss_reading import LossReading, Spread
from lossgauge.records.session import Clip, Ending, Event, Optimizer, Sample, Session, Step, Tensor, TensorSample

STEPS = 60
SETTINGS = {
    "adam": {"lr": 1e-3, "betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "weight_decay": 0.0},
    "adamw": {"lr": 1e-3, "betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "weight_decay": 0.01},
    "sgd": {"lr": 1e-2, "momentum": 0.0, "weight_decay": 0.0},
    "rmsprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0},
    "adagrad": {"lr": 1e-2, "eps": 1e-10, "initial_accumulator_value": 0.0, "weight_decay": 0.0},
    "radam": {"lr": 1e-3, "betas[0]": 0.9, "betas[1]": 0.999, "eps": 1e-8, "weight_decay": 0.0},
    "lbfgs": {"lr": 1.0, "max_iter": 20.0, "tolerance_grad": 1e-7, "tolerance_change": 1e-9},
}
Look = Sequence[TensorSample] | Callable[[int], Sequence[TensorSample]]
"""The observed tensors, the same at every step or by the number of the step."""


def falling(start: float = 1.0, end: float = 1e-3, steps: int = STEPS) -> list[float]:
    """A loss that comes down evenly on a logarithmic scale."""
    return [start * (end / start) ** (index / (steps - 1)) for index in range(steps)]


def flat(level: float = 1.0, steps: int = STEPS) -> list[float]:
    return [level] * steps


FELL = falling()
FLAT = flat()
SLOW = falling(1.0, 0.5)
DIVERGED = falling(1.0, 1e6)
BROKEN = [*falling(1.0, 10.0, 5), *flat(math.nan, STEPS - 5)]
CLIMBED = [*falling(1.0, 1e-5, 30), *falling(1e-5, 0.5, 30)]


def sizes(values: Sequence[float]) -> Histogram:
    """The histogram of these numbers."""
    exponents = [math.frexp(value)[1] - 1 for value in values if value and math.isfinite(value)]
    low, high = min(exponents, default=0), max(exponents, default=-1)
    counts = tuple(exponents.count(exponent) for exponent in range(low, high + 1))
    infinite, nan = sum(map(math.isinf, values)), sum(map(math.isnan, values))
    return Histogram(low, counts, zero=sum(value == 0 for value in values), infinite=infinite, nan=nan)


def around(size: float) -> list[float]:
    """Four numbers whose middle is about `size`."""
    return [size * factor for factor in (0.5, 0.9, 1.1, 2.0)]


def seen(
    gradients: Sequence[float] | float | None = 1e-2,
    roots: Sequence[float] | float | None = None,
    *,
    tensor: int = 0,
    weight: float = 1.0,
    relative: float = 1e-3,
    eps: float | None = None,
    **rest: Any,
) -> TensorSample:
    """One tensor at one step: |g|, √v̂ (none for SGD), ‖w‖ and ‖Δw‖/‖w‖; with `eps` the share of √v̂ ≤ ε."""
    gradients = around(gradients) if isinstance(gradients, (int, float)) else gradients
    roots = around(roots) if isinstance(roots, (int, float)) else roots
    if eps is not None and roots:
        rest["dominated"] = sum(root <= eps for root in roots) / len(roots)
    return TensorSample(
        tensor,
        weight,
        None if gradients is None else math.hypot(*gradients),
        weight * relative,
        None if gradients is None else sizes(gradients),
        None if roots is None else sizes(roots),
        sizes(around(weight * relative)),
        **rest,
    )


def train(
    losses: Sequence[float] = FELL,
    look: Look = (seen(),),
    *,
    optimizer: str = "adam",
    settings: Mapping[str, float] | None = None,
    shape: tuple[int, ...] = (2, 2),
    form: str = "float32",
    clips: Callable[[int], Clip] | None = None,
    readings: Sequence[LossReading] = (),
    events: Sequence[Event] = (),
    **step: Any,
) -> Session:
    """A training with one optimizer, sampled at every step; `step` is the same for all steps (`scale`, `backwards`)."""
    numbers = range(1, len(losses) + 1)
    looks = {number: tuple(look(number) if callable(look) else look) for number in numbers}
    count = max((seen.tensor + 1 for tensors in looks.values() for seen in tensors), default=1)
    own = SETTINGS[optimizer] | dict(settings or {})
    law, elements = row_of(optimizer).law_for({}), math.prod(shape)
    return Session(
        script="train.py",
        optimizers=[Optimizer(law.target, (own,), {}, count, count * elements, law)],
        tensors=[Tensor(f"layer{i}.weight", shape, form, 0, 0, elements, elements) for i in range(count)],
        steps=[Step(n, 0, (loss,), clip=clips(n) if clips else None, **step) for n, loss in enumerate(losses, 1)],
        samples=[Sample(n, 0, n, (own,), looks[n]) for n in numbers],
        readings=list(readings),
        events=list(events),
        ending=Ending("finished", "", len(losses), len(losses)),
    )


def spread(mean: float = 0.0, deviation: float = 1.0, *, tail: float = 3.0) -> Spread:
    """Numbers with this mean and deviation, the 99th percentile of their sizes `tail` times the median."""
    middle = max(abs(mean), 0.7 * deviation)
    return Spread(mean, deviation, middle, tail * middle, 1.5 * tail * middle, 64)


def multiplied(session: Session, power: int, co_scaled: bool = True) -> Session:
    """The same training with the loss times 2^power.

    Co-scaled, every number with units of the loss goes along, so that it is the very same training in other units.
    """
    factor, own = 2.0**power, 2.0 ** (power if co_scaled else 0)
    laws = [optimizer.law for optimizer in session.optimizers]
    return replace(
        session,
        optimizers=[
            replace(known, settings=tuple(_settings(place, known.law, own) for place in known.settings))
            for known in session.optimizers
        ],
        steps=[_step(step, factor, own) for step in session.steps],
        samples=[
            replace(
                sample,
                settings=tuple(_settings(place, laws[sample.optimizer], own) for place in sample.settings),
                tensors=tuple(_tensor(tensor, power) for tensor in sample.tensors),
            )
            for sample in session.samples
        ],
        readings=[_reading(reading, factor) for reading in session.readings],
        events=[replace(event, data=_data(event, factor, own)) for event in session.events],
    )


def _settings(place: Mapping[str, float], law: Law | None, own: float) -> dict[str, float]:
    powers = law.exponents if law else {}
    return {name: value * own ** float(powers.get(name, 0)) for name, value in place.items()}


def _step(step: Step, factor: float, own: float) -> Step:
    clip = step.clip and replace(step.clip, threshold=step.clip.threshold * own, norm=_times(step.clip.norm, factor))
    return replace(step, losses=tuple(loss * factor for loss in step.losses), clip=clip)


def _tensor(tensor: TensorSample, power: int) -> TensorSample:
    return replace(
        tensor,
        gradient_norm=_times(tensor.gradient_norm, 2.0**power),
        gradient=tensor.gradient and tensor.gradient.shifted(power),
        denominator=tensor.denominator and tensor.denominator.shifted(power),
    )


def _reading(reading: LossReading, factor: float) -> LossReading:
    terms = tuple(
        replace(
            term,
            value=_times(term.value, factor),
            factor=term.factor * factor if term.guess else term.factor,  # the same loss, written with a factor
            gradient_norm=_times(term.gradient_norm, factor),
        )
        for term in reading.terms
    )
    return replace(reading, value=_times(reading.value, factor), terms=terms)


def _data(event: Event, factor: float, own: float) -> dict[str, Any]:
    units = {"threshold": own, "best": factor, "value": own, "gradient": factor, "tolerance_grad": own}
    return {name: value * units[name] if name in units else value for name, value in event.data.items()}


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
