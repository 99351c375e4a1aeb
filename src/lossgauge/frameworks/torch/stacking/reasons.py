"""Why settings do not go the fastest way: what is tried of one alone, and what is said of it."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from lossgauge.frameworks.torch.stacking.layout import Layout
from lossgauge.frameworks.torch.stacking.precisions import weight_format
from lossgauge.frameworks.torch.stacking.recording import record
from lossgauge.frameworks.torch.stacking.serial import build_optimizer
from lossgauge.records.sweep import Outcome, Setting

LONGEST = 160
"""Characters of what torch says that are kept."""
_PLAIN = {
    "called random operation": "it draws random numbers",
    "data-dependent control flow": "its code branches on the numbers of a tensor",
    "tracing tensor": "its code branches on the numbers of a tensor",
}
"""What torch's longest messages mean."""


def is_refused(setting: Setting, layout: Layout) -> bool:
    """Whether even one step of this setting alone cannot be recorded.

    Args:
        setting: The optimizer and its hyperparameters.
        layout: Where the weights lie in a row.

    Returns:
        True where recording it fails in any way.
    """
    try:
        record([setting], layout.width, 1, weight_format(setting.precision))
    except Exception:  # whatever the code of an optimizer raises
        return True
    return False


def is_built(setting: Setting, layout: Layout, dtype: torch.dtype) -> bool:
    """Whether the optimizer accepts these hyperparameters and weights of these shapes.

    Args:
        setting: The optimizer and its hyperparameters.
        layout: The shapes of the weights.
        dtype: Their number format.

    Returns:
        True where it can be built.
    """
    try:
        build_optimizer(setting, [torch.nn.Parameter(torch.zeros(p.shape, dtype=dtype)) for p in layout.places])
    except Exception:  # whatever the code of an optimizer raises
        return False
    return True


def say_refusal(refusal: str) -> str:
    """Why a model cannot go some way, for people.

    Args:
        refusal: What was raised: the class of the error, a colon and its text.

    Returns:
        One line; it begins with `the model` unless it is the machine that lacks something.
    """
    if refusal.startswith("NoCompiler: "):
        return refusal.removeprefix("NoCompiler: ")
    meant = next((plain for said, plain in _PLAIN.items() if said in refusal), None)
    text = meant or refusal.removeprefix("Untranslatable: ")
    lines = text.splitlines() or [""]
    return f"the model: {lines[0] if len(lines[0]) <= LONGEST else lines[0][: LONGEST - 1] + '…'}"


def explained(outcomes: Sequence[Outcome], why: str) -> list[Outcome]:
    """Say of trainings why they did not go a faster way.

    Args:
        outcomes: Of the trainings.
        why: One line; empty where there is nothing to say.

    Returns:
        The same; those that failed, or say why already, keep their own words.
    """
    return [outcome if outcome.message or not why else replace(outcome, message=why) for outcome in outcomes]
