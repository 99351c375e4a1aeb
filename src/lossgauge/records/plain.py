"""Records as plain data and back: dataclasses to dictionaries that JSON can hold, and dictionaries to dataclasses."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from lossgauge.errors import InputError
from lossgauge.laws.law import Law

Record = TypeVar("Record")


def to_plain(value: Any) -> Any:
    """A record as JSON can hold it.

    Args:
        value: A dataclass, a law, or containers of them.

    Returns:
        Dictionaries, lists, texts and numbers; fields at their default are left out, numbers that are not finite are
        written as text (`nan`, `inf`, `-inf`), since JSON has none.
    """
    if isinstance(value, Law):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: to_plain(getattr(value, f.name)) for f in fields(value) if getattr(value, f.name) != _default(f)
        }
    if isinstance(value, Mapping):
        return {str(name): to_plain(item) for name, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def from_plain(kind: type[Record], plain: Any) -> Record:
    """Read what `to_plain` writes.

    Args:
        kind: The dataclass expected.
        plain: The dictionary.

    Returns:
        The record; fields nobody knows any more are ignored.

    Raises:
        InputError: When the data are of another shape.
    """
    try:
        return cast("Record", _read(kind, plain))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"this is no {kind.__name__} record: {error!r}; expected what lossgauge itself wrote"
        ) from error


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, plain: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _read_union(get_args(kind), plain)
    if origin in (list, tuple, set, frozenset):
        inside = get_args(kind)[0] if get_args(kind) else Any
        return cast("type[Any]", origin)(_read(inside, item) for item in plain)
    if origin in (dict, Mapping) or (origin is not None and issubclass(origin, Mapping)):
        inside = get_args(kind)[1]
        return {name: _read(inside, item) for name, item in plain.items()}
    if kind is Law:
        return Law.from_dict(plain)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _read(hints[name], item) for name, item in plain.items() if name in hints})
    return float(plain) if kind is float else plain


def _read_union(kinds: tuple[Any, ...], plain: Any) -> Any:
    if plain is None and NoneType in kinds:
        return None
    records = [k for k in kinds if is_dataclass(k) or get_origin(k) is not None]
    if records:
        return _read(records[0], plain)
    if isinstance(plain, str) and float in kinds and str not in kinds:
        return float(plain)
    return plain
