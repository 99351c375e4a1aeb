"""The gauge in attendance at a training, in the process the training runs in: from before its start to its very end."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import TYPE_CHECKING, Any

from lossgauge.errors import InputError
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal
from lossgauge.records.session import Ending, Event
from lossgauge.trainings.failure import describe
from lossgauge.trainings.recorder import LawOf, Stop

if TYPE_CHECKING:
    from lossgauge.frameworks.torch.gauging.gauge import Gauge


class Attendance:
    """One training under the gauge."""

    def __init__(self, journal: Journal, injection: Injection, stop_after: int | None) -> None:
        """Prepare; nothing is put in place yet.

        Args:
            journal: Where the session is written.
            injection: What is laid over the training.
            stop_after: Optimizer steps after which it is ended; None for none.
        """
        self.journal = journal
        journal.give_up(_say)
        self.injection = injection
        self.stop_after = stop_after
        self.gauge: Gauge | None = None
        self.reason, self.detail = "finished", ""
        self._process = os.getpid()
        self._stack = ExitStack()

    @property
    def elsewhere(self) -> bool:
        """Whether this is another process, forked from that of the training."""
        return os.getpid() != self._process

    def begin(self, title: str, args: Sequence[str] = ()) -> None:
        """Write the first line of the session.

        Args:
            title: What is observed.
            args: Its arguments.
        """
        self.journal.begin(title, args, versions())

    def install(self, at_the_last_step: Callable[[], None] | None = None) -> None:
        """Put the gauge in place; the framework is loaded if it is not yet.

        Args:
            at_the_last_step: Called in place of the `Stop` that ends the training after `stop_after` steps.

        Raises:
            InputError: When torch is not installed, or the injection cannot be carried out.
            ModuleNotFoundError: When a part of lossgauge itself is missing.
        """
        try:
            from lossgauge.frameworks.torch.gauging.gauge import Gauge
            from lossgauge.frameworks.torch.gauging.request import GaugeSettings
            from lossgauge.frameworks.torch.gauging.schedule import TRIAL, Schedule
            from lossgauge.frameworks.torch.interposition import interpose
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] == "lossgauge":
                raise
            raise InputError(f"the training cannot be observed: {error}; install lossgauge[torch]") from error
        schedule = None if self.stop_after is None else Schedule(TRIAL)  # it is ended early: nobody's own run
        gauge = Gauge(self.journal, GaugeSettings(stop_after=self.stop_after, schedule=schedule))
        if at_the_last_step is not None:
            vars(gauge)["step"] = _instead_of_stop(gauge.step, at_the_last_step)
        self._stack.enter_context(interpose(self.injection, gauge))
        self.gauge = gauge

    def take(self, error: BaseException) -> None:
        """Take note of what ended the training.

        Args:
            error: What was raised; an exit without a code is no failure.
        """
        if isinstance(error, Stop) or (isinstance(error, SystemExit) and not error.code):
            return
        self.reason = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        self.detail = describe(error)

    def end(self, found: Callable[[], object], law_of: LawOf | None = None) -> None:
        """Complete the session and take everything back; nothing happens in a process that was forked from ours.

        Args:
            found: What the training left behind; models in it name the tensors.
            law_of: Finds the law of a live optimizer.
        """
        if self.elsewhere:
            return
        self._stack.close()
        try:
            if self.gauge is not None:
                self.gauge.finish(found(), law_of)
        except Exception as error:
            self.note(f"names and laws could not be completed: {describe(error)}")
        finally:
            if self.gauge is not None:
                self.gauge.close(self.reason, self.detail)
            else:
                self.journal.add(Ending(self.reason, self.detail))
            self.journal.close()

    def note(self, text: str) -> None:
        """Write down that something was not observed.

        Args:
            text: What, and why.
        """
        self.journal.add(Event("limit", 0, text))


def _say(what: str) -> None:
    """One line on standard error, where a script's own complaints go; its output stays as it is."""
    with suppress(OSError, ValueError):  # it may be closed, or on the same full disk
        print(f"lossgauge: {what}; observing ends here, and the training goes on", file=sys.stderr, flush=True)


def versions() -> dict[str, str]:
    """The versions a session names; no framework is loaded for it.

    Returns:
        Of Python, torch and lossgauge, as far as they are installed.
    """
    known = {"python": python_version()}
    for name in ("torch", "lossgauge"):
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            continue
    return known


def _instead_of_stop(step: Callable[..., Any], call: Callable[[], None]) -> Callable[..., Any]:
    def take(*args: Any) -> None:
        try:
            step(*args)
        except Stop:
            call()

    return take
