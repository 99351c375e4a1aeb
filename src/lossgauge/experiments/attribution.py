"""Which quantities carried the change of a training whose loss was multiplied: parts that add up to all of it.

The players are the quantities with units of the loss. v(S) is the outcome at α with exactly S co-scaled: v(∅) is the
training with α and nothing else, v(all) is the untouched one again, by the change of units. Each part is the Shapley
value of what co-scaling a quantity takes away, so the parts add up to v(∅) − v(all).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from time import monotonic

from lossgauge.errors import InputError
from lossgauge.experiments.floors import find_floor
from lossgauge.experiments.game import Game
from lossgauge.experiments.kept_runs import KeptRuns
from lossgauge.experiments.limits import say_drawn, say_limits
from lossgauge.experiments.measurements import Measurements, Progress, Setting
from lossgauge.experiments.obstacles import find_obstacle, find_wavering
from lossgauge.experiments.outcomes import DIVERGENCE, Outcome
from lossgauge.experiments.quantities import Quantity, carriers, quantities, shown
from lossgauge.experiments.remainders import CONSTANT, find_cause
from lossgauge.experiments.shapley import (
    Coalition,
    Worth,
    coalitions_of,
    contributions,
    draw_orders,
    estimated_contributions,
    interactions,
    steps_of,
)
from lossgauge.experiments.shares import describe_parts, settle_shares, single_part
from lossgauge.experiments.twins import Laboratory, companion_laws_of_table, nearest_power_of_two
from lossgauge.laws.law import Law
from lossgauge.laws.multiplier import power_of_two
from lossgauge.laws.verdict import Verdict
from lossgauge.records.attribution import ATTRIBUTED, ROUNDING, UNCHANGED, Attribution, Interaction, Part
from lossgauge.trainings.batch import count_cores
from lossgauge.trainings.recorder import LawOf
from lossgauge.trainings.training import Training

MOST = 64
"""Runs that are made for the parts at most: all subsets of six quantities."""
LONGER, MARGIN = 10.0, 60.0
"""A run may take so many times as long as the guard's two did, and so many seconds more."""
ROUNDED, ANEW = "rounding", "summation"
ENOUGH = Fraction(1, 20)
"""The share of the total that settings which are said to do the same may miss."""
NOTABLE = Fraction(1, 10)
"""The share of the total from which an interaction is named."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Args:
        alpha: The user's multiplier α.
        outcome: What is compared.
        law_of: Finds the law of each optimizer, or `module:name` of such a function.
        companion_laws: The law of each quantity beside the optimizers; None takes the table's.
        workers: How many scripts may run at once; None for one per processor, or one where they share an accelerator.
        most: How many runs the parts may take; where all subsets would be more, orders are drawn.
        output: Where the first run's standard output goes: `stdout`, `stderr` or `nowhere`.
        kept: Where finished runs are kept.
        progress: Told how far it is.
    """

    alpha: Fraction
    outcome: Outcome
    law_of: LawOf | str
    companion_laws: dict[str, Law] | None = None
    workers: int | None = None
    most: int = MOST
    output: str = "stdout"
    kept: KeptRuns = field(default_factory=lambda: KeptRuns(None))
    progress: Progress = lambda done, total, what: None


def attribute_change(training: Training, request: Request) -> Attribution:
    """Run a training untouched, at α, and at α with quantities co-scaled, and say what carried the change.

    Args:
        training: The training; it is run several times.
        request: What is asked for.

    Returns:
        The attribution.

    Raises:
        InputError: When α is 1, or the outcome cannot be read.
    """
    alpha = request.alpha
    if alpha == 1:
        raise InputError("alpha is 1, and multiplying by 1 changes nothing; expected another number, such as 1e5")
    laws = companion_laws_of_table() if request.companion_laws is None else request.companion_laws
    notify = _Notes(request.progress)
    laboratory = Laboratory(training, laws, request.output, notify, request.outcome.watch)
    begin = monotonic()
    again = laboratory.guard(request.law_of)
    seconds = monotonic() - begin
    known = Attribution(
        alpha,
        Verdict.UNDECIDED,
        request.outcome.name,
        asked=request.outcome.name,
        title=request.outcome.title,
        training=training.title,
        steps=len(laboratory.reference.steps),
        runs={"made": 0, "reused": 0, "checks": 2, "kept": 0},
    )
    obstacle = find_obstacle(laboratory, again, healthy=False)
    reason = obstacle.reason if obstacle else find_wavering(request.outcome, laboratory.reference, again)
    if reason:
        return replace(known, reason=reason)
    workers = request.workers or (1 if laboratory.reference.accelerator else count_cores())
    limit = LONGER * seconds + MARGIN
    runs = Measurements(laboratory, request.outcome, workers, limit, request.kept, request.progress)
    attribution = _Work(runs, alpha, request.most).attribute(known)
    request.kept.remove()
    return attribution


