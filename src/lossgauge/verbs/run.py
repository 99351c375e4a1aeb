"""`run`: what is happening in my training? An unmodified script, as `python` would run it, with the gauge on."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossgauge.diagnosis.checkup import diagnose_session
from lossgauge.diagnosis.confirm import LONGEST, MOST
from lossgauge.diagnosis.confirm import confirm as confirm_remedies
from lossgauge.errors import InputError
from lossgauge.records.diagnosis import Diagnosis
from lossgauge.records.journal import read_session, write_session
from lossgauge.records.session import SCHEMA, Ending, Session
from lossgauge.trainings.gauging import gauge_training
from lossgauge.trainings.order import GaugedRun
from lossgauge.trainings.training import Training, read_script
from lossgauge.trainings.trials import Trials
from lossgauge.verbs.prove import LAW_OF

SCRIPT_FAILED, INTERRUPTED = 3, 130
Notify = Callable[[str], None]


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    Args:
        diagnosis: What follows from it.
        session: What was seen.
        code: What the command line returns: 0 for no fault, 1 for a fault, 3 where the script itself failed, 130 where
            it was interrupted.
        ending: How the script ended, in a few words; empty where it simply finished.
        path: The file of the session, where it was kept.
    """

    diagnosis: Diagnosis
    session: Session
    code: int
    ending: str = ""
    path: Path | None = None


def run(
    script: Any,
    args: Sequence[str] = (),
    *,
    module: bool = False,
    confirm: bool = False,
    session: str | Path | None = None,
    trials: int | None = None,
    steps: int | None = None,
    output: str = "stdout",
    notify: Notify | None = None,
) -> RunResult:
    """Run a script with the gauge on, and say what the scale of its loss does in it.

    The script runs as `python` would run it, and its result is the same bit for bit.

    Args:
        script: The path of the script, or the name of a module.
        args: Its arguments.
        module: Whether `script` is the name of a module, as in `python -m`.
        confirm: Whether remedies are tried. The script is then run again, once for each, in a copy of the project as it
            was before.
        session: The file the session is kept in; by default it is kept only where the script fails.
        trials: How many remedies are tried at most.
        steps: How many optimizer steps a trial makes at most; by default as many as the script did.
        output: Where the script's standard output goes: `stdout`, `stderr` or `nowhere`.
        notify: Told how far the trials are, a few times a second.

    Returns:
        Diagnosis, session and exit code.

    Raises:
        InputError: When there is no such script, or the session cannot be written.

    Example:
        >>> from lossgauge import run
        >>> run("train.py", ["--epochs", "1"]).diagnosis.findings[0].name  # doctest: +SKIP
        'eps-dominates'
    """
    training = read_script(script, args, module)
    limits = _Limits(trials, steps)
    if confirm:
        training.keep_aside()
    with _Place(session) as place:
        gauged = gauge_training(training, place.path, output=output, law_of=LAW_OF)
        place.kept = place.kept or gauged.exit_code != 0
        return _conclude(training, gauged, place, limits if confirm else None, notify)


def try_remedies(
    training: Training,
    session: Session,
    untouched: GaugedRun | None,
    trials: int | None = None,
    steps: int | None = None,
    notify: Notify | None = None,
) -> bool:
    """Run a training again with the remedies of what was found, and add what came of it to the session.

    Args:
        training: The training.
        session: The session of the untouched run; the trials are added to it.
        untouched: How that run went, where it is known: it limits the time of the others.
        trials: How many remedies are tried at most.
        steps: How many optimizer steps each trial makes at most.
        notify: Told how far the trials are.

    Returns:
        Whether they came to their end; False where Ctrl-C cut them short.
    """
    told = _Told(notify or (lambda text: None))
    runs = Trials(training, untouched, session.made, progress=told.reach)
    with suppress(KeyboardInterrupt):
        confirm_remedies(session, runs, notify=told.begin, most=trials or MOST, steps=steps or LONGEST)
        return True
    return False


class _Told:
    """What is being tried, and how far it is, as one line."""

    def __init__(self, notify: Notify) -> None:
        self.notify = notify
        self.what = ""

    def begin(self, what: str) -> None:
        self.what = what
        self.notify(what)

    def reach(self, reached: Sequence[int], steps: int) -> None:
        if reached:
            self.notify(f"{self.what}: step {' and '.join(map(str, reached))} of {steps}")


@dataclass(frozen=True)
class _Limits:
    """How many trials there may be, and how long each; None for what is usual."""

    trials: int | None
    steps: int | None

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if number is not None and number < 1:
                raise InputError(f"{name} is {number}, expected a whole number of at least 1")


class _Place:
    """The file of the session: the one asked for, or one that is gone afterwards unless there is reason to keep it."""

    def __init__(self, asked: str | Path | None) -> None:
        self.kept = asked is not None
        self.path = _own_place() if asked is None else _free_place(Path(asked))

    def __enter__(self) -> "_Place":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, InputError):
            self.kept = True
            error.add_note(f"what was recorded is in {self.path}")
        if not self.kept:
            shutil.rmtree(self.path.parent, ignore_errors=True)


def _own_place() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="lossgauge-session-"), "session.jsonl")
    except OSError as error:
        raise InputError(
            f"the session cannot be written to a temporary folder ({error.strerror or error}); name a file with "
            "--session, or set TMPDIR to a folder you may write to"
        ) from error


def _free_place(asked: Path) -> Path:
    """The file that was asked for, empty; only another session is overwritten."""
    if asked.is_file() and asked.stat().st_size:
        with asked.open("rb") as file:
            ours = SCHEMA.encode() in file.readline(4096)
        if not ours:
            raise InputError(f"{str(asked)!r} exists and is no session; choose another name, or remove it first")
        asked.unlink()
    return asked.absolute()


def _conclude(
    training: Training, gauged: GaugedRun, place: _Place, limits: _Limits | None, notify: Notify | None
) -> RunResult:
    """What came of a run, with remedies that were tried within the limits; without limits none is."""
    session = read_session(gauged.path)
    if session.ending is None:  # it could not even be written that it ended
        session.ending = Ending(gauged.exit_reason, "the session could not be written to its end")
    interrupted = gauged.exit_reason == "interrupted"
    if limits is not None and session.steps and not interrupted:
        interrupted = not try_remedies(training, session, gauged, limits.trials, limits.steps, notify)
        if place.kept:
            write_session(session, place.path)
    diagnosis = diagnose_session(session)
    code = _code(diagnosis, gauged, interrupted)
    return RunResult(diagnosis, session, code, _say_ending(gauged, session), place.path if place.kept else None)


def _code(diagnosis: Diagnosis, gauged: GaugedRun, interrupted: bool) -> int:
    if interrupted:
        return INTERRUPTED
    return SCRIPT_FAILED if gauged.exit_code else int(not diagnosis.healthy)


def _say_ending(gauged: GaugedRun, session: Session) -> str:
    if not gauged.exit_code and gauged.exit_reason == "finished":
        return ""
    return session.ending.detail if session.ending else gauged.exit_reason
