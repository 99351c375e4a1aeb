"""Parts of a whole over time, stacked as blocks that last from one sampled step to the next."""

from collections.abc import Mapping, Sequence
from typing import Any

Course = Sequence[tuple[int, Mapping[str, float]]]
"""(step, name → part), oldest first."""


def last_until(steps: Sequence[int], last: int) -> list[int]:
    """How far what was seen at a step is drawn: to the next sample, and behind the last one as far as before it.

    Args:
        steps: The sampled steps, in order.
        last: The last step of the training.

    Returns:
        For each step where its block ends, at least one step further.
    """
    if not steps:
        return []
    before = steps[-1] - steps[-2] if len(steps) > 1 else last
    return [*steps[1:], max(min(last, steps[-1] + before), steps[-1] + 1)]


def order_parts(course: Course, most: int, negligible: float = 1e-3) -> list[str]:
    """The names whose parts can be seen.

    Args:
        course: The parts over time.
        most: How many names to keep.
        negligible: Parts that are never larger than this are left out.

    Returns:
        The names, the one with the largest part first.
    """
    size: dict[str, float] = {}
    for _, parts in course:
        for name, part in parts.items():
            size[name] = max(size.get(name, 0.0), abs(part))
    return sorted((name for name in size if size[name] > negligible), key=lambda name: -size[name])[:most]


def stack_parts(course: Course, names: Sequence[str], last: int) -> list[dict[str, Any]]:
    """The blocks.

    Args:
        course: The parts over time.
        names: Which to stack, from the axis outwards.
        last: The last step of the training.

    Returns:
        Rows with `step`, `end`, `name`, `share`, `foot` and `top`; negative parts are stacked downwards.
    """
    blocks: list[dict[str, Any]] = []
    for (step, parts), end in zip(course, last_until([step for step, _ in course], last), strict=True):
        tops = {True: 0.0, False: 0.0}
        for name in names:
            share = parts.get(name, 0.0)
            foot = tops[share >= 0]
            tops[share >= 0] = top = foot + share
            if share:
                blocks.append({"step": step, "end": end, "name": name, "share": share, "foot": foot, "top": top})
    return blocks
