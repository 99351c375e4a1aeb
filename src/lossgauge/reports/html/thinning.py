"""Fewer points for a picture: long runs in buckets, many tensors by their extremes."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, takewhile
from typing import TypeVar

Item = TypeVar("Item")

MOST_POINTS = 300
MOST_TENSORS = 24
SHORTEST = 4
"""Parts of names are not cut further than this while others can be."""


def buckets(items: Sequence[Item], most: int = MOST_POINTS) -> list[Sequence[Item]]:
    """Neighbours put together.

    Args:
        items: In order.
        most: How many buckets there may be.

    Returns:
        Non-empty buckets of nearly equal size that hold every item once.
    """
    count = min(len(items), most)
    bounds = [round(index * len(items) / count) for index in range(count + 1)] if count else []
    return [items[start:stop] for start, stop in pairwise(bounds)]


def spread_evenly(items: Sequence[Item], most: int) -> list[Item]:
    """Some of many, the first and the last among them.

    Args:
        items: In order.
        most: How many to keep, at least 2.

    Returns:
        The kept ones, in order.
    """
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def choose_extremes(items: Iterable[Item], size: Callable[[Item], float], most: int = MOST_TENSORS) -> list[Item]:
    """Some of many that stand for all: the smallest, the largest, and evenly spread ranks between.

    Args:
        items: In their own order.
        size: What they are ranked by.
        most: How many to keep.

    Returns:
        The kept ones, in their own order.
    """
    listed = list(items)
    ranked = sorted(range(len(listed)), key=lambda index: size(listed[index]))
    return [listed[index] for index in sorted(spread_evenly(ranked, most))]


def finite(values: Iterable[float | None]) -> list[float]:
    """The numbers that can be drawn.

    Args:
        values: Any numbers.

    Returns:
        Those that are there and finite.
    """
    return [value for value in values if value is not None and math.isfinite(value)]


def shorten_name(name: str, most: int = 34) -> str:
    """A dotted name whose long parts lose their middles; numbers and both ends of every part tell tensors apart.

    Args:
        name: The name.
        most: How many characters it may have.

    Returns:
        The name, at most that long.
    """
    parts = name.split(".")
    sizes = [len(part) for part in parts]
    while sum(sizes) + len(parts) - 1 > most and max(sizes) > SHORTEST:
        sizes[sizes.index(max(sizes))] -= 1
    short = ".".join(_cut_middle(part, size) for part, size in zip(parts, sizes, strict=True))
    return _cut_middle(short, most)


def name_apart(names: Iterable[str], most: int = 34) -> list[str]:
    """Short names that still differ.

    Args:
        names: The names.
        most: How many characters each may have.

    Returns:
        A short name for each, without the folders that all of them lie in where there are too many characters; those
        that would be the same are numbered.
    """
    listed = list(names)
    common = _common_folder(listed) if max(map(len, listed), default=0) > most else ""
    seen: dict[str, int] = {}
    short: list[str] = []
    for name in listed:
        label = shorten_name(name.removeprefix(common), most)
        seen[label] = seen.get(label, 0) + 1
        short.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return short


def _cut_middle(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return text[: most - 1 - tail] + "…" + text[len(text) - tail :]


def _common_folder(names: Sequence[str]) -> str:
    """What all dotted names begin with, up to and with a dot."""
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)  # what the extremes share, all share
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    prefix = "".join(letter for letter, _ in same)
    return prefix[: prefix.rfind(".") + 1]
