"""Writing down every step of a training, and ending the training where there is nothing more to learn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossgauge.errors import LossgaugeError
from lossgauge.frameworks.observer import Observer, Stop
from lossgauge.laws.law import Law
from lossgauge.records.run import Divergence, Participant, Run, Step

if TYPE_CHECKING:
    from lossgauge.frameworks.torch.injection.bits import OptimizerView

__all__ = ["LawOf", "Recorder", "Stop", "Watch"]

LawOf = Callable[[Any], Law]
"""Finds the law of a live optimizer."""


@dataclass(frozen=True)
class Watch:
    """What to look out for.

    Args:
        reference: A run to compare with; the training ends at the first difference.
        capture: A step, from 1, and the number of a tensor in it: its bytes are kept, and the training ends.
    """

    reference: Run | None = None
    capture: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as handed to a child process.

        Returns:
            A JSON-ready dictionary.
        """
        return {"reference": self.reference and self.reference.to_dict(), "capture": self.capture}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Watch":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The same requests.
        """
        reference, capture = plain["reference"], plain["capture"]
        return cls(Run.from_dict(reference) if reference else None, (capture[0], capture[1]) if capture else None)


class Recorder(Observer):
    """Told of everything that happens in one run."""

    def __init__(self, watch: Watch) -> None:
        """Start with an empty record.

        Args:
            watch: What to look out for.
        """
        self.watch = watch
        self.run = Run()
        self.stopped = False
        self._views: list[OptimizerView] = []

    def backward(self, roots: Sequence[Any] = (), gradients: Sequence[Any] = ()) -> None:
        """A backward is about to start.

        Args:
            roots: Not looked at.
            gradients: Not looked at.
        """
        self.run.backwards += 1

    def threshold(self, name: str, value: float) -> None:
        """A quantity beside the optimizers is used.

        Args:
            name: Its name.
            value: The user's own value, in its own units.
        """
        self.run.thresholds.setdefault(name, value)

    def enter(self, index: int, optimizer: "OptimizerView") -> None:
        """An optimizer is about to make its first step.

        Args:
            index: Its number.
            optimizer: The live optimizer.
        """
        self._views.append(optimizer)
        digests = optimizer.digests()
        self.run.participants.append(Participant(optimizer.target, optimizer.settings(), digests))
        if self.watch.reference is None:
            return
        known = self.watch.reference.participants
        self._compare(index, digests, known[index].initial if index < len(known) else (), optimizer)

    def step(self, index: int, optimizer: "OptimizerView") -> None:
        """An optimizer has made a step.

        Args:
            index: Its number.
            optimizer: The live optimizer.

        Raises:
            Stop: When the training is of no further use.
        """
        if self.stopped:  # someone swallowed the first one
            raise Stop
        digests = optimizer.digests()
        self.run.steps.append(Step(index, digests, optimizer.finite()))
        number = len(self.run.steps)
        if self.watch.capture and self.watch.capture[0] == number:
            self.run.captured = optimizer.bits(self.watch.capture[1])
            self._stop()
        if self.watch.reference is not None:
            known = self.watch.reference.steps
            same = number <= len(known) and known[number - 1].optimizer == index
            self._compare(index, digests, known[number - 1].digests if same else (), optimizer)

    def finish(self, found: object, law_of: LawOf | None) -> Run:
        """Complete the record once the training has ended.

        Args:
            found: What the training returned, or the names its script left behind: models in it name the tensors.
            law_of: Finds the law of each optimizer; None where laws are not asked for.

        Returns:
            The record.
        """
        from lossgauge.frameworks.torch.injection.bits import names_in

        known = names_in(found)
        reference = self.watch.reference
        if reference is not None and not self.stopped and len(self.run.steps) < len(reference.steps):
            self.run.divergence = Divergence(len(self.run.steps) + 1)
        for index, (participant, view) in enumerate(zip(self.run.participants, self._views, strict=True)):
            participant.names = view.names(known, index)
            if law_of is not None and not self.stopped:
                try:
                    participant.law = law_of(view.optimizer)
                except LossgaugeError as error:
                    participant.obstacle = str(error)
        return self.run

    def _compare(self, index: int, ours: tuple[str, ...], theirs: tuple[str, ...], optimizer: "OptimizerView") -> None:
        if ours == theirs:
            return
        number = len(self.run.steps)
        if len(ours) != len(theirs):
            self.run.divergence = Divergence(number)
        else:
            tensor = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
            self.run.divergence = Divergence(number, index, tensor, optimizer.bits(tensor))
        self._stop()

    def _stop(self) -> None:
        self.stopped = True
        raise Stop
