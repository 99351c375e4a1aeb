"""Runs of one training in different settings, each measured once: side by side, and kept until all is done."""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction

from lossgauge.errors import ScriptError
from lossgauge.experiments.kept_runs import KeptRuns
from lossgauge.experiments.outcomes import Outcome
from lossgauge.experiments.twins import Laboratory
from lossgauge.laws.multiplier import spell
from lossgauge.records.injection import Injection
from lossgauge.records.run import Run
from lossgauge.records.treatment import Treatment
from lossgauge.trainings.batch import Plan, run_all
from lossgauge.trainings.recorder import Watch

Progress = Callable[[int, int, str], None]
"""Told how many runs are done, how many there are to be, and what the next one is."""


_OF_NUMBERS = re.compile(
    r"\bnan\b|\binf\b|infinit|finite|overflow|underflow|diverge|explod|singular|converge|ArithmeticError|FloatingPoint|"
    r"ZeroDivision",
    re.IGNORECASE,
)
"""Words and errors of numbers that left their range; of a run that failed nothing but its error is known."""


@dataclass(frozen=True)
class Setting:
    """What distinguishes one run from another.

    Args:
        alpha: The loss multiplier α.
        co_scaled: The quantities that are co-scaled; None for everything.
        treatment: What is done besides, in exact arithmetic without effect: `summation` rounds sums in another way,
            `scaler` multiplies gradients by α on their way and divides them where they end (α itself is then not laid
            over the training).
    """

    alpha: Fraction
    co_scaled: frozenset[str] | None = None
    treatment: str = ""

    @property
    def name(self) -> str:
        """A text that no other setting has."""
        some = "everything" if self.co_scaled is None else "+".join(sorted(self.co_scaled)) or "nothing"
        return " ".join(filter(None, (spell(self.alpha), some, self.treatment)))

    @property
    def comparable(self) -> bool:
        """Whether its bits say something: with nothing or with everything co-scaled."""
        return not self.co_scaled and self.treatment != "summation"


@dataclass(frozen=True)
class Measured:
    """What came of one run.

    Args:
        value: The outcome, in its own unit; NaN where the run failed.
        diverged: Whether it left the finite numbers, or failed.
        digest: A digest of the bits of all weights after every step, where they were looked at.
        failure: Why it failed; empty where it did not.
    """

    value: float
    diverged: bool = False
    digest: str = ""
    failure: str = ""


