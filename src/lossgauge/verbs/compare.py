"""`compare`: how much of changing the loss function is a pure factor, and how much a change of direction?

α_eff = ⟨g_a, g_b⟩/⟨g_a, g_a⟩ is the factor that changing loss A into loss B amounts to, and cos² the share of ‖g_b‖² it
explains. The training with B starts with the factor taken out of the optimizer's settings, so that what differs is the
loss function's real effect. A loss is a function, `module:name`, or a name: `mse`, `mse-sum`, `mae`, `huber:delta=1`,
`smooth-l1:beta=1`, `cross-entropy`, `cross-entropy-sum`, `focal:gamma=2`, `label-smoothing:smoothing=0.1`,
`weighted-cross-entropy:weights=1,2,3`, `bce` (of logits).

>>> compare("mse", "huber:delta=100", steps=0).verdict
'pure factor'
>>> [round(compare("cross-entropy", f"focal:gamma={g}", steps=0).cos2, 2) for g in (0, 0.5, 1, 2, 5)]
[1.0, 1.0, 1.0, 0.98, 0.77]
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lossgauge.errors import InputError, LawError, LossgaugeError
from lossgauge.experiments.comparison import choose_factor, find_reduction, judge_relation, round_factor
from lossgauge.laws.companions import COMPANIONS
from lossgauge.laws.settings import flatten
from lossgauge.records.alignment import Point
from lossgauge.records.comparison import Comparison, Compensation, Course, Relation
from lossgauge.verbs.explain import explain
from lossgauge.verbs.rescale import rescale

if TYPE_CHECKING:
    from lossgauge.frameworks.torch.comparison.bench import Bench

EXACT = (Relation.IDENTICAL, Relation.PURE, Relation.PER_BATCH)
"""Relations in which a batch has an exact factor, of which more digits mean something."""
GROWN = 1000
"""A loss that ends so many times as large as it began is no training."""
MOVED = 1.1
"""A factor that has grown or shrunk by less than this over the training is taken out once."""


def compare(
    loss_a: Any,
    loss_b: Any,
    model: Any = None,
    batches: Any = None,
    *,
    optimizer: Any = "adam",
    settings: Mapping[str, Any] | None = None,
    steps: int = 200,
    most_batches: int = 32,
    notify: Callable[[str], None] | None = None,
) -> Comparison:
    """Compare the gradients of two losses, at the weights as they are and along a training with each.

    Everything is done on copies: the model, the optimizer and all random numbers stay as they are.

    Args:
        loss_a: A function (output, target) → scalar, `module:name` of one, or a name such as `mse`.
        loss_b: The loss it is changed into, such as `focal:gamma=2`.
        model: A `torch.nn.Module`, a function that makes one, or `module:name` of either; without it a small network
            of our own is used.
        batches: An iterable of (input, target), a function that makes one, or `module:name` of either.
        optimizer: A name, `module:Class`, a function of the weights, or a live optimizer of the model.
        settings: Values by name in place of a named optimizer's defaults; those of clipping are converted too.
        steps: Steps of each training, a count; 0 only looks at the weights as they are.
        most_batches: How many batches to use at most, a count.
        notify: Told what is under way.

    Returns:
        The comparison.

    Raises:
        InputError: When something cannot be used.
    """
    for name, count, least in (("steps", steps, 0), ("most_batches", most_batches, 1)):
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise InputError(f"{name} is {count!r}, expected a whole number of at least {least}")
    mechanics, courses = _load_mechanics()
    bench = mechanics.prepare(loss_a, loss_b, model, batches, most_batches)
    return _conclude(_Trial(bench, courses, optimizer, dict(settings or {}), steps, notify or (lambda text: None)))


def _conclude(trial: "_Trial") -> Comparison:
    """Measure, train, judge."""
    trial.check()
    bench, start = trial.bench, trial.measure_start()
    relation, _ = judge_relation([start], bench.tolerance)
    factor = round_factor(choose_factor(start, relation), relation in EXACT)
    found = trial.train(start, factor) if trial.steps and relation is not Relation.UNDECIDED else ()
    relation, share = judge_relation([start, *(p for c in found for p in c.points[1:])], bench.tolerance)
    last = found[0].points[-1] if found and found[0].diverged is None else start
    compensations = trial.compensate(relation, factor, last)
    reduction = find_reduction(start, bench.sizes, relation, bench.tolerance)
    return Comparison(
        loss_a=bench.pair.first.name,
        loss_b=bench.pair.second.name,
        relation=relation,
        share=share,
        start=start,
        courses=found,
        compensations=compensations,
        sizes=bench.sizes,
        tolerance=bench.tolerance,
        used={**bench.used, "optimizer": trial.title, "steps": trial.steps if found else 0},
        notes=(*filter(None, [reduction]), *bench.notes, *_say_undefined(start), *trial.notes),
    )


@dataclass
class _Trial:
    """The optimizer of one comparison, and what is found out with it."""

    bench: "Bench"
    courses: Any
    optimizer: Any
    given: dict[str, Any]
    steps: int
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        own = {name: value for name, value in self.given.items() if name not in COMPANIONS}
        self.own = flatten(own) if isinstance(self.optimizer, str) else own
        beside = [name for name in self.given if name not in own]
        if beside:
            self.notes.append(f"{', '.join(beside)} is converted, but not used in the trainings here")

    def check(self) -> None:
        """Refuse an optimizer that cannot be used before anything takes its time."""
        if isinstance(self.optimizer, str):
            explain(self.optimizer, 1, settings=self.given)
        _, self.live = self.courses.build(self.bench, self.optimizer, self.own)
        self.title = type(self.live).__name__

    def measure_start(self) -> Point:
        """Both gradients at the weights as they are."""
        self.tell("measuring the gradients at the start")
        from lossgauge.frameworks.torch.comparison.gradients import measure

        return measure(self.bench.pair, self.bench.model, 0, detailed=True)

    def train(self, start: Point, factor: Fraction | None) -> tuple[Course, ...]:
        """A training with each loss; the factor is taken out for the second where that is possible."""
        found: list[Course] = []
        for along in ("a", "b"):
            model, live = self.courses.build(self.bench, self.optimizer, self.own)
            alpha = self._take_out(live, factor) if along == "b" and factor is not None else Fraction(1)
            points, diverged = self.courses.follow(self.bench, model, live, along, self.steps, self.tell)
            if diverged is not None:
                name = (self.bench.pair.first if along == "a" else self.bench.pair.second).name
                self.notes.append(f"the training with {name} diverged in step {diverged}; choose a smaller lr")
            elif points:
                self._look_for_growth(start, points[-1], along)
            found.append(Course(along, (start, *points), alpha, diverged))
        return tuple(found)

    def _look_for_growth(self, start: Point, end: Point, along: str) -> None:
        """Say that a training did not train at all, since what is measured along it then means nothing."""
        before, after = (start.value_a, end.value_a) if along == "a" else (start.value_b, end.value_b)
        if 0 < GROWN * before < after:
            name = (self.bench.pair.first if along == "a" else self.bench.pair.second).name
            self.notes.append(
                f"the training with {name} does not train: its loss went from {before:.3g} to {after:.3g} in "
                f"{end.step} steps; choose a smaller lr"
            )

    def compensate(self, relation: Relation, factor: Fraction | None, last: Point) -> tuple[Compensation, ...]:
        """The settings for the factor at the start, and for that after training where it has moved."""
        factors = {0: factor}
        later = round_factor(choose_factor(last, relation), relation in EXACT)
        if factor is not None and later is not None and not 1 / MOVED < float(later / factor) < MOVED:
            factors[last.step] = later
        made = [self._convert(step, alpha) for step, alpha in factors.items() if alpha is not None]
        return tuple(compensation for compensation in made if compensation is not None)

    def _take_out(self, live: Any, factor: Fraction) -> Fraction:
        try:
            rescale(live, factor)
        except LossgaugeError as error:
            reason = "no settings take the factor out" if isinstance(error, LawError) else str(error)
            self.notes.append(f"both trainings use the same settings, for {reason}")
            return Fraction(1)
        return factor

    def _convert(self, step: int, alpha: Fraction) -> Compensation | None:
        try:
            if isinstance(self.optimizer, str):
                said = explain(self.optimizer, alpha, settings=self.given)
            else:
                said = explain(self.live, alpha)
        except LossgaugeError as error:
            self.notes.append(f"no settings were found for the factor: {error}")
            return None
        return Compensation(
            step=step,
            alpha=alpha,
            optimizer=said.optimizer.rpartition(":")[2],
            verdict=str(said.verdict),
            settings=said.settings,
            exponents=said.exponents,
            equivalent=said.equivalent,
            advice=said.advice[0],
            states=self._states(alpha),
        )

    def _states(self, alpha: Fraction) -> dict[str, Fraction]:
        """What a live optimizer holds in units of the loss, found out on another copy of it."""
        if isinstance(self.optimizer, str):
            return {}
        _, live = self.courses.build(self.bench, self.optimizer, self.own)
        try:
            changes = rescale(live, alpha).changes
        except LossgaugeError:  # no settings take the factor out, which is said already
            return {}
        return {change.name: change.exponent for change in changes if change.tensors}


def _load_mechanics() -> tuple[Any, Any]:
    try:
        from lossgauge.frameworks.torch.comparison import bench, courses
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise InputError("compare differentiates with torch, and torch is not installed: pip install torch") from None
    return bench, courses


def _say_undefined(start: Point) -> list[str]:
    """What is missing in some batches, or everywhere."""
    total, notes = start.total, list[str]()
    broken = [batch.name for batch in start.batches if not batch.finite]
    if broken:
        few = ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
        notes.append(f"a gradient is not finite in {few}, which {'is' if len(broken) == 1 else 'are'} left out")
    if len(broken) < len(start.batches):
        zero = [name for name, square in (("first", total.aa), ("second", total.bb)) if square == 0]
        if zero:
            notes.append(
                f"the gradient of the {' and of the '.join(zero)} loss is 0 in every batch, so no factor exists"
            )
        elif total.ab < 0:
            notes.append("the second loss points the other way: what one lowers the other raises")
    return notes
