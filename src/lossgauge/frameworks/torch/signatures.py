"""The settings of an optimizer, read off the signature of its class or factory."""

import inspect
from collections.abc import Callable
from typing import Any

from lossgauge.errors import InputError
from lossgauge.frameworks.subject import Hyperparameter, Settings


def nested(settings: Settings) -> dict[str, Any]:
    """Settings with `eps[0]`, `eps[1]` gathered into tuples.

    Args:
        settings: Flat or whole values by name.

    Returns:
        Constructor arguments.
    """
    arguments: dict[str, Any] = {}
    entries: dict[str, dict[int, Any]] = {}
    for name, value in settings.items():
        base, bracket, index = name.partition("[")
        if bracket:
            entries.setdefault(base, {})[int(index.rstrip("]"))] = value
        else:
            arguments[name] = value
    for base, parts in entries.items():
        arguments[base] = tuple(parts[i] for i in sorted(parts))
    return arguments


def flat(settings: Settings) -> dict[str, Any]:
    """Settings with tuples taken apart into `eps[0]`, `eps[1]`.

    Args:
        settings: Flat or whole values by name.

    Returns:
        Values entry by entry.
    """
    parts: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, (tuple, list)):
            parts.update({f"{name}[{i}]": entry for i, entry in enumerate(value)})
        else:
            parts[name] = value
    return parts


def read_signature(target: str, factory: Callable[..., Any]) -> dict[str, Hyperparameter]:
    """The settings of an optimizer class or factory.

    Args:
        target: Its name, for messages.
        factory: The class or function; its first argument is the parameters.

    Returns:
        Name → hyperparameter, tuples entry by entry, in the order of the signature.

    Raises:
        InputError: When the signature cannot be read or takes no parameters.
    """
    try:
        parameters = list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):
        raise InputError(f"{target} has no readable signature; give a Python class or a factory function") from None
    if not parameters or parameters[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
        raise InputError(f"{target} takes no parameters to train as its first argument, so it is not an optimizer")
    found: dict[str, Hyperparameter] = {}
    for parameter in parameters[1:]:
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        annotation = str(parameter.annotation) if parameter.annotation is not inspect.Parameter.empty else ""
        default = parameter.default
        if isinstance(default, (tuple, list)):
            for i, entry in enumerate(default):
                name = f"{parameter.name}[{i}]"
                found[name] = Hyperparameter(name, entry, _kind(entry, annotation))
        else:
            required = default is inspect.Parameter.empty
            found[parameter.name] = Hyperparameter(
                parameter.name, None if required else default, "required" if required else _kind(default, annotation)
            )
    return found


def _kind(default: Any, annotation: str) -> str:
    if isinstance(default, bool):
        return "flag"
    if isinstance(default, float):
        return "number"
    if isinstance(default, int):
        return "number" if not annotation or "float" in annotation else "count"
    if default is None and "float" in annotation and "Callable" not in annotation:
        return "number"
    return "flag" if "bool" in annotation else "count" if default is None and "int" in annotation else "choice"
