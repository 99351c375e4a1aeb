"""What runs in the child process: one run of a script, its record handed back as a file."""

import builtins
import io
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from lossgauge.errors import LossgaugeError, ScriptError
from lossgauge.records.injection import Injection
from lossgauge.trainings.failure import traceback_of
from lossgauge.trainings.observation import observe
from lossgauge.trainings.recorder import Watch


def main(place: str) -> None:
    """Run the script a request names and write the answer beside the request.

    Args:
        place: The file of the request.
    """
    request = json.loads(Path(place).read_text(encoding="utf-8"))
    os.chdir(request["folder"])
    _direct(request["output"])
    answer = Path(place).with_name("answer.json")
    try:
        outcome = _run(request)
    except ScriptError as error:
        outcome = {"error": str(error), "traceback": traceback_of(error)}
    except LossgaugeError as error:
        outcome = {"error": str(error), "kind": type(error).__name__}
    answer.write_text(json.dumps(outcome), encoding="utf-8")


def serve(asked: int, answered: int) -> None:
    """Load the framework, then fork a child for every request until the pipe is closed.

    Args:
        asked: The descriptor from which the files of requests are read, one per line.
        answered: The descriptor to which the children's exit codes are written, one per line.
    """
    with suppress(ImportError):  # the child will say what is missing
        from lossgauge.frameworks.torch.injection.inject import load_late_parts

        load_late_parts()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is for the script and for who waits for it
    request = _fork_for_each(asked, answered)
    if request is not None:
        signal.signal(signal.SIGINT, handler)
        _forget_randomness()
        main(request)


def _fork_for_each(asked: int, answered: int) -> str | None:
    """Fork at every request; the file of the request in a child, None in the parent once there are no more."""
    with os.fdopen(asked, "rb") as requests, os.fdopen(answered, "wb") as answers:
        for line in requests:
            child = os.fork()
            if not child:
                return os.fsdecode(line.removesuffix(b"\n"))
            answers.write(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            answers.flush()
    return None


def _forget_randomness() -> None:
    """Start from fresh entropy as a new interpreter does; a shared start would hide that a script is not seeded."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _direct(output: str) -> None:
    """Let standard output go where it is wanted, also that of programs the script starts."""
    if output == "stderr":
        os.dup2(2, 1)
    elif output == "nowhere":
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    script = request["script"]

    def call() -> object:
        sys.argv[:] = [script, *request["args"]]
        sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
        return list(vars(_execute(script)).values())

    law_of = _Lookup(request["law_of"]) if request["law_of"] else None
    run = observe(script, call, Injection.from_dict(request["injection"]), Watch.from_dict(request["watch"]), law_of)
    return {"run": run.to_dict()}


def _execute(script: str) -> ModuleType:
    """Run a script as the main module; it stays the main module, so that what it defined can still be found."""
    module = ModuleType("__main__")
    module.__file__ = script
    vars(module)["__builtins__"] = builtins
    sys.modules["__main__"] = module
    with io.open_code(os.path.abspath(script)) as source:
        code = compile(source.read(), script, "exec", dont_inherit=True)
    exec(code, vars(module))
    return module


class _Lookup:
    """A function named in the request, imported when it is first needed: after the user's script, never before it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, optimizer: Any) -> Any:
        from lossgauge.frameworks.torch.catalogue import load

        return load(self.name)(optimizer)
