"""What runs in the child process: one run of a script, as the request asks for it."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from lossgauge.errors import LossgaugeError, ScriptError
from lossgauge.records.injection import Injection
from lossgauge.trainings.arrival import on_arrival
from lossgauge.trainings.failure import traceback_of
from lossgauge.trainings.forking import forget_randomness, fork_for_each
from lossgauge.trainings.guard import guard
from lossgauge.trainings.law_lookup import LawLookup
from lossgauge.trainings.main_module import run_as_main
from lossgauge.trainings.recorder import Watch
from lossgauge.trainings.request import COMPLAINED, PRINTED, WEIGHTS, write_answer

NO_INPUT = "; what is run several times has no standard input, so give it as an argument or in a file"


def main(place: str) -> None:
    """Carry out a request in this process, which belongs to the script from here on.

    Args:
        place: The file of the request.
    """
    request = json.loads(Path(place).read_text(encoding="utf-8"))
    if request.get("apart"):
        os.setsid()  # so that it can be ended with all it starts, and no Ctrl-C of the terminal reaches it
    _direct(request, place)
    if "folder" in request:
        os.chdir(request["folder"])
    if "copied" in request:
        _work_in_copy(request["folder"], request["copied"][0])
    if "gauge" in request:
        from lossgauge.trainings.gauged_child import run_gauged

        run_gauged(request, place)
    else:
        try:
            write_answer(place, _answer(request, Path(place).parent))
        except KeyboardInterrupt:  # who waits for us says so; a traceback through this file would tell nobody anything
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)


def serve(asked: int, answered: int) -> None:
    """Load the framework, then fork a child for every request until the pipe is closed.

    Args:
        asked: The descriptor from which the files of requests are read, one per line.
        answered: The descriptor to which it is written which children were started and how they ended.
    """
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is for the script and for who waits for it
    with suppress(ImportError):  # the child will say what is missing
        import_module("lossgauge.frameworks.torch.gauging.gauge")
        import_module("lossgauge.frameworks.torch.injection.inject").load_late_parts()
    request = fork_for_each(asked, answered)
    if request is not None:
        signal.signal(signal.SIGINT, handler)
        forget_randomness()
        main(request)


def _work_in_copy(folder: str, root: str) -> None:
    """Leave the project itself alone from here on."""
    os.environ["PWD"] = folder
    guard(root)
    on_arrival("torch", lambda: import_module("lossgauge.frameworks.torch.saving").announce_saving())


def _direct(request: Mapping[str, Any], place: str) -> None:
    """Let the standard streams go where they are wanted, also those of programs the script starts."""
    if request["output"] == "stderr":
        os.dup2(2, 1)
    elif request["output"] == "nowhere":
        _replace(os.devnull, os.O_WRONLY, 1, 2)
    if "watch" in request and request["watch"]["output"]:
        for descriptor, name in ((1, PRINTED), (2, COMPLAINED)):
            _replace(str(Path(place).with_name(name)), os.O_WRONLY | os.O_CREAT | os.O_APPEND, descriptor)
    if request["stdin"] == "nothing":
        _replace(os.devnull, os.O_RDONLY, 0)


def _replace(file: str, mode: int, *descriptors: int) -> None:
    opened = os.open(file, mode, 0o600)
    for descriptor in descriptors:
        os.dup2(opened, descriptor)
    if opened not in descriptors:
        os.close(opened)


def _answer(request: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The record of a run that is watched step by step, or why there is none."""
    from lossgauge.trainings.observation import observe

    def call() -> object:
        if request["threads"] is not None:
            from lossgauge.frameworks.torch.machine import use_threads

            use_threads(request["threads"])
        run_as_main(request["script"], request["args"], request["module"])
        return list(vars(sys.modules["__main__"]).values())

    law_of = LawLookup(request["law_of"]) if request["law_of"] else None
    injection, watch = Injection.from_dict(request["injection"]), Watch.from_dict(request["watch"])
    try:
        run = observe(request["script"], call, injection, watch, law_of)
        if run.weights is not None:
            (folder / WEIGHTS).write_bytes(b"".join(run.weights))
        return {"run": run.to_dict()}
    except ScriptError as error:
        asked = request["stdin"] == "nothing" and isinstance(error.__cause__, EOFError)
        told = {"error": f"{error}{NO_INPUT if asked else ''}", "traceback": traceback_of(error)}
        root, top = request.get("copied", ("", ""))  # the user knows the project, not the copy
        return {name: text.replace(top, root) for name, text in told.items()}
    except LossgaugeError as error:
        return {"error": str(error), "kind": type(error).__name__}
