"""A training that is an unmodified script, run in a child process of its own each time, as `python` would run it."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from lossgauge.errors import InputError, LossgaugeError, ScriptError
from lossgauge.records.injection import Injection
from lossgauge.records.run import Run
from lossgauge.trainings.failure import ChildFailure
from lossgauge.trainings.nursery import Nursery
from lossgauge.trainings.recorder import LawOf, Watch


class Script:
    """An unmodified script with its arguments."""

    def __init__(self, path: str, args: tuple[str, ...] = (), nursery: Nursery | None = None) -> None:
        """Hold it.

        Args:
            path: The script.
            args: Its arguments.
            nursery: Where its processes come from; by default it has one of its own.
        """
        self.path = path
        self.args = tuple(str(argument) for argument in args)
        self.title = path
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
        request = {
            "script": self.path,
            "args": self.args,
            "injection": injection.to_dict(),
            "watch": watch.to_dict(),
            "law_of": _name_of(law_of),
            "output": output,
            "folder": os.getcwd(),
        }
        with tempfile.TemporaryDirectory(prefix="lossgauge-") as folder:
            place = Path(folder, "request.json")
            place.write_text(json.dumps(request), encoding="utf-8")
            code = self._nursery.run(place)
            answer = Path(folder, "answer.json")
            if not answer.exists():
                raise ScriptError(f"{self.path} ended with exit code {code} before its training could be recorded")
            outcome = json.loads(answer.read_text(encoding="utf-8"))
        return self._read(outcome)

    def _read(self, outcome: dict[str, Any]) -> Run:
        if "traceback" in outcome:
            raise ScriptError(outcome["error"]) from ChildFailure(outcome["traceback"])
        if "error" in outcome:
            raise _kind(outcome["kind"])(outcome["error"])
        return Run.from_dict(outcome["run"])


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
