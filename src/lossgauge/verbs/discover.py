"""`discover`: what is the law of this optimizer, which I have never seen?"""

from collections.abc import Mapping
from typing import Any

from lossgauge.errors import InputError
from lossgauge.records.discovery import Discovery


def discover(optimizer: Any, settings: Mapping[str, Any] | None = None) -> Discovery:
    """Find the exponents of every hyperparameter and state tensor in units of the loss, three independent ways.

    If every hyperparameter h becomes α^(k_h)·h when the loss L becomes αL, training is the same; k_h is found by
    running the optimizer's own code with units, by numerical slopes, and by bits at α = 2^±m.

    Args:
        optimizer: A name (`adam`, `torch.optim:Adam`, `package.module:Class`, `file.py:factory`), a class, or a factory
            that takes the parameters first.
        settings: What to fix: flags, texts and zeros fix the structure; other numbers are starting points and are moved
            where they would leave no trace.

    Returns:
        The law with its evidence.

    Raises:
        InputError: When nothing is called so, a required argument is missing, or the settings are refused.
        ObservationError: When it moves nothing or cannot be run.
    """
    from lossgauge.discovery.discover import discover as find_law
    from lossgauge.frameworks.registry import subject_named, subject_of

    if hasattr(optimizer, "param_groups") and not isinstance(optimizer, type):
        raise InputError(
            f"discover was given a live {type(optimizer).__name__}; give its class, and its flags as settings, "
            "or ask explain, which takes live optimizers"
        )
    subject = subject_named(optimizer) if isinstance(optimizer, str) else subject_of(optimizer)
    return find_law(subject, settings)
