"""What is laid over a training: the change of units, its observer, and the treatments, each in its place."""

from contextlib import AbstractContextManager

from lossgauge.frameworks.observer import Observer
from lossgauge.frameworks.torch.gauging.terms import split_terms
from lossgauge.frameworks.torch.injection.inject import inject
from lossgauge.frameworks.torch.treatments.treat import treat
from lossgauge.records.injection import Injection


def interpose(injection: Injection, observer: Observer) -> AbstractContextManager[None]:
    """Run what is inside with the injection and its treatments in force.

    Args:
        injection: The loss multiplier, the exponents, the treatments.
        observer: Told of what happens; thresholds and gradients are those of the treated training.

    Returns:
        The context in which they are.
    """
    return treat(injection.treatments, inject(injection, observer), split_terms)