class _Notes:
    """The runs of the guard as progress."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.done = 0

    def __call__(self, purpose: str) -> None:
        self.progress(self.done, 2, purpose)
        self.done += 1


class _Work:
    """The runs of one attribution and what follows from them."""

    def __init__(self, runs: Measurements, alpha: Fraction, most: int) -> None:
        laboratory = runs.laboratory
        self.runs, self.alpha = runs, alpha
        self.players = carriers(laboratory.reference, laboratory.laws, laboratory.companions())
        self.names = [player.key for player in self.players]
        self.orders = [] if 2 ** len(self.names) <= most else draw_orders(self.names, most)
        drawn = {some for order in self.orders for some in steps_of(order)}
        self.exact = not self.orders or len(drawn) == 2 ** len(self.names)  # few players: the orders meet all subsets
        self.twin = Setting(nearest_power_of_two(alpha))
        # Where α is a power of two the same bits come out with everything co-scaled, and rounding is seen beside it.
        self.beside = Setting(alpha * Fraction(3, 4) if power_of_two(alpha) else alpha)
        self.rounded = (Setting(Fraction(1), None, ANEW), Setting(alpha, frozenset(), ANEW))
        self.notes = [] if self.exact else [say_drawn(len(self.names), len(self.orders), most, len(drawn))]
        self.notes += say_limits(laboratory.reference, self.names)
        self.identical = False

    def attribute(self, known: Attribution) -> Attribution:
        """Make the runs, the few that may settle it first."""
        runs, untouched = self.runs, self._setting(frozenset())
        runs.run({**dict.fromkeys((self.twin, self.beside, *self.rounded), "checks"), untouched: "made"})
        if failed := runs.failed():
            return self._finish(replace(known, reason=failed))
        self.identical = runs.identical(self.twin)
        known = replace(
            known,
            reference=runs.reference.value,
            multiplied=runs.found[untouched].value,
            co_scaled_identical=self.identical,
            exact=self.exact,
            runs=runs.made,
        )
        if runs.reference.diverged and runs.found[untouched].diverged:
            what = "the training diverges" if runs.outcome.own else f"{known.title} is not finite"
            reason = f"{what} with the multiplier and without it, so there is nothing to attribute"
            return self._finish(replace(known, reason=reason))
        if runs.identical(untouched):
            reason = "every weight has the same bits after every step, with the multiplier and without it"
            return self._finish(replace(known, verdict=UNCHANGED, total=0.0, reason=reason))
        runs.made["reused"] += self.identical
        wanted = [some for some in self._coalitions() if some and not self._is_reference(some)]
        runs.run({self._setting(some): "made" for some in wanted})
        if failed := runs.failed():
            return self._finish(replace(known, reason=failed))
        return self._finish(self._divide(known))

    def _coalitions(self) -> list[Coalition]:
        if self.exact:
            return coalitions_of(self.names)
        return list(dict.fromkeys(some for order in self.orders for some in steps_of(order)))

    def _setting(self, some: Coalition) -> Setting:
        return Setting(self.alpha, None if len(some) == len(self.names) else some)

    def _is_reference(self, some: Coalition) -> bool:
        """Whether it is the untouched training by the change of units, as the bits of the twin say."""
        return self.identical and len(some) == len(self.names)

    def _divide(self, known: Attribution) -> Attribution:
        """The parts, from the runs that were made."""
        cause = (ROUNDED, "") if self.identical else find_cause(self.runs, self.twin)
        game = self._game(forgiving=cause[0] in (ROUNDED, CONSTANT))
        total = game.total
        if not total:
            reason = f"{known.title} is the same to the last digit, though the weights are not"
            return replace(known, verdict=UNCHANGED, total=0.0, reason=reason)
        worth, rest = game.worth, game.remainder
        shares = contributions(self.names, worth) if self.exact else estimated_contributions(self.orders, worth)
        assert sum((one.value for one in shares.values()), rest) == total, "parts that do not add up"
        parts = describe_parts(self.players, shares, total, self.alpha, self._everything())
        if rest:
            parts.append(single_part(*cause, rest, total))
        elif game.forgiven and not self.identical:
            self.notes.append(f"of the whole a {cause[0]} is under 0.1 %, which lies within the parts: {cause[1]}")
        sufficient = self._sufficient(parts, worth, total) if not rest else ()
        parts.sort(key=lambda part: -abs(part.share))
        known = replace(
            known,
            verdict=ATTRIBUTED,
            outcome=DIVERGENCE if game.divergent else known.outcome,
            total=float(total),
            parts=tuple(settle_shares(parts)),
            sufficient=sufficient,
            interactions=self._interactions(worth, total),
            rounding_floor=None if game.divergent else self._floor(),
        )
        if known.rounding_floor is not None and abs(float(total)) <= known.rounding_floor:
            whole = Part(ROUNDED, 1.0, float(total))
            return replace(
                known, verdict=ROUNDING, parts=(whole,), raw_parts=known.parts, interactions=(), sufficient=()
            )
        return known

    def _game(self, forgiving: bool) -> Game:
        runs, everybody = self.runs, frozenset(self.names)
        end = self.beside if self.identical else self._setting(everybody)
        measured = [some for some in self._coalitions() if not some or some != everybody]
        found = {some: runs.found[self._setting(some)] for some in measured}
        game = Game(runs.reference, found, everybody, runs.found[end] if end.alpha == self.alpha else None, forgiving)
        if game.replaced:
            self.notes.append(
                f"of the runs in between {game.replaced} diverged; each counts as much as the finite run that is "
                "farthest from the untouched one"
            )
        return game

    def _sufficient(self, parts: Sequence[Part], worth: Worth, total: Fraction) -> tuple[str, ...]:
        """As few of the largest parts as can be: with the others co-scaled, nearly nothing of the change is gone."""
        ordered = sorted(parts, key=lambda part: -abs(part.share))
        for count in range(1, len(ordered)) if self.exact else ():
            others = frozenset(part.quantity for part in ordered[count:])
            if abs(worth(others)) <= abs(total) * ENOUGH:
                return tuple(part.name for part in ordered[:count])
        return tuple(part.name for part in ordered)

    def _interactions(self, worth: Worth, total: Fraction) -> tuple[Interaction, ...]:
        if not self.exact:
            return ()
        names = dict(zip(self.names, shown(self.names, self._everything()), strict=True))
        found = [
            Interaction((names[one], names[other]), float(value), float(value / total))
            for (one, other), value in interactions(self.names, worth).items()
            if abs(value) > NOTABLE * abs(total)
        ]
        return tuple(sorted(found, key=lambda one: -abs(one.share)))

    def _everything(self) -> list[Quantity]:
        """Every quantity there is, so that a name is short only where it is plain whose it is."""
        laboratory = self.runs.laboratory
        known = quantities(laboratory.reference, laboratory.laws, laboratory.companions())
        return [*known, *(player for player in self.players if player.key not in {one.key for one in known})]

    def _floor(self) -> float:
        found = self.runs.found
        like = [found[self.rounded[0]], *([found[self.beside]] if self.identical else [])]
        multiplied = (found[self._setting(frozenset())], found[self.rounded[1]])
        return find_floor(self.runs.reference, like, multiplied, self.runs.resolution)

    def _finish(self, known: Attribution) -> Attribution:
        failures = dict.fromkeys(one.failure for one in self.runs.found.values() if one.failure)
        told = [f"a run failed and counts as diverged: {failure}" for failure in failures]
        if self.runs.kept.discarded:
            told.append("the runs an earlier attempt had kept were of no use: the untouched training has changed")
        return replace(known, runs=dict(self.runs.made), notes=(*known.notes, *self.notes, *told))
