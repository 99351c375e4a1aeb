"""A training that is an unmodified script, run in a child process of its own each time, as `python` would run it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError, LossgaugeError, ScriptError
from lossgauge.records.injection import Injection
from lossgauge.records.run import Run
from lossgauge.trainings.failure import ChildFailure
from lossgauge.trainings.interruption import wait_together
from lossgauge.trainings.nursery import Child, Nursery, start_alone
from lossgauge.trainings.order import Order
from lossgauge.trainings.recorder import LawOf, Watch
from lossgauge.trainings.request import (
    COMPLAINED,
    read_answer,
    read_printed,
    read_weights,
    temporary_folder,
    write_request,
)


class Script:
    """An unmodified script, or a module run as `python -m` does, with its arguments."""

    def __init__(
        self,
        path: str,
        args: tuple[str, ...] = (),
        nursery: Nursery | None = None,
        module: bool = False,
        threads: int | None = None,
    ) -> None:
        """Hold it.

        Args:
            path: The script, or the name of the module.
            args: Its arguments.
            nursery: Where its processes come from; by default it has one of its own.
            module: Whether `path` is the name of a module.
            threads: How many threads its runs may use; None for the framework's own choice.
        """
        self.path = path
        self.args = tuple(str(argument) for argument in args)
        self.module = module
        self.threads = threads
        self.title = f"-m {path}" if module else path
        self._nursery = nursery or Nursery()

    def run(
        self, injection: Injection, watch: Watch = Watch(), law_of: LawOf | str | None = None, output: str = "stdout"
    ) -> Run:
        """Run it once, as `python script.py` would.

        Args:
            injection: The change of units laid over it.
            watch: What to look out for.
            law_of: `module:name` of a function that finds the law of each optimizer, or such a function itself.
            output: Where its standard output goes: `stdout`, `stderr` or `nowhere`; errors to stderr, or nowhere.

        Returns:
            The record of the run.

        Raises:
            ScriptError: When the script fails.
            LossgaugeError: When the injection cannot be carried out.
        """
        request = self._request(injection, law_of, output, "nothing") | {"watch": watch.to_dict()}
        with temporary_folder() as folder:
            try:
                code = self._nursery.run(write_request(folder, request))
            finally:
                if watch.output and output != "nowhere":
                    print(read_printed(folder), end="", file=sys.stdout if output == "stdout" else sys.stderr)
                    print(read_printed(folder, COMPLAINED), end="", file=sys.stderr)
            return self.read_run(folder, code)

    def start_run(self, injection: Injection, watch: Watch, folder: Path) -> Child:
        """Start it beside others like it, silent and out of reach of the terminal, and do not wait for it.

        Args:
            injection: The change of units laid over it.
            watch: What to look out for.
            folder: Where the request and its answer lie; it must outlive the child.

        Returns:
            The child.
        """
        request = self._request(injection, None, "nowhere", "nothing") | {"watch": watch.to_dict(), "apart": True}
        return self._nursery.start(write_request(folder, request))

    def read_run(self, folder: Path, code: int) -> Run:
        """Read what a run left behind, once it has ended.

        Args:
            folder: Where its request is.
            code: The exit code of its process.

        Returns:
            The record of the run.

        Raises:
            ScriptError: When the script failed.
            LossgaugeError: When the injection could not be carried out.
        """
        answer = read_answer(folder)
        if answer is None:
            raise ScriptError(f"{self.title} ended with exit code {code} before its training could be recorded")
        run = self._read(answer)
        run.output = read_printed(folder, COMPLAINED) + read_printed(folder)  # loggers write to standard error
        run.weights = read_weights(folder)
        return run

    def gauge(self, order: Order) -> tuple[int, Mapping[str, Any]]:
        """Run it once under the gauge, in a fresh interpreter, and wait for it; Ctrl-C is shared with it.

        Args:
            order: What is asked for.

        Returns:
            The exit code of its process, and what it used of the machine.
        """
        with temporary_folder() as folder:
            # The folder is not named: the process starts in it anyway, even where it cannot be entered again.
            place = write_request(folder, self._gauged(order) | {"folder": None, "apart": False})
            code = wait_together(start_alone(place), self.title)
            return code, read_answer(folder) or {}

    def start_trial(self, order: Order, folder: Path) -> Child:
        """Start it under the gauge beside others like it, out of reach of the terminal, and do not wait for it.

        Args:
            order: What is asked for.
            folder: Where the request and its answer lie; it must outlive the child.

        Returns:
            The child.
        """
        return self._nursery.start(write_request(folder, self._gauged(order) | {"apart": True}))

    def _gauged(self, order: Order) -> dict[str, Any]:
        asked = {"journal": str(order.journal), "stop_after": order.stop_after}
        request = self._request(order.injection, order.law_of, order.output, order.stdin)
        return request | {"gauge": asked, "title": self.title, "threads": order.threads}

    def _request(self, injection: Injection, law_of: LawOf | str | None, output: str, stdin: str) -> dict[str, Any]:
        return {
            "script": self.path,
            "args": self.args,
            "module": self.module,
            "injection": injection.to_dict(),
            "law_of": _name_of(law_of),
            "output": output,
            "stdin": stdin,
            "threads": self.threads,
            "folder": _current_folder(),
        }

    def _read(self, outcome: Mapping[str, Any]) -> Run:
        if "traceback" in outcome:
            raise ScriptError(outcome["error"]) from ChildFailure(outcome["traceback"])
        if "error" in outcome:
            raise _kind(outcome["kind"])(outcome["error"])
        return Run.from_dict(outcome["run"])


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise InputError(
            f"the current folder cannot be found ({error.strerror}), perhaps it was removed; change into another one"
        ) from error


def _name_of(law_of: LawOf | str | None) -> str | None:
    if law_of is None or isinstance(law_of, str):
        return law_of
    name = getattr(law_of, "__qualname__", "<unnamed>")
    if "<" in name or "." in name:
        raise InputError(
            f"law_of is {name}, which a script in a process of its own cannot import; expected a function at the top "
            "level of a module, or its name as module:name"
        )
    return f"{law_of.__module__}:{name}"


def _kind(name: str) -> type[LossgaugeError]:
    return next((kind for kind in LossgaugeError.__subclasses__() if kind.__name__ == name), LossgaugeError)
