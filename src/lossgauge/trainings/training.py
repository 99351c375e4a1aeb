"""What a training is: a callable without arguments, `module:name`, or a script with its arguments."""

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol, TextIO

from lossgauge.errors import InputError
from lossgauge.records.injection import Injection
from lossgauge.records.run import Run
from lossgauge.trainings.observation import observe
from lossgauge.trainings.recorder import LawOf, Watch
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
        finds = load(law_of) if isinstance(law_of, str) else law_of
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            places: dict[str, TextIO] = {"stdout": sys.stdout, "stderr": sys.stderr, "nowhere": nowhere}
            with redirect_stdout(places[output]):
                return observe(self.title, self.function, injection, watch, finds)


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