@dataclass
class Measurements:
    """Runs of one training, each setting at most once.

    Args:
        laboratory: The training, after its guard.
        outcome: What is measured.
        workers: How many scripts may run at once.
        limit: Seconds a script may take.
        kept: Where finished runs are kept.
        progress: Told how far it is.
        made: How many runs were made for each purpose.
        found: What came of them.
    """

    laboratory: Laboratory
    outcome: Outcome
    workers: int = 1
    limit: float | None = None
    kept: KeptRuns = field(default_factory=lambda: KeptRuns(None))
    progress: Progress = lambda done, total, what: None
    made: dict[str, int] = field(default_factory=lambda: {"made": 0, "reused": 0, "checks": 2, "kept": 0})
    found: dict[Setting, Measured] = field(default_factory=dict[Setting, Measured])

    def __post_init__(self) -> None:
        reference = self.laboratory.reference
        self.reference = self._measure(reference)
        self.resolution = self.outcome.resolution(reference, self.reference.value)
        self._kept = {name: Measured(**run) for name, run in self.kept.begin(self._identity()).items()}

    def run(self, wanted: dict[Setting, str]) -> None:
        """Make runs that have not been made yet.

        Args:
            wanted: Each setting, and the purpose it counts for: `made` or `checks`.
        """
        missing = [setting for setting in wanted if setting not in self.found]
        self.made["reused"] += len(wanted) - len(missing)
        for setting in [setting for setting in missing if setting.name in self._kept]:
            self.found[setting] = self._kept[setting.name]
            self.made["kept"] += 1
            missing.remove(setting)
        plans = [Plan(self._injection(setting), self._watch(setting)) for setting in missing]
        done = len(wanted) - len(missing)
        self.progress(done, len(wanted), _say(missing[:1]))
        for number, run in self._made(plans):
            setting, done = missing[number], done + 1
            self.found[setting] = self._conclude(setting, run)
            self.made[wanted[setting]] += 1
            self.kept.keep(setting.name, asdict(self.found[setting]))
            self.progress(done, len(wanted), _say([one for one in missing if one not in self.found]))

    def _made(self, plans: Sequence[Plan]) -> Iterator[tuple[int, Run | ScriptError]]:
        """The runs as they end; one that failed beside others is made again alone: these may have been in its way."""
        training, alone = self.laboratory.training, list[int]()
        for number, run in run_all(training, plans, self.workers, self.limit):
            if isinstance(run, ScriptError) and len(plans) > 1 and self.workers > 1 and not of_numbers(str(run)):
                alone.append(number)
            else:
                yield number, run
        for number in alone:
            for _, run in run_all(training, [plans[number]], 1, self.limit):
                yield number, run

    def failed(self) -> str:
        """Why the runs say nothing: one failed, and not because its numbers did.

        Returns:
            The setting and its error; empty where there is none.
        """
        for setting, one in self.found.items():
            if one.failure and not of_numbers(one.failure):
                return f"the run {_say([setting])} failed, as far as it says not because of its numbers: {one.failure}"
        return ""

    def identical(self, setting: Setting) -> bool:
        """Whether a run has the bits of the untouched one.

        Args:
            setting: Its setting.

        Returns:
            True where every weight is the same after every step.
        """
        return self.found[setting].digest == self.reference.digest

    def _injection(self, setting: Setting) -> Injection:
        if setting.treatment == "scaler":
            return Injection(treatments=(Treatment("scaler", factor=float(setting.alpha)),))
        treatments = (Treatment(setting.treatment),) if setting.treatment else ()
        injection = self.laboratory.injection(setting.alpha)
        return replace(injection, co_scaled=setting.co_scaled, treatments=treatments)

    def _watch(self, setting: Setting) -> Watch:
        return replace(self.outcome.watch, bits=setting.comparable)

    def _conclude(self, setting: Setting, run: Run | ScriptError) -> Measured:
        if isinstance(run, ScriptError):
            return Measured(math.nan, True, failure=str(run))
        if setting.treatment == "scaler":  # only its bits are asked for, and it may leave every step out
            return Measured(math.nan, not run.finite, digest_of(run))
        return self._measure(run)

    def _measure(self, run: Run) -> Measured:
        value = self.outcome.read(run, self.laboratory.reference)
        return Measured(value, self.outcome.diverged(run, value), digest_of(run))

    def _identity(self) -> str:
        """The untouched run, and the value read from it: an outcome may depend on more than the weights."""
        return f"{self.reference.digest} {self.reference.value!r}"


def of_numbers(failure: str) -> bool:
    """Whether an error speaks of numbers that left their range, as a divergence ends in.

    >>> of_numbers("ValueError: loss is nan"), of_numbers("FileExistsError: 'out'")
    (True, False)

    Args:
        failure: The error in one line.

    Returns:
        True where it does.
    """
    return bool(_OF_NUMBERS.search(failure))


def digest_of(run: Run) -> str:
    """A digest of the bits of all weights after every step.

    Args:
        run: The run; its bits were written down.

    Returns:
        Hexadecimal text, the same for runs whose weights were the same all the way.
    """
    whole = hashlib.blake2b(digest_size=16)
    for digests in (*(p.initial for p in run.participants), *((str(s.optimizer), *s.digests) for s in run.steps)):
        whole.update((" ".join(digests) + "\n").encode())
    return whole.hexdigest()


def _say(settings: Sequence[Setting]) -> str:
    """What the first of some runs is, for people."""
    if not settings:
        return ""
    setting = settings[0]
    at = f"at α = {spell(setting.alpha)}"
    if setting.treatment:
        return f"{at}, " + ("rounded in another way" if setting.treatment == "summation" else "in the backward only")
    if setting.co_scaled is None:
        return f"{at}, everything co-scaled"
    names = [name.rpartition(".")[2] for name in sorted(setting.co_scaled)]
    return f"{at}, co-scaled: {', '.join(names) or 'nothing'}"
