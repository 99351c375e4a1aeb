"""A session: everything the gauge saw of one training. Plain data; everything above reads it and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgauge.laws.law import Law
from lossgauge.records.histogram import Histogram
from lossgauge.records.loss_reading import LossReading

SCHEMA = "lossgauge.session/1"


@dataclass(frozen=True)
class Tensor:
    """One observed weight tensor.

    Args:
        name: Its name in the model, or `optimizer0.group0.param3`.
        shape: Its shape.
        format: Its number format: `float32`, `bfloat16`, …
        optimizer: The number of the optimizer that holds it.
        group: The number of its parameter group.
        elements: How many elements it has.
        observed: How many of them the histograms are made of; norms are always of the whole tensor.
    """

    name: str
    shape: tuple[int, ...]
    format: str
    optimizer: int
    group: int
    elements: int
    observed: int


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Args:
        target: Its class, `module:Class`.
        settings: The numbers it is set to before its first step, one dictionary per group, tuples entry by entry.
        flags: Its flags and texts (`amsgrad`, `fused`, `line_search_fn`), of the first group.
        tensors: How many tensors it holds, observed or not.
        elements: How many elements they have.
        law: Its law, where it is known.
        obstacle: Why there is no law, where the look-up failed.
        state_formats: The number formats of its state tensors, by state name.
        untried: Why its steps could not be made on copies, so that there is no elasticity; empty where they could.
    """

    target: str
    settings: tuple[dict[str, float], ...]
    flags: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tensors: int = 0
    elements: int = 0
    law: Law | None = None
    obstacle: str = ""
    state_formats: Mapping[str, str] = field(default_factory=dict[str, str])
    untried: str = ""

    @property
    def title(self) -> str:
        """The short name of its class."""
        return self.target.rpartition(":")[2] or self.target


@dataclass(frozen=True)
class Clip:
    """One call of a clip function.

    Args:
        name: `max_norm` for global-norm clipping, `clip_value` for value clipping.
        threshold: The user's threshold, in L/W.
        norm: The norm before clipping, in L/W (for value clipping the largest |g|); None where it was not taken.
        stage: `unscaled`, or `scaled` where the gradients still carry mixed precision's scale.
        norm_type: The order of the norm.
    """

    name: str
    threshold: float
    norm: float | None = None
    stage: str = "unscaled"
    norm_type: float = 2.0


@dataclass(frozen=True)
class Step:
    """What every optimizer step leaves behind, sampled or not.

    Args:
        number: The step, from 1, over all optimizers.
        optimizer: The optimizer's number.
        losses: The losses of the backwards since the step before, in the user's own units; of more than 32 the
            first and last 16.
        backwards: How many backwards there were.
        clip: What a clip function met, if one was called.
        scale: Mixed precision's scale, where it is in use.
        skipped: Whether the scaler left the step out because of a gradient that is not finite.
        stale: Whether the gradients of the step before were still there at every backward of this one (None where it
            was not looked at).
    """

    number: int
    optimizer: int = 0
    losses: tuple[float, ...] = ()
    backwards: int = 1
    clip: Clip | None = None
    scale: float | None = None
    skipped: bool = False
    stale: bool | None = None

    @property
    def loss(self) -> float | None:
        """The mean of the step's losses; for a closure the loss it began with is the first of `losses`."""
        return sum(self.losses) / len(self.losses) if self.losses else None


@dataclass(frozen=True)
class TensorSample:
    """One tensor at one sampled step. The gradient is the one the optimizer used: unscaled and clipped.

    Args:
        tensor: Its number.
        weight_norm: ‖w‖ before the step, in W.
        gradient_norm: ‖g‖ in L/W; None where it had no gradient.
        update_norm: ‖Δw‖ in W.
        gradient: |g|, in L/W.
        denominator: √v̂, the root of the second moment as the step uses it (bias correction included), in L/W; None
            for optimizers without one.
        update: |Δw|, in W.
        signal: ‖m̂‖/‖√v̂‖, how much of the gradients agrees from step to step (about √((1−β)/(1+β)) for pure noise);
            None without moments.
        dominated: The share of elements with √v̂ ≤ ε, each weighted equally.
        unsquared: The share of elements with g ≠ 0 whose second moment is 0 or its format's smallest number (g²
            underflowed).
        lost: The share of elements whose intended update is not zero but was rounded away (below half an ulp of w).
        elasticity: Settled elasticity ∂log‖Δw‖/∂log α of this tensor's step.
        carriers: Its parts by hyperparameter: E_α = −Σ k_h·E_h; they add up to `elasticity`.
        instant: Instant elasticity: the states held fixed.
        estimated: The carriers whose part, and `elasticity` with it, rests on an estimate of what a state holds
            (coupled L2 within the moments); all else is exact.
    """

    tensor: int
    weight_norm: float = 0.0
    gradient_norm: float | None = None
    update_norm: float | None = None
    gradient: Histogram | None = None
    denominator: Histogram | None = None
    update: Histogram | None = None
    signal: float | None = None
    dominated: float | None = None
    unsquared: float | None = None
    lost: float | None = None
    elasticity: float | None = None
    carriers: Mapping[str, float] = field(default_factory=dict[str, float])
    instant: float | None = None
    estimated: tuple[str, ...] = ()

    @property
    def relative_update(self) -> float | None:
        """‖Δw‖/‖w‖, dimensionless; None where either is unknown or the weights are all zero."""
        return self.update_norm / self.weight_norm if self.update_norm is not None and self.weight_norm else None


