"""Treatment of an early stop that asks for more improvement than the loss can show."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lossgauge.frameworks.torch.injection.passages import Proceed, Start
from lossgauge.frameworks.torch.treatments.change import Change
from lossgauge.frameworks.torch.treatments.stop_deltas import DEPTH, StopDelta, stop_deltas
from lossgauge.records.treatment import Treatment

OFTEN = 50
"""At every so many backwards, the first among them, it is looked for as far down as it ever is."""


class StopImprovement(Change):
    """`stop-delta`: every `min_delta` in the code that calls `backward`, multiplied once, wherever and whenever met."""

    def __init__(self, treatment: Treatment) -> None:
        """Prepare.

        Args:
            treatment: The change.
        """
        super().__init__(treatment)
        self._given: dict[int, float] = {}
        self._lasting: list[StopDelta] = []
        self._looks = -1

    @contextmanager
    def laid(self) -> Iterator[None]:
        """Put the user's numbers back at the end; the variables of a function end with its call; see `Change`."""
        try:
            yield
        finally:
            for found in reversed(self._lasting):
                found.put(found.value)

    def start(self, start: Start, proceed: Proceed) -> Any:
        """Look for it and change it; see `Change`."""
        if not start.nested:
            self._looks += 1
            for found in stop_deltas(sys._getframe(1), 1 if self._looks % OFTEN else DEPTH):
                self._change(found)
        return proceed()

    def _change(self, found: StopDelta) -> None:
        """What still is as it was left is done; whatever else there is by now is the user's own."""
        if self._given.get(id(found.holder)) == found.value:
            return
        self._given[id(found.holder)] = given = self.treatment.changed(found.value)
        found.put(given)
        if not isinstance(found.holder, FrameType):
            self._lasting.append(found)
