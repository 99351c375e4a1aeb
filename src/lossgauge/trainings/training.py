"""What a training is: a callable without arguments, `module:name`, or a script with its arguments."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Protocol, TextIO

from lossgauge.errors import InputError, LossgaugeError
from lossgauge.records.injection import Injection
from lossgauge.records.journal import Journal
from lossgauge.records.run import Run
from lossgauge.trainings.attendance import Attendance
from lossgauge.trainings.module_name import find_module
from lossgauge.trainings.observation import observe
from lossgauge.trainings.order import Order
from lossgauge.trainings.printing import keeping_output
from lossgauge.trainings.recorder import LawOf, Stop, Watch
from lossgauge.trainings.script import Script

EXPECTED = "expected a function without required arguments, its name as module:name, or a script such as train.py"


class Training(Protocol):
    """Something that can be run again and again."""

    title: str

    def run(self, injection: Injection, watch: Watch = ..., law_of: LawOf | str | None = ..., output: str = ...) -> Run:
        """Run it once.

        Args:
            injection: The change of units laid over it.
            watch: What to look out for.
            law_of: Finds the law of each optimizer, or `module:name` of such a function.
            output: Where its standard output goes: `stdout`, `stderr` or `nowhere`.

        Returns:
            The record of the run.
        """
        ...

    def gauge(self, order: Order) -> tuple[int, Mapping[str, Any]]:
        """Run it once under the gauge.

        Args:
            order: What is asked for.

        Returns:
            The exit code, and what it used of the machine.
        """
        ...


class Function:
    """A training that is a function, run in this process."""

    def __init__(self, function: Callable[[], Any], title: str) -> None:
        """Hold it.

        Args:
            function: Trains; what it returns may be, or hold, the model.
            title: Its name, for messages.
        """
        self.function = function
        self.title = title

    def run(
        self, injection: Injection, watch: Watch = Watch(), law_of: LawOf | str | None = None, output: str = "stdout"
    ) -> Run:
        """Run it once.

        Args:
            injection: The change of units laid over it.
            watch: What to look out for.
            law_of: Finds the law of each optimizer, or `module:name` of such a function.
            output: Where its standard output goes: `stdout`, `stderr` or `nowhere`.

        Returns:
            The record of the run.
        """
        with _printing(output), keeping_output(watch.output) as kept:
            run = observe(self.title, self.function, injection, watch, _finder(law_of))
        run.output = kept()
        return run

    def gauge(self, order: Order) -> tuple[int, Mapping[str, Any]]:
        """Run it once under the gauge, in this process.

        Args:
            order: What is asked for.

        Returns:
            0, or 1 where it failed, and nothing more.

        Raises:
            LossgaugeError: When the injection cannot be carried out.
            KeyboardInterrupt: When it was interrupted; the session says so.
        """
        attendance, found = Attendance(Journal(order.journal), order.injection, order.stop_after), None
        attendance.begin(self.title)
        try:
            attendance.install()
            with _printing(order.output):
                found = self.function()
        except (LossgaugeError, KeyboardInterrupt) as error:
            attendance.take(error)
            raise
        except (Exception, SystemExit, Stop) as error:
            attendance.take(error)
        finally:
            attendance.end(lambda: found, _finder(order.law_of))
        return int(attendance.reason != "finished"), {"lost": attendance.journal.lost, "reason": attendance.reason}


def read_script(script: Any, args: Sequence[str] = (), module: bool = False) -> Script:
    """The script a person named.

    Args:
        script: Its path, or the name of a module.
        args: Its arguments.
        module: Whether `script` is the name of a module, as in `python -m`.

    Returns:
        Something that can be run again and again.

    Raises:
        InputError: When there is no such script or module.
    """
    text = os.fspath(script) if isinstance(script, os.PathLike) else script
    if not isinstance(text, str):
        raise InputError(f"the script is {type(script).__name__} {script!r:.60}, expected a path such as train.py")
    if module:
        find_module(text)
        return Script(text, tuple(args), module=True)
    if not Path(text).is_file():
        hint = "" if text.endswith(".py") or "/" in text else f"; for a module write -m {text}"
        raise InputError(f"there is no script {text!r}, expected a file such as train.py{hint}")
    return Script(text, tuple(args))


def read_training(train: Any, args: Sequence[str] = ()) -> Training:
    """The training a person named.

    Args:
        train: A callable without required arguments, `module:name`, `file.py:name`, or the path of a script.
        args: The script's arguments.

    Returns:
        Something that can be run again and again.

    Raises:
        InputError: When it is none of these.
    """
    if isinstance(train, os.PathLike):
        train = os.fspath(train)
    if isinstance(train, str) and not _names_function(train):
        return Script(_script(train), tuple(args))
    if args:
        raise InputError(f"args {list(args)!r} belong to a script, but {_title(train)} is a function; expected args=()")
    function = load(train) if isinstance(train, str) else train
    if not callable(function):
        raise InputError(f"the training is {type(function).__name__} {function!r:.60}, {EXPECTED}")
    missing = _required(function)
    if missing:
        raise InputError(
            f"{_title(train)} requires {', '.join(missing)}; {EXPECTED}; wrap it in a lambda that gives them"
        )
    return Function(function, _title(train))


@contextmanager
def _printing(output: str) -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        places: dict[str, TextIO] = {"stdout": sys.stdout, "stderr": sys.stderr, "nowhere": nowhere}
        with redirect_stdout(places[output]):
            yield


def _finder(law_of: LawOf | str | None) -> LawOf | None:
    return load(law_of) if isinstance(law_of, str) else law_of


def load(name: str) -> Any:
    """What `module:name` names.

    Args:
        name: The name; the current folder is on the path.

    Returns:
        The object.
    """
    from lossgauge.frameworks.torch import catalogue

    return catalogue.load(name)


def _names_function(text: str) -> bool:
    place, colon, name = text.rpartition(":")
    return bool(colon and place and name.replace(".", "").isidentifier() and not Path(text).exists())


def _script(text: str) -> str:
    if not Path(text).is_file():
        hint = "" if text.endswith(".py") else f"; a function of a module is written {text}:train"
        raise InputError(f"there is no script {text!r}, {EXPECTED}{hint}")
    return text


def _title(train: Any) -> str:
    return train if isinstance(train, str) else getattr(train, "__name__", type(train).__name__)


def _required(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