@dataclass(frozen=True)
class Sample:
    """One optimizer at one sampled step.

    Args:
        number: The step, from 1, over all optimizers.
        optimizer: The optimizer's number.
        own: The step by this optimizer's own count.
        settings: The numbers of each group at this step (schedules move them), tuples entry by entry.
        tensors: The observed tensors.
        seconds: What taking the sample cost.
        stage: Of the gradients in it: `applied`, as the optimizer used them, unscaled and clipped.
    """

    number: int
    optimizer: int
    own: int
    settings: tuple[dict[str, float], ...] = ()
    tensors: tuple[TensorSample, ...] = ()
    seconds: float = 0.0
    stage: str = "applied"


@dataclass(frozen=True)
class Event:
    """Something that happened once.

    Args:
        kind: `non-finite` (weights or loss), `plateau` (a schedule cut the learning rate), `line-search` (how an L-BFGS
            step ended), `stop-delta` (an early stop of the caller's was found), `limit` (something was not observed,
            and why), `process` (the training left this process).
        number: The step it happened at, from 1; 0 before the first.
        text: One line for people.
        data: Its numbers.
    """

    kind: str
    number: int
    text: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Ending:
    """How the training ended.

    Args:
        reason: `finished`, `failed`, `interrupted`, `killed` (the process is gone), or `stopped` (by us, as asked).
        detail: The error in one line, the exit code, the signal.
        steps: Optimizer steps in all.
        backwards: Backwards that were seen; while the gauge rests only steps are counted.
        seconds: Wall seconds from the first backward to the end.
        observed_seconds: What observing cost of that.
    """

    reason: str
    detail: str = ""
    steps: int = 0
    backwards: int = 0
    seconds: float = 0.0
    observed_seconds: float = 0.0


@dataclass(frozen=True)
class Trial:
    """A treatment that was tried in a run of its own.

    Args:
        code: The rule that asked for it.
        treatment: The change, as `Treatment.summary` gives it.
        measure: What was compared: `loss` (training loss per unit of loss), the highest loss of a fifth of the run, the
            median |output − target|, `term 1` (one summand of the loss), or the evidence lower bound.
        before: Its value at the end of the untouched run, in the user's own units.
        after: Its value at the same step of the treated run.
        start: Its value at the start.
        helped: Whether training got clearly better.
        steps: How many steps were compared.
        note: What else there is to say (it diverged, it could not be carried out, and why).
        curve: (step, untouched, treated), thinned for drawing.
        conclusive: Whether it says anything: not where it could not be carried out, nor where luck may be all it was.
    """

    code: str
    treatment: Mapping[str, Any]
    measure: str = "loss"
    before: float | None = None
    after: float | None = None
    start: float | None = None
    helped: bool = False
    steps: int = 0
    note: str = ""
    curve: tuple[tuple[float, float, float], ...] = ()
    conclusive: bool = True


@dataclass
class Session:
    """Everything the gauge saw of one training.

    Args:
        script: The script, or what `watch` was given a name for.
        args: Its arguments.
        versions: Python, torch and lossgauge.
        optimizers: In the order of first steps.
        tensors: The observed tensors.
        steps: The optimizer steps of which something was noted: all at the beginning, some later on.
        samples: The sampled steps.
        readings: What the autograd graph said, at sampled backwards.
        events: What happened once.
        trials: The treatments that were tried.
        ending: How it ended; None where the record breaks off.
    """

    script: str = ""
    args: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict[str, str])
    optimizers: list[Optimizer] = field(default_factory=list[Optimizer])
    tensors: list[Tensor] = field(default_factory=list[Tensor])
    steps: list[Step] = field(default_factory=list[Step])
    samples: list[Sample] = field(default_factory=list[Sample])
    readings: list[LossReading] = field(default_factory=list[LossReading])
    events: list[Event] = field(default_factory=list[Event])
    trials: list[Trial] = field(default_factory=list[Trial])
    ending: Ending | None = None

    @property
    def made(self) -> int:
        """How many optimizer steps were made, as far as is known."""
        noted = self.steps[-1].number if self.steps else 0
        return max(noted, self.ending.steps) if self.ending else noted
