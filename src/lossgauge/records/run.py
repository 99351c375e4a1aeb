"""The record of one run of a training: the bits of every weight after every optimizer step, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lossgauge.laws.law import Law


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    Args:
        optimizer: The optimizer's number, in the order of first steps, from 0.
        digests: A digest of the bytes of each of its weight tensors after the step.
        finite: Whether all of them are finite numbers.
    """

    optimizer: int
    digests: tuple[str, ...]
    finite: bool = True


@dataclass
class Participant:
    """One optimizer that took part.

    Args:
        target: Its name, `module:Class`.
        settings: The settings of each group, before its first step.
        initial: The digests of its weight tensors before its first step.
        names: The name of each weight tensor.
        law: Its law, where it was looked up.
        obstacle: Why there is no law, where the look-up failed; otherwise empty.
        later: The settings of each group at the end of the run.
        resumed: Whether it remembered something before its first step: a checkpoint was loaded.
        formats: The number formats of its weights.
    """

    target: str
    settings: list[dict[str, Any]]
    initial: tuple[str, ...]
    names: tuple[str, ...] = ()
    law: Law | None = None
    obstacle: str = ""
    later: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    resumed: bool = False
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bits:
    """The bytes of one tensor.

    Args:
        format: The number format: `float32`, `bfloat16`, …
        content: The bytes, in the order of memory.
    """

    format: str
    content: bytes


@dataclass(frozen=True)
class Divergence:
    """Where a run first left the run it was compared with.

    Args:
        step: The optimizer step, counted from 1; 0 is before the first one.
        optimizer: The optimizer's number; -1 where the runs differ in the number or order of steps.
        tensor: The tensor's number within the optimizer.
        bits: The tensor's bytes, where there is one.
    """

    step: int
    optimizer: int = -1
    tensor: int = -1
    bits: Bits | None = None


@dataclass
class Run:
    """Everything one run left behind.

    Args:
        steps: Every optimizer step, in order.
        participants: The optimizers, in the order of first steps.
        thresholds: Quantities beside the optimizers (`max_norm`, …) that were used, with their first value.
        backwards: How often `backward` was started.
        divergence: Where it first left the run it was compared with.
        captured: The bytes of the tensor that was asked for.
        losses: For every step with a loss of its own the mean of the losses of its backwards (for a closure the first
            one), in the user's own units; where they were asked for.
        scale: Mixed precision's scale at its first use; None without one.
        finite: Whether all weights were finite at the end.
        weights: All weights before the first and after the last step as float64 bytes, where they were asked for; they
            do not become plain data.
        returned: The number the training returned, under an empty name, or the numbers of a mapping by their names.
        output: What it printed, where that was kept.
        accelerator: Whether it used an accelerator.
        stop_deltas: The smallest improvements, in units of the loss, that early stops in the user's code ask for, by
            their places: `train.py:42 (stopper.min_delta)`.
        hooked: A weight tensor with hooks of the user's on its gradient; empty where there is none.
    """

    steps: list[Step] = field(default_factory=list[Step])
    participants: list[Participant] = field(default_factory=list[Participant])
    thresholds: dict[str, float] = field(default_factory=dict[str, float])
    backwards: int = 0
    divergence: Divergence | None = None
    captured: Bits | None = None
    losses: list[float] = field(default_factory=list[float])
    scale: float | None = None
    finite: bool = True
    weights: tuple[bytes, bytes] | None = None
    returned: dict[str, float] = field(default_factory=dict[str, float])
    output: str = ""
    accelerator: bool = False
    stop_deltas: dict[str, float] = field(default_factory=dict[str, float])
    hooked: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as handed back by a child process.

        Returns:
            A JSON-ready dictionary; bytes as hexadecimal text.
        """
        gone = self.divergence
        return {
            "steps": [[step.optimizer, list(step.digests), step.finite] for step in self.steps],
            "participants": [{**vars(p), "law": p.law.to_dict() if p.law else None} for p in self.participants],
            "thresholds": self.thresholds,
            "backwards": self.backwards,
            "divergence": gone and [gone.step, gone.optimizer, gone.tensor, _bits_to_text(gone.bits)],
            "captured": _bits_to_text(self.captured),
            "losses": self.losses,
            "scale": self.scale,
            "finite": self.finite,
            "returned": self.returned,
            "output": self.output,
            "accelerator": self.accelerator,
            "stop_deltas": self.stop_deltas,
            "hooked": self.hooked,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Run":
        """Read what `to_dict` writes.

        Args:
            plain: The dictionary.

        Returns:
            The run.
        """
        gone = plain["divergence"]
        return cls(
            steps=[Step(index, tuple(digests), finite) for index, digests, finite in plain["steps"]],
            participants=[_participant(entry) for entry in plain["participants"]],
            thresholds=dict(plain["thresholds"]),
            backwards=plain["backwards"],
            divergence=Divergence(gone[0], gone[1], gone[2], _bits_from_text(gone[3])) if gone else None,
            captured=_bits_from_text(plain["captured"]),
            losses=list(plain["losses"]),
            scale=plain["scale"],
            finite=plain["finite"],
            returned=dict(plain["returned"]),
            output=plain["output"],
            accelerator=plain["accelerator"],
            stop_deltas=dict(plain["stop_deltas"]),
            hooked=plain["hooked"],
        )


def _participant(plain: Mapping[str, Any]) -> Participant:
    return Participant(
        target=plain["target"],
        settings=plain["settings"],
        initial=tuple(plain["initial"]),
        names=tuple(plain["names"]),
        law=Law.from_dict(plain["law"]) if plain["law"] else None,
        obstacle=plain["obstacle"],
        later=plain["later"],
        resumed=plain["resumed"],
        formats=tuple(plain["formats"]),
    )


def _bits_to_text(bits: Bits | None) -> list[str] | None:
    return None if bits is None else [bits.format, bits.content.hex()]


def _bits_from_text(plain: list[str] | None) -> Bits | None:
    return None if plain is None else Bits(plain[0], bytes.fromhex(plain[1]))
