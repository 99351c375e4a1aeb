"""Recognising the `state_dict`s of optimizers, schedulers and scalers, which do not say what they are."""

from typing import Any


def is_optimizer_state(value: Any) -> bool:
    """Whether something looks like what an optimizer's `state_dict()` returns.

    Args:
        value: Anything.

    Returns:
        True for a dict with a dict `state` and a list `param_groups`, not empty, of dicts with `params`.
    """
    if not isinstance(value, dict) or not isinstance(value.get("state"), dict):
        return False
    groups = value.get("param_groups")
    return (
        isinstance(groups, list)
        and bool(groups)
        and all(isinstance(group, dict) and "params" in group for group in groups)
    )


def is_schedule_state(value: Any) -> bool:
    """Whether something looks like what a scheduler's `state_dict()` returns.

    Args:
        value: Anything.

    Returns:
        True for a dict with `_last_lr` and `last_epoch`, or with the `_schedulers` of a chain.
    """
    return isinstance(value, dict) and ({"_last_lr", "last_epoch"} <= value.keys() or "_schedulers" in value)


def is_scaler_state(value: Any) -> bool:
    """Whether something looks like what a GradScaler's `state_dict()` returns.

    Args:
        value: Anything.

    Returns:
        True for a dict with `scale`, `growth_factor` and `backoff_factor`.
    """
    return isinstance(value, dict) and {"scale", "growth_factor", "backoff_factor"} <= value.keys()
