"""The records of a sweep: what is trained, with which settings, and what came of each."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

from lossgauge.errors import InputError
from lossgauge.records.plain import from_plain, to_plain

PRECISIONS = ("float64", "float32", "bfloat16", "float16")
"""The number formats of a sweep: the first two throughout, the others as autocast over float32 weights."""
Value = float | int | bool | str | tuple[float, ...] | None
"""What a hyperparameter may be."""
FINISHED, DIVERGED, FAILED = "finished", "diverged", "failed"
"""What may come of a training."""


@lru_cache(maxsize=64)
def _marks(steps: int, count: int) -> tuple[int, ...]:
    """At most so many steps, evenly spaced in log(step); every outcome asks for them."""
    spaced = (round(steps ** (index / (count - 1))) for index in range(count))
    return tuple(sorted({min(max(step, 1), steps) for step in spaced}))


@dataclass(frozen=True)
class Workload:
    """What is trained; the same for all settings of a sweep.

    Args:
        model: `module:name` of a factory without arguments that returns an `nn.Module`, or a built-in name. It is
            called after the generator was seeded with the setting's seed.
        loss: `module:name` of a function (output, target) → scalar, or a built-in name (`mse`, `cross-entropy`).
        data: `module:name` of a function without arguments that returns the (input, target) batches of one epoch, or a
            built-in name. Epochs follow one another until `steps` is reached.
        steps: Optimizer steps of each training.
        points: How many values of the loss each curve holds at most, at steps spaced evenly in log(step).
    """

    model: str
    loss: str
    data: str
    steps: int
    points: int = 50

    def marks(self) -> tuple[int, ...]:
        """The steps at which curves have a value.

        Returns:
            Steps counted from 1, ascending; the last one is `steps`.
        """
        return _marks(self.steps, max(2, self.points))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON.

        Returns:
            A dictionary.
        """
        return {"model": self.model, "loss": self.loss, "data": self.data, "steps": self.steps, "points": self.points}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Workload":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The workload.
        """
        return from_plain(cls, plain)


@dataclass(frozen=True)
class Setting:
    """One training of a sweep.

    Args:
        optimizer: `module:Class`.
        hyperparameters: What its constructor is given, in its own units.
        alpha: The loss multiplier α.
        seed: Seeds the generator before the model is made.
        precision: One of `PRECISIONS`.
    """

    optimizer: str
    hyperparameters: Mapping[str, Value] = field(default_factory=dict[str, Value])
    alpha: Fraction = Fraction(1)
    seed: int = 0
    precision: str = "float32"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON.

        Returns:
            A dictionary; α as text such as `1/4`.
        """
        return {
            "optimizer": self.optimizer,
            "hyperparameters": to_plain(self.hyperparameters),
            "alpha": str(self.alpha),
            "seed": self.seed,
            "precision": self.precision,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Setting":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The setting.

        Raises:
            InputError: When the data are of another shape.
        """
        try:
            return cls(
                optimizer=str(plain["optimizer"]),
                hyperparameters={str(h): _read_value(value) for h, value in plain["hyperparameters"].items()},
                alpha=Fraction(plain["alpha"]),
                seed=int(plain["seed"]),
                precision=str(plain["precision"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"this is no setting of a sweep: {error!r}; expected what lossgauge itself wrote"
            raise InputError(message) from error


def _read_value(plain: Any) -> Value:
    """A hyperparameter; JSON has lists where the constructor wants tuples."""
    return tuple(cast("Sequence[float]", plain)) if isinstance(plain, (list, tuple)) else plain


@dataclass(frozen=True)
class Outcome:
    """What came of one training.

    Args:
        status: `finished`; `diverged` where a loss or a weight was not finite; `failed` where it could not be run.
        final_loss: The mean loss of the last twentieth of the steps, per unit of loss (α divided out).
        diverged_at: The first step, from 1, whose loss or weights were not finite; None where all were.
        curve: The loss per unit of loss at `Workload.marks`, as far as it came.
        digest: A digest of the bytes of the final weights; empty where there are none.
        engine: What ran it: `compiled`, `stacked`, `serial` or `cuda`.
        message: Why it failed, or why it did not go a faster way, in one line.
    """

    status: str
    final_loss: float
    diverged_at: int | None = None
    curve: tuple[float, ...] = ()
    digest: str = ""
    engine: str = ""
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON.

        Returns:
            A dictionary; numbers that are not finite as text.
        """
        return to_plain(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Outcome":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The outcome.
        """
        return from_plain(cls, plain)


@dataclass(frozen=True)
class Plan:
    """All trainings of a sweep.

    Args:
        workload: What is trained.
        settings: With which settings; no two are equal.
        labels: What the optimizer of each setting is called in this plan, in the order of `settings`.
        axes: The values tried of α and of every hyperparameter that varies, by name, over all optimizers.
        notes: What whoever wrote the plan should know, such as a hyperparameter that an optimizer does not have.
    """

    workload: Workload
    settings: tuple[Setting, ...]
    labels: tuple[str, ...]
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    notes: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """What tells this plan from any other: a digest of the workload and of all settings in order.

        Returns:
            Sixty-four hexadecimal digits.
        """
        settings = [[label, setting.to_dict()] for label, setting in zip(self.labels, self.settings, strict=True)]
        text = json.dumps([self.workload.to_dict(), settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class SweepRow:
    """One setting of a sweep and what came of it.

    Args:
        number: Its place in the plan, from 0.
        label: What its optimizer is called in the plan.
        setting: The setting.
        outcome: What came of it; None where it has not been run yet.
        reused: `bits` where another setting was run in its place that gives the same weights bit for bit, `rounding`
            where only rounding differs, empty where it was run itself.
        run: The number of the setting that was run.
        key: Its dimensionless groups; equal ones train the same.
    """

    number: int
    label: str
    setting: Setting
    outcome: Outcome | None
    reused: str
    run: int
    key: str = ""
