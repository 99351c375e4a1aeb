"""`watch`: what is happening in this training? The gauge from inside Python, around a loop of one's own."""

import math
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from lossgauge.errors import InputError
from lossgauge.records.diagnosis import Diagnosis
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal, read_session, write_session
from lossgauge.records.session import Session
from lossgauge.trainings.attendance import versions
from lossgauge.trainings.failure import describe
from lossgauge.verbs.laws import law_of_optimizer, unwrapped


class Sink(Protocol):
    """Where numbers go while the training runs."""

    def __call__(self, step: int, numbers: dict[str, float]) -> None:
        """Take the numbers of a sampled step.

        Args:
            step: The optimizer step, from 1.
            numbers: By name: `relative_update/layer.weight`, `elasticity/layer.weight`, …
        """
        ...


class CallbackSink:
    """Hands the numbers to a function."""

    def __init__(self, function: Callable[[int, dict[str, float]], object]) -> None:
        """Hold it.

        Args:
            function: Called with the step and the numbers; what it returns is ignored.
        """
        self.function = function

    def __call__(self, step: int, numbers: dict[str, float]) -> None:
        """Hand them on.

        Args:
            step: The optimizer step, from 1.
            numbers: By name.
        """
        self.function(step, numbers)


class WatchedSession(Session):
    """A session that can be saved."""

    def save(self, path: str | Path) -> None:
        """Write it to a file that `diagnose` and `lossgauge diagnose` read.

        Args:
            path: The file; what was there is replaced.
        """
        write_session(self, path)


class Watching:
    """A training that is observed for as long as this is open."""

    def __init__(
        self, model: Any, optimizers: Sequence[Any], name: str, path: Path | None, sinks: Sequence[Sink]
    ) -> None:
        """Prepare; nothing is observed yet.

        Args:
            model: Names the tensors.
            optimizers: Those to observe.
            name: What the session is called.
            path: The file of the session; None for one that is gone with this object.
            sinks: Where numbers go.
        """
        self.model = model
        self.optimizers = optimizers
        self.name = name
        self.sinks = list(sinks)
        self._folder = None if path else tempfile.TemporaryDirectory(prefix="lossgauge-", ignore_cleanup_errors=True)
        self.path = path or Path(self._folder.name if self._folder else "", "session.jsonl")
        self._stack = ExitStack()
        self._gauge: Any = None
        self._opened = False

    def __enter__(self) -> "Watching":
        if self._opened:
            raise InputError("this watch was open before, and its session is complete; call watch() once more")
        from lossgauge.frameworks.torch.gauging.gauge import Gauge
        from lossgauge.frameworks.torch.gauging.request import GaugeSettings
        from lossgauge.frameworks.torch.injection.bits import names_in
        from lossgauge.frameworks.torch.interposition import interpose

        journal = Journal(self.path)
        journal.give_up(lambda what: warnings.warn(f"{what}; observing ends here", RuntimeWarning, stacklevel=2))
        journal.begin(self.name, (), versions())
        self._opened = True
        settings = GaugeSettings(only=tuple(self.optimizers), names=names_in(self.model), sink=self._tell)
        self._gauge = Gauge(journal, settings)
        self._stack.callback(journal.close)
        self._stack.enter_context(interpose(Injection(), self._gauge))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed" if error else "finished"
        gauge, self._gauge = self._gauge, None
        with self._stack:
            gauge.finish(self.model, law_of_optimizer)
            gauge.close(reason, describe(error) if error else "")

    @property
    def session(self) -> WatchedSession:
        """What was seen so far; complete once the watch is closed.

        Raises:
            InputError: When it has not been opened yet.
        """
        if not self._opened:
            raise InputError("nothing was watched yet; open it first: with watch(model, optimizer) as gauge: …")
        if self._gauge is not None:
            self._gauge.ledger.flush()
        return WatchedSession(**vars(read_session(self.path)))

    def diagnose(self, retry: Any = None, **options: Any) -> Diagnosis:
        """Say which findings follow from what was seen.

        Args:
            retry: The training, to try remedies on; a function without required arguments, `module:name` or a script.
            options: As for `lossgauge.diagnose`.

        Returns:
            The diagnosis.
        """
        from lossgauge.verbs.diagnose import diagnose

        return diagnose(self.session, retry, **options)

    def _tell(self, step: int, numbers: dict[str, float]) -> None:
        finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
        for sink in list(self.sinks):
            try:
                sink(step, finite)
            except Exception as error:  # a full disk at the other end is no reason to disturb the training
                self.sinks.remove(sink)
                warnings.warn(f"{sink!r} is not told any more: {describe(error)}", RuntimeWarning, stacklevel=2)


def watch(
    model: Any, optimizer: Any, *, name: str = "", path: str | Path | None = None, sinks: Sequence[Sink] = ()
) -> Watching:
    """Observe a training from inside Python, without changing a bit of it.

    Args:
        model: The model, or several in a list or dictionary; it names the tensors. None where there is none.
        optimizer: The optimizer, or a list of them; wrappers that keep theirs as `.optimizer` are looked through. Steps
            of others are not observed.
        name: What to call the session.
        path: The file the session is written to as it goes; by default it is kept only as long as what is returned.
        sinks: Called with (step, numbers by name) at every sampled step: a `CallbackSink`, a `TensorBoardSink`, or a
            function. One that fails is not called again.

    Returns:
        A context manager; while it is open the optimizers are observed. It has `.session` and `.diagnose()`.

    Raises:
        InputError: When these are no torch optimizers, or the file cannot be written.

    Example:
        >>> from lossgauge import watch
        >>> with watch(model, optimizer) as gauge:  # doctest: +SKIP
        ...     train()
        >>> gauge.diagnose().healthy  # doctest: +SKIP
        True
    """
    given = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
    optimizers = [unwrapped(one) for one in given]
    for one in optimizers:
        if not hasattr(one, "param_groups"):
            raise InputError(f"the optimizer is {type(one).__name__} {one!r:.60}, expected one of torch, or a list")
    if not optimizers:
        raise InputError("no optimizer was given, expected one of torch, or a list of them")
    for sink in sinks:
        if not callable(sink):
            raise InputError(f"the sink {sink!r:.60} cannot be called, expected a function of (step, numbers)")
    place = None if path is None else Path(path).absolute()
    return Watching(model, optimizers, name or type(model).__name__, place, sinks)
