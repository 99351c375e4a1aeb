"""Writing down every step of a training, and ending the training where there is nothing more to learn."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossgauge.errors import LossgaugeError
from lossgauge.frameworks.observer import Observer, Stop
from lossgauge.laws.law import Law
from lossgauge.records.run import Divergence, Participant, Run, Step
from lossgauge.trainings.loss_series import LossSeries
from lossgauge.trainings.returned import numbers_in

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
        bits: Whether the bits of all weights are written down after every step.
        losses: Whether the losses are written down.
        weights: Whether the weights before the first and after the last step are kept.
        output: Whether what the training prints is kept.
    """

    reference: Run | None = None
    capture: tuple[int, int] | None = None
    bits: bool = True
    losses: bool = False
    weights: bool = False
    output: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as handed to a child process.

        Returns:
            A JSON-ready dictionary.
        """
        return {**vars(self), "reference": self.reference and self.reference.to_dict()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Watch":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The same requests.
        """
        reference, capture = plain["reference"], plain["capture"]
        known = {
            "reference": Run.from_dict(reference) if reference else None,
            "capture": (capture[0], capture[1]) if capture else None,
        }
        return cls(**{**plain, **known})


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
        self._starts: list[bytes] = []
        self._losses = LossSeries() if watch.losses else None

    def backward(self, roots: Sequence[Any] = (), gradients: Sequence[Any] = ()) -> None:
        """A backward is about to start.

        Args:
            roots: The tensors it starts from.
            gradients: The gradients handed to them.
        """
        self.run.backwards += 1
        if self._losses is not None:
            self._losses.backward(roots, gradients)

    def scaled(self, scaler: Any, outcome: Any) -> None:
        """A loss was multiplied by mixed precision's scale.

        Args:
            scaler: The scaler.
            outcome: Not looked at.
        """
        if self.run.scale is None:
            self.run.scale = float(scaler.get_scale())
        if self._losses is not None:
            self._losses.scaled(scaler)

    def skipped(self, scaler: Any, optimizer: Any) -> None:
        """The scaler left a step out.

        Args:
            scaler: Not looked at.
            optimizer: Not looked at.
        """
        if self._losses is not None:
            self._losses.step()

    def before_step(self, index: int, optimizer: "OptimizerView", closure: bool) -> None:
        """An optimizer is about to make a step.

        Args:
            index: Not looked at.
            optimizer: Not looked at.
            closure: Whether it computes its gradients itself.
        """
        if self._losses is not None:
            self._losses.before_step(closure)

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
        from lossgauge.frameworks.torch.treatments.stop_deltas import find_stop_deltas

        self._views.append(optimizer)
        self.run.stop_deltas.update(find_stop_deltas(sys._getframe(1)))
        digests = optimizer.digests() if self.watch.bits else ()
        resumed = optimizer.remembers()
        self.run.participants.append(Participant(optimizer.target, optimizer.settings(), digests, resumed=resumed))
        if self.watch.weights:
            self._starts.append(optimizer.numbers())
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
        if self._losses is not None:
            self._losses.step()
        if not self.watch.bits:
            self.run.steps.append(Step(index, ()))
            return
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
        self._complete(found)
        for index, (participant, view) in enumerate(zip(self.run.participants, self._views, strict=True)):
            participant.names = view.names(known, index)
            participant.later = view.settings()
            participant.formats = view.formats()
            self.run.hooked = self.run.hooked or next((participant.names[place] for place in view.hooked()), "")
            if law_of is not None and not self.stopped:
                try:
                    participant.law = law_of(view.optimizer)
                except LossgaugeError as error:
                    participant.obstacle = str(error)
        return self.run

    def _complete(self, found: object) -> None:
        """What is known only at the end."""
        from lossgauge.frameworks.torch.machine import accelerator_in_use

        run = self.run
        run.losses = self._losses.read() if self._losses is not None else []
        run.finite = all(view.finite() for view in self._views)
        run.returned = numbers_in(found)
        run.accelerator = accelerator_in_use()
        if self.watch.weights:
            run.weights = (b"".join(self._starts), b"".join(view.numbers() for view in self._views))

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
