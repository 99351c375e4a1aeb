"""Where functions of our own stand in the place of torch's, and step aside while whoever watches rests.

A function that only lets everything pass still costs several microseconds a step, for torch has driven it out of the
nearest caches by the time it is called: more than 1 % of a step of a millisecond. One that is not there costs nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CellType
from typing import Any

from lossgauge.frameworks.observer import Rest


class Place:
    """An attribute, or a variable that a function encloses, with a function of ours in it."""

    def __init__(self, owner: Any, name: str, make: Callable[[Any], Any], rest: Rest) -> None:
        """Stand there from now on; see `standing`."""
        self.owner, self.name, self.rest = owner, name, rest
        self.theirs = owner.cell_contents if isinstance(owner, CellType) else vars(owner)[name]
        self.ours = make(self.theirs)
        setattr(owner, name, self.ours)

    def exchange(self, one: Any, other: Any) -> None:
        """Put one function where the other is; what anybody else has put there stays."""
        if getattr(self.owner, self.name) is one:
            setattr(self.owner, self.name, other)


_taken: list[Place] = []


@contextmanager
def standing(owner: Any, name: str, make: Callable[[Any], Any], rest: Rest) -> Iterator[None]:
    """Stand in a function's place until the end of the block, but for the time that `stand_aside` is in force.

    Args:
        owner: A module or class that has the attribute itself, or the cell of an enclosed variable.
        name: The attribute; `cell_contents` for a cell.
        make: From the function found there what is to stand in its place.
        rest: Whose rest it is during which it need not.

    Yields:
        Nothing.
    """
    for one in {id(one): one for one in (rest, *(place.rest for place in _taken))}.values():
        return_to_places(one)  # who comes second must find the first, not what the first left in its place
    place = Place(owner, name, make, rest)
    _taken.append(place)
    try:
        yield
    finally:
        _taken.remove(place)
        setattr(owner, name, place.theirs)


def stand_aside(rest: Rest) -> bool:
    """Give all places back to torch, if nobody else stands anywhere.

    Args:
        rest: Whose places.

    Returns:
        Whether they are given back.
    """
    if any(place.rest is not rest for place in _taken):
        return False
    for place in _taken:
        place.exchange(place.ours, place.theirs)
    rest.aside = True
    return True


def return_to_places(rest: Rest) -> None:
    """End the rest and take the places again.

    Args:
        rest: Whose places.
    """
    rest.aside, rest.steps = False, 0
    for place in _taken:
        if place.rest is rest:
            place.exchange(place.theirs, place.ours)
