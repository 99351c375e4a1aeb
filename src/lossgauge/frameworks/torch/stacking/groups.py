"""Which settings can be stacked together: those whose training runs through the same code."""

from collections.abc import Callable, Sequence
from typing import Any

from lossgauge.records.sweep import Outcome, Setting

Key = tuple[Any, ...]


def key_of(setting: Setting) -> Key:
    """What settings of one group have in common.

    Args:
        setting: A setting.

    Returns:
        Optimizer, precision, and the hyperparameters: of a floating-point one only whether it is zero, since zero
        switches terms off; α and the seed are free.
    """
    return (
        setting.optimizer,
        setting.precision,
        *((name, _shape(value)) for name, value in sorted(setting.hyperparameters.items())),
    )


def parts_of(settings: Sequence[Setting], numbers: bool) -> list[list[int]]:
    """Divide a group for optimizers whose code takes other hyperparameters as they are.

    Args:
        settings: Of one group.
        numbers: Whether single floating-point hyperparameters may differ within a part; tuples of them may not.

    Returns:
        The places of each part's settings.
    """
    found: dict[Key, list[int]] = {}
    for place, setting in enumerate(settings):
        values = sorted(setting.hyperparameters.items())
        fixed = tuple((name, repr(value)) for name, value in values if not (numbers and isinstance(value, float)))
        found.setdefault(fixed, []).append(place)
    return list(found.values())


def grouped(settings: Sequence[Setting]) -> list[list[int]]:
    """Sort settings into groups.

    Args:
        settings: Any mix.

    Returns:
        The places of each group's settings.
    """
    found: dict[Key, list[int]] = {}
    for place, setting in enumerate(settings):
        found.setdefault(key_of(setting), []).append(place)
    return list(found.values())


def trained_apart(
    settings: Sequence[Setting], parts: Sequence[Sequence[int]], train: Callable[[list[Setting]], list[Outcome]]
) -> list[Outcome]:
    """Train parts of the settings one after the other.

    Args:
        settings: All of them.
        parts: The places of each part's settings; together every place once.
        train: Trains the settings of one part.

    Returns:
        The outcomes in the order of the settings.
    """
    outcomes: dict[int, Outcome] = {}
    for places in parts:
        outcomes |= zip(places, train([settings[place] for place in places]), strict=True)
    return [outcomes[place] for place in range(len(settings))]


def _shape(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(_shape(entry) for entry in value)
    if isinstance(value, float):
        return "zero" if value == 0 else "number"
    return type(value).__name__, value
