"""Finding the law that applies: from the table where it is known, else by discovery, once per class and structure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lossgauge.laws.law import Law
from lossgauge.laws.table import find_row, row_of


def law_of_name(name: str, settings: Mapping[str, Any] | None = None) -> Law:
    """The law of a named optimizer, clip function or schedule.

    Args:
        name: `adam`, `torch.optim:Adam`, or `module:Class` for one that is not in the table.
        settings: Values by name; flags choose the structure.

    Returns:
        The law.

    Raises:
        InputError: When nothing is called so, or it cannot be built.
    """
    row = find_row(name)
    if row is not None:
        return row.law_for(settings or {})
    if ":" not in name:
        row_of(name)  # raises, with the nearest name
    return _discovered(name, _structure(settings or {}))


def law_of_optimizer(optimizer: Any) -> Law:
    """The law of a live optimizer, in the structure of its first parameter group.

    Args:
        optimizer: The optimizer; wrappers that keep it as `.optimizer` are looked through.

    Returns:
        The law.

    Raises:
        InputError: When its class cannot be studied.
    """
    from lossgauge.frameworks.registry import target_of

    inner = unwrapped(optimizer)
    target = target_of(inner)
    settings = {n: v for n, v in inner.param_groups[0].items() if n != "params"}
    row = find_row(target)
    return row.law_for(settings) if row is not None else _discovered_class(type(inner), _structure(settings))


def unwrapped(optimizer: Any) -> Any:
    """The optimizer inside wrappers such as Accelerate's.

    Args:
        optimizer: The object the user holds.

    Returns:
        The innermost object with parameter groups.
    """
    inner = optimizer
    while hasattr(inner, "optimizer") and hasattr(inner.optimizer, "param_groups"):
        inner = inner.optimizer
    return inner


def _structure(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What a law may depend on: flags and texts, and numbers (the exponents of Padam depend on its `partial`)."""
    # A zero is left out: a rate that warms up from 0 would freeze the optimizer under study.
    fixed = {n: _hashable(v) for n, v in settings.items() if isinstance(v, (bool, str, int, float, tuple, list)) and v}
    flags = {n: v for n, v in settings.items() if isinstance(v, bool)}
    return tuple(sorted((fixed | flags).items()))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=64)
def _discovered(name: str, structure: tuple[tuple[str, Any], ...]) -> Law:
    from lossgauge.discovery.discover import discover
    from lossgauge.frameworks.registry import subject_named

    subject = subject_named(name)
    return discover(subject, _accepted(subject, structure)).law


@lru_cache(maxsize=64)
def _discovered_class(cls: type, structure: tuple[tuple[str, Any], ...]) -> Law:
    from lossgauge.discovery.discover import discover
    from lossgauge.frameworks.registry import subject_of

    subject = subject_of(cls)
    return discover(subject, _accepted(subject, structure)).law


def _accepted(subject: Any, structure: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    known = subject.hyperparameters()
    return {n: v for n, v in structure if n in known or f"{n}[0]" in known}
