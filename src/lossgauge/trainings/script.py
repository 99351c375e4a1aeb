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
from lossgauge.trainings.scratch import Scratch, discard


class Script:
    """An unmodified script, or a module run as `python -m` does, with its arguments.

    What the user asked for (`gauge`) happens where the user is; every other run is an experiment, and works in a copy
    of the project as it was before the first.
    """

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
        self._scratch: Scratch | None = None

    def keep_aside(self) -> None:
        """Keep the project as it is now, for the experiments to come; the first of them does so too.

        What works in the root of all folders is no project, and is experimented with where it is.

        Raises:
            InputError: When it cannot be read, or there is no place for a copy.
        """
        folder = Path(_current_folder())
        if self._scratch is None and folder != folder.parent:
            self._scratch = Scratch(folder)

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
                code = self._nursery.run(write_request(folder, request | self._elsewhere(folder)))
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
        return self._nursery.start(write_request(folder, request | self._elsewhere(folder)))

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
        discard(folder)
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
            place = write_request(folder, self._gauged(order) | {"apart": False})
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
        request = self._gauged(order) | {"apart": True}
        return self._nursery.start(write_request(folder, request | self._elsewhere(folder)))

    def _elsewhere(self, folder: Path) -> dict[str, Any]:
        """What makes a run an experiment: its place is a copy of the project, in a folder of its own."""
        self.keep_aside()
        if self._scratch is None:
            return {"folder": _current_folder()}
        place = self._scratch.lay_out(folder)
        script = self.path if self.module else place.here(self.path)
        names = {"script": script, "args": [place.here(argument) for argument in self.args]}
        return names | {"folder": str(place.folder), "copied": [str(place.root), str(place.top)]}

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
