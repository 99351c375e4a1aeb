"""What a run under the gauge is asked for, and how it went."""

from dataclasses import dataclass, field
from pathlib import Path

from lossgauge.records.injection import Injection
from lossgauge.trainings.recorder import LawOf


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Args:
        journal: The file the session is written to.
        injection: What is laid over the training: nothing, for one that is only observed.
        stop_after: Optimizer steps after which the training is ended; None lets it come to its own end.
        output: Where its standard output goes: `stdout`, `stderr` or `nowhere`.
        stdin: What it reads: `inherit` for what this process would, or `nothing`.
        law_of: Finds the law of an optimizer the table does not know, or `module:name` of such a function.
        threads: How many threads torch may use; None for its own choice.
    """

    journal: Path
    injection: Injection = field(default_factory=Injection)
    stop_after: int | None = None
    output: str = "stdout"
    stdin: str = "inherit"
    law_of: LawOf | str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class GaugedRun:
    """How it went; what was seen is in the session.

    Args:
        exit_reason: As in `Ending`: `finished`, `failed`, `interrupted`, `killed` or `stopped`.
        exit_code: Of the script's process, negative where a signal ended it; for a function 0, or 1 where it failed.
        path: The file of the session.
        seconds: From the start of the process to its end.
        threads: How many threads torch used; None where it was not used, or could not be asked any more.
        accelerator: Whether the training ran on an accelerator.
    """

    exit_reason: str
    exit_code: int
    path: Path
    seconds: float
    threads: int | None = None
    accelerator: bool = False
