"""Laying treatments over a training that knows nothing of them.

As with an injection, everything is put in place where torch itself passes, and taken back on the way out.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from lossgauge.errors import InputError
from lossgauge.frameworks.torch.injection.passages import clips_through, starts_through
from lossgauge.frameworks.torch.injection.step_passage import steps_through
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.frameworks.torch.treatments.clips import AddedClip, ExactClip, Threshold, UnscaledClip
from lossgauge.frameworks.torch.treatments.gradients import GradOutput, ZeroGrad
from lossgauge.frameworks.torch.treatments.held import HeldParameters
from lossgauge.frameworks.torch.treatments.losses import Knee, OneTerm, SplitTerms, WholeLoss
from lossgauge.frameworks.torch.treatments.masters import MasterWeights
from lossgauge.frameworks.torch.treatments.scaler import Scaler, Summation
from lossgauge.frameworks.torch.treatments.settings import PlateauMode, Setting
from lossgauge.frameworks.torch.treatments.stops import StopImprovement
from lossgauge.records.treatment import Treatment

CHANGES: dict[str, tuple[type[Change], tuple[str, ...]]] = {
    "zero-grad": (ZeroGrad, ()),
    "held-parameters": (HeldParameters, ()),
    "grad-output": (GradOutput, ("name",)),
    "stop-delta": (StopImprovement, ("factor or value",)),
    "plateau-mode": (PlateauMode, ("choice",)),
    "knee": (Knee, ("factor or value",)),
    "scaler": (Scaler, ("factor",)),
    "summation": (Summation, ()),
    "unscaled-clip": (UnscaledClip, ()),
    "threshold": (Threshold, ("factor or value",)),
    "added-clip": (AddedClip, ("value",)),
    "exact-clip": (ExactClip, ()),
    "setting": (Setting, ("name", "factor or value")),
    "master-weights": (MasterWeights, ("choice",)),
    "loss": (WholeLoss, ("factor",)),
    "term": (OneTerm, ("index", "factor")),
}
"""By kind, what carries it out and which fields it needs. The outermost comes first: tensors join before anything is
done to gradients, and gradients are clipped once it is known that they are finite."""
CHOICES = {"plateau-mode": ("rel", "abs"), "master-weights": ("float32", "float64")}
PASSAGES: dict[str, Callable[[Any], AbstractContextManager[None]]] = {
    "start": starts_through,
    "step": steps_through,
    "clip": clips_through,
}
"""By the name of a method of `Change`, what lets everything of that sort pass through a function."""


@contextmanager
def treat(
    treatments: Sequence[Treatment],
    observed: AbstractContextManager[Any] | None = None,
    split_terms: SplitTerms | None = None,
) -> Iterator[None]:
    """Run what is inside with the treatments carried out.

    Args:
        treatments: The changes.
        observed: An injection with its observer, entered here so that it comes to lie at the right place: it is told
            of the thresholds and gradients of the treated training, but of the losses in the user's own units.
        split_terms: Finds the summands of a loss; needed where one of them is treated.

    Yields:
        Nothing.

    Raises:
        InputError: When a treatment is unknown or incomplete.
    """
    order = list(CHANGES)
    changes = [_change(treatment, split_terms) for treatment in treatments]
    changes.sort(key=lambda change: -order.index(change.treatment.kind))  # what is laid last is the outermost
    with ExitStack() as stack:
        _lay(stack, changes, inner=True)
        stack.enter_context(observed or nullcontext())
        _lay(stack, changes, inner=False)
        yield


def _lay(stack: ExitStack, changes: Sequence[Change], inner: bool) -> None:
    for change in changes:
        if ("laid" in change.inner) == inner:
            stack.enter_context(change.laid())
        for place, through in PASSAGES.items():
            concerned = getattr(type(change), place) is not getattr(Change, place)
            if concerned and (place in change.inner) == inner:
                stack.enter_context(through(getattr(change, place)))


def _change(treatment: Treatment, split_terms: SplitTerms | None) -> Change:
    if treatment.kind not in CHANGES:
        raise InputError(f"there is no treatment {treatment.kind!r}, expected one of {', '.join(CHANGES)}")
    kind, needed = CHANGES[treatment.kind]
    for field in needed:
        if all(getattr(treatment, name) in (None, "") for name in field.split(" or ")):
            raise InputError(f"the treatment {treatment.kind!r} is given without {field}, which it needs")
    choices = CHOICES.get(treatment.kind, (treatment.choice,))
    if treatment.choice not in choices:
        raise InputError(
            f"the choice of the treatment {treatment.kind!r} is {treatment.choice!r}, expected {' or '.join(choices)}"
        )
    if treatment.kind in ("loss", "scaler") and not (treatment.factor and math.isfinite(treatment.factor)):
        given = f"the factor of the treatment {treatment.kind!r} is {treatment.factor}"
        raise InputError(f"{given}, expected a finite number other than 0")
    if kind is not OneTerm:
        return kind(treatment)
    if split_terms is None:
        raise InputError("the treatment 'term' needs to be told how a loss is split into its terms")
    return OneTerm(treatment, split_terms)
