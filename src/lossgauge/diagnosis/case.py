"""A session as the rules read it: the questions they ask, answered from the records and from nothing else."""

import math
from collections.abc import Callable, Iterable
from functools import cached_property
from statistics import median

from lossgauge.diagnosis.instruments import Instruments
from lossgauge.diagnosis.progress import Progress
from lossgauge.laws.companions import RATES
from lossgauge.records.loss_reading import LossReading, Term
from lossgauge.records.session import Clip, Event, Sample, Session, Step

LINE_SEARCHES = ("LBFGS",)
THROWN = 0.3
"""A relative update from which on the weights are others than before: what is seen after it is its consequence."""


class Case(Instruments):
    """One training, seen through its main optimizer."""

    def __init__(self, session: Session, optimizer: int | None = None) -> None:
        """Read a session.

        Args:
            session: The session.
            optimizer: The optimizer to look at; None for the main one.
        """
        super().__init__(session, main_optimizer(session) if optimizer is None else optimizer)

    @cached_property
    def steps(self) -> list[Step]:
        """Its steps of which something was noted."""
        return [step for step in self.session.steps if step.optimizer == self.index]

    @property
    def made(self) -> int:
        """How many steps it made; of several optimizers its part of those that were noted."""
        return round(self.session.made * len(self.steps) / max(len(self.session.steps), 1))

    @cached_property
    def samples(self) -> list[Sample]:
        """Its sampled steps."""
        return [sample for sample in self.session.samples if sample.optimizer == self.index]

    @cached_property
    def later(self) -> list[Sample]:
        """Its sampled steps without the first fifth of the run, or the last sample where there are no others."""
        last = self.samples[-1].number if self.samples else 0
        return [sample for sample in self.samples if sample.number > last / 5] or self.samples[-1:]

    @cached_property
    def first(self) -> list[Sample]:
        """Its first sampled steps, eight at most."""
        return self.samples[:8]

    @cached_property
    def onset(self) -> list[Sample]:
        """The first of them, up to the step that threw the weights about, where one did."""
        thrown = (i for i, sample in enumerate(self.first) if not (self.relative_update(sample) or 0.0) <= THROWN)
        return self.first[: next(thrown, len(self.first)) + 1]

    @property
    def readings(self) -> list[LossReading]:
        """What the graph said, oldest first."""
        return self.session.readings

    @property
    def sign(self) -> float:
        """1; −1 where the optimizer maximizes."""
        return -1.0 if self.optimizer is not None and self.optimizer.flags.get("maximize") else 1.0

    @cached_property
    def progress(self) -> Progress:
        """The course of the loss under this optimizer; of one that maximizes, of its negative."""
        if self.optimizer and self.optimizer.title in LINE_SEARCHES:
            evaluations = [
                (step.number - 1 + (i + 1) / len(step.losses), self.sign * loss)
                for step in self.steps
                for i, loss in enumerate(step.losses)
            ]
            return Progress(tuple(evaluations))
        points = tuple((step.number, self.sign * step.loss) for step in self.steps if step.loss is not None)
        players = {step.optimizer for step in self.session.steps if step.losses}
        if not points and len(players) == 1:  # several optimizers step after one backward, which the first of them got
            return Case(self.session, players.pop()).progress
        return Progress(points, len(players) > 1)

    @cached_property
    def rate(self) -> str | None:
        """The name of the learning rate."""
        return next((name for name in RATES if self.setting(name) is not None), None)

    @cached_property
    def killed(self) -> bool:
        """Whether gradients that were not zero at first became exactly zero once the weights had been thrown about."""
        at_first, later = self.zeros(self.samples[0]) if self.samples else None, self.typical(self.zeros)
        thrown = any((self.relative_update(sample) or 0.0) > THROWN for sample in self.first)
        return thrown and at_first is not None and later is not None and at_first < 0.5 < later

    @property
    def covariant(self) -> bool:
        """Whether the step grows with the loss, as under SGD: by law, else by the elasticity that was seen."""
        power = self.exponent(self.rate) if self.rate else None
        if power is not None:
            return power != 0
        elasticity = self.typical(self.elasticity)
        return elasticity is not None and elasticity > 0.5

    def typical(
        self, measure: "Callable[[Sample], float | None]", samples: Iterable[Sample] | None = None
    ) -> float | None:
        """The median of a measure over sampled steps.

        Args:
            measure: What to ask of each.
            samples: Which; None for those without the first fifth of the run.

        Returns:
            The median of what is known; None where nothing is.
        """
        asked = (measure(sample) for sample in (self.later if samples is None else samples))
        known = [value for value in asked if value is not None and not math.isnan(value)]
        return median(known) if known else None

    @cached_property
    def clips(self) -> list[Clip]:
        """What the clip functions met, step by step."""
        return [step.clip for step in self.steps if step.clip is not None]

    def excess(self, clips: "Iterable[Clip] | None" = None) -> list[float]:
        """How many times the threshold each norm was.

        Args:
            clips: Which calls; None for all of this optimizer.

        Returns:
            norm/threshold, dimensionless, of global-norm clipping.
        """
        calls = self.clips if clips is None else clips
        return [clip.norm / clip.threshold for clip in calls if clip.norm is not None and clip.threshold > 0]

    def events(self, kind: str) -> list[Event]:
        """The events of a kind.

        Args:
            kind: One of the kinds of `Event`.

        Returns:
            The events, oldest first.
        """
        return [event for event in self.session.events if event.kind == kind]

    @cached_property
    def accumulated(self) -> int:
        """How many backwards a step has, typically."""
        counts = [step.backwards for step in self.steps if step.backwards]
        return int(median(counts)) if counts else 0

    def terms(self, index: int) -> list[tuple[LossReading, Term]]:
        """One summand of the loss through the run.

        Args:
            index: Its number.

        Returns:
            (reading, term), oldest first.
        """
        return [(reading, term) for reading in self.readings for term in reading.terms if term.index == index]

    def term_progress(self, index: int) -> Progress:
        """The course of one summand of the loss.

        Args:
            index: Its number.

        Returns:
            Its values where they could be recomputed.
        """
        known = [(float(r.step), term.value) for r, term in self.terms(index) if term.value is not None]
        return Progress(tuple(known))

    def bound_progress(self) -> Progress:
        """The course of the negative evidence lower bound: both of its terms summed, and averaged over the batch.

        Each term is taken as if it were divided by the batch and by nothing else: value·divisor/batch, in nats.

        Returns:
            Its values where both could be recomputed.
        """
        points: list[tuple[float, float]] = []
        for reading in self.readings:
            parts = [term for term in reading.terms if term.kind in ("regression", "classification", "divergence")]
            known = [t.value * t.items / t.batch for t in parts if t.value is not None and t.items and t.batch]
            points += [(float(reading.step), sum(known))] if len(known) == len(parts) == 2 else []
        return Progress(tuple(points))

    def residual_progress(self) -> Progress:
        """The course of the median |output − target| of the loss's first regression."""
        found = [(float(r.step), t.residual.median) for r in self.readings for t in r.terms[:8] if t.residual]
        return Progress(tuple(found))


def main_optimizer(session: Session) -> int:
    """The optimizer with the most steps; of equals the one with the most weights.

    Args:
        session: The session.

    Returns:
        Its number; 0 where there is none.
    """
    counts: dict[int, int] = {}
    for step in session.steps:
        counts[step.optimizer] = counts.get(step.optimizer, 0) + 1
    sizes = {index: optimizer.elements for index, optimizer in enumerate(session.optimizers)}
    return max(counts, key=lambda index: (counts[index], sizes.get(index, 0)), default=0)
