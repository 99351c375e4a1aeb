"""What a treatment does at the places a training passes."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lossgauge.frameworks.torch.injection.passages import Clipping, Proceed, Start, Stepping
from lossgauge.records.treatment import Treatment

Places = frozenset[str]
"""Names of methods of `Change`."""


class Change:
    """One treatment at work. As it is here it changes nothing; each kind overrides what it needs.

    Attributes:
        inner: The places at which it stands between the observer and torch: there the observer is told of what the
            user's own code does, everywhere else of what it does once treated.
    """

    inner: Places = frozenset()

    def __init__(self, treatment: Treatment) -> None:
        """Prepare; nothing is touched yet.

        Args:
            treatment: The change.
        """
        self.treatment = treatment

    @property
    def factor(self) -> float:
        """The factor of the treatment, 1 where it has none."""
        return 1.0 if self.treatment.factor is None else self.treatment.factor

    def concerns(self, index: int) -> bool:
        """Whether an optimizer is treated.

        Args:
            index: Its number in the order of first steps.

        Returns:
            True for the optimizer the treatment names, and for all where it names none.
        """
        return self.treatment.optimizer in (None, index)

    def named(self, name: str) -> bool:
        """Whether a number of that name is treated.

        Args:
            name: `max_norm`, `delta`, …

        Returns:
            True for the name the treatment gives, and for all where it gives none.
        """
        return self.treatment.name in ("", name)

    def laid(self) -> AbstractContextManager[Any]:
        """What is replaced for as long as the treatment lasts.

        Returns:
            The context in which it is.
        """
        return nullcontext()

    def start(self, start: Start, proceed: Proceed) -> Any:
        """A backward starts.

        Args:
            start: The backward.
            proceed: Runs it.

        Returns:
            What it returned.
        """
        return proceed()

    def step(self, stepping: Stepping, proceed: Proceed) -> Any:
        """An optimizer makes a step.

        Args:
            stepping: The step.
            proceed: Makes it.

        Returns:
            What it returned; None for a step that is left out.
        """
        return proceed()

    def clip(self, clipping: Clipping, proceed: Proceed) -> Any:
        """A clip function is called.

        Args:
            clipping: The call.
            proceed: Carries it out.

        Returns:
            What it returned.
        """
        return proceed()
