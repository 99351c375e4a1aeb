"""The door between the rooms above and the frameworks: loads a framework only when something of it is asked for."""

import importlib.util
from typing import Any

from lossgauge.errors import InputError
from lossgauge.frameworks.subject import Subject


def subject_named(target: str) -> Subject:
    """The subject a person named.

    Args:
        target: `adam`, `torch.optim:Adam`, `package.module:Class`, `file.py:factory`.

    Returns:
        The subject.

    Raises:
        InputError: When no framework is installed or there is no such thing.
    """
    _require_torch()
    from lossgauge.frameworks.torch import catalogue

    return catalogue.find(target)


def subject_of(value: Any) -> Subject:
    """A class or factory as a subject.

    Args:
        value: The class or factory.

    Returns:
        The subject.

    Raises:
        InputError: When no framework is installed or `value` is not callable.
    """
    _require_torch()
    from lossgauge.frameworks.torch import catalogue

    return catalogue.subject_of(value)


def subject_on(target: str, carrier: str) -> Subject:
    """A schedule mounted on another optimizer.

    Args:
        target: The schedule, `module:name`.
        carrier: The name of the optimizer that carries it.

    Returns:
        The subject.
    """
    from lossgauge.frameworks.torch import catalogue

    return catalogue.schedule_on(target, carrier)


def known_targets() -> dict[str, str]:
    """Everything of the installed frameworks that has a law.

    Returns:
        Target `module:name` → `optimizer`, `clip` or `schedule`.
    """
    _require_torch()
    from lossgauge.frameworks.torch import catalogue

    return {target: catalogue.kind_of(target) for target in catalogue.known_targets()}


def target_of(optimizer: Any) -> str:
    """The name of a live optimizer's class.

    Args:
        optimizer: The optimizer.

    Returns:
        `module:Class`; torch's own are `torch.optim:Class`.
    """
    from lossgauge.frameworks.torch import catalogue

    return catalogue.canonical_target(type(optimizer))


def installed_versions() -> dict[str, str]:
    """The versions of the installed frameworks, without build tags.

    Returns:
        Name → version.
    """
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str] = {}
    for name in ("torch",):
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
    return found


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise InputError("torch is not installed; install it with: pip install 'lossgauge[torch]'")
